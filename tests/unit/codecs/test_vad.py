"""Voice detection: the model hears speech, in streams of any rate and any blocks."""

from pathlib import Path

import numpy as np
import pytest

from speechhub.codecs import vad
from speechhub.codecs.cuts import SPEECH
from speechhub.codecs.decode import decode_blocks
from speechhub.codecs.vad import SAMPLE_RATE, SETTLED, WINDOW_S, WINDOW_SAMPLES, VoiceDetector, may_be_speech
from speechhub.domain.audio import Audio
from tests.fakes.babble import babble, talk

CLIPS = Path(__file__).parents[3] / "plugins/speechhub-whisper/tests/clips"


def judge(samples, rate=SAMPLE_RATE, block=None):
    detector = VoiceDetector(rate)
    step = block or len(samples) or 1
    parts = [detector.process(samples[at : at + step]) for at in range(0, len(samples), step)]
    return np.concatenate([*parts, detector.finish()])


def within(probabilities, start_s, end_s):
    return probabilities[round(start_s / WINDOW_S) : round(end_s / WINDOW_S)]


def test_speech_is_told_from_silence():
    """Probabilities are high where somebody speaks, and low before, between and after."""
    found = judge(talk(0, 1, 3, 1, 2, 1))

    assert len(found) == 8 / WINDOW_S
    assert np.median(within(found, 1.2, 3.8)) > 0.8
    assert np.median(within(found, 5.2, 6.8)) > 0.8
    for silence in ((0, 0.9), (4.2, 4.9), (7.3, 8)):
        assert within(found, *silence).max() < 0.2


@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_what_is_no_speech(kind):
    """Neither silence nor noise nor a tone is taken for a voice."""
    count = 3 * SAMPLE_RATE
    samples = {
        "silence": np.zeros(count),
        "noise": np.random.default_rng(1).standard_normal(count) * 0.1,
        "tone": np.sin(np.arange(count) * 0.2) * 0.3,
    }[kind]

    assert judge(samples.astype(np.float32)).max() < 0.3


@pytest.mark.parametrize("block", [1, 160, WINDOW_SAMPLES, 5000])
def test_blocks_make_no_difference(block):
    """However a stream is cut into blocks, the windows are the same."""
    samples = talk(0, 0.1, 0.5)

    assert np.array_equal(judge(samples, block=block), judge(samples))


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000, 48_000])
def test_other_rates_are_converted(rate):
    """Windows have the same length in seconds at any rate, and speech is found in the same place."""
    found = judge(talk(0, 1, 2, 1, rate=rate), rate, block=rate)

    assert len(found) == pytest.approx(4 / WINDOW_S, abs=1)
    assert np.median(within(found, 1.2, 2.8)) > 0.5
    assert within(found, 0, 0.9).max() < 0.3


def test_the_last_window_is_filled_with_silence():
    """A stream need not end with a whole window; an empty one has none."""
    assert len(judge(np.zeros(WINDOW_SAMPLES + 1, np.float32))) == 2
    assert len(judge(np.zeros(0, np.float32))) == 0


def test_detectors_do_not_share_what_they_heard():
    """Each stream begins with a model that has heard nothing."""
    samples = babble(1)
    first, second = VoiceDetector(SAMPLE_RATE), VoiceDetector(SAMPLE_RATE)

    one = first.process(samples)
    first.process(babble(1, seed=5))

    assert np.array_equal(second.process(samples), one)


@pytest.mark.parametrize("silence_s", [12, 60, 200])
@pytest.mark.parametrize("block", [SAMPLE_RATE, 30 * SAMPLE_RATE])
def test_speech_after_a_long_silence_is_found(monkeypatch, silence_s, block):
    """From the same place on as where the silence is listened to, give or take a window; so is its end."""
    samples = talk(3, silence_s, 4)

    found = judge(samples, block=block)

    monkeypatch.setattr(vad, "SETTLED", len(samples))
    begins = round((3 + silence_s) / WINDOW_S) - 10
    listened = np.flatnonzero(judge(samples, block=block)[begins:] >= SPEECH)
    skipped = np.flatnonzero(found[begins:] >= SPEECH)
    assert abs(skipped[0] - listened[0]) <= 1
    assert abs(skipped[-1] - listened[-1]) <= 1
    assert np.median(within(found, 3.2 + silence_s, 6.8 + silence_s)) > 0.5
    assert within(found, 4, 2.5 + silence_s).max() < SPEECH


@pytest.mark.scenario("long-gap")
def test_digital_silence_is_hardly_listened_to(monkeypatch):
    """Ten seconds tell the model all; an hour takes no longer."""
    detector = VoiceDetector(SAMPLE_RATE)
    judged, native = [], detector._library.judge
    monkeypatch.setattr(
        detector._library,
        "judge",
        lambda model, samples: judged.append(len(samples)) or native(model, samples),
    )

    for _ in range(120):
        detector.process(np.zeros(30 * SAMPLE_RATE, np.float32))
    detector.process(babble(1))

    assert sum(judged) == (SETTLED + SAMPLE_RATE // WINDOW_SAMPLES) * WINDOW_SAMPLES


def test_a_moment_of_speech_is_found_and_noise_is_none():
    """Of real speech any third of a second that has sound is enough, in silence of its own."""
    clip = CLIPS / "en.ogg"
    with clip.open("rb") as file:
        speech = np.concatenate(list(decode_blocks(file, sample_rate=16_000, max_duration_s=60)))
    quiet = np.random.default_rng(1).normal(0, 0.0005, 4_800).astype(np.float32)
    pieces = [speech[at : at + 4_800] for at in range(0, len(speech) - 4_800, 4_800)]
    loud = [piece for piece in pieces if np.sqrt(np.mean(piece**2)) > 0.02]
    noise = np.random.default_rng(2).normal(0, 0.1, 48_000).astype(np.float32)
    time_s = np.arange(48_000, dtype=np.float32) / 16_000
    fan = np.convolve(noise, np.full(40, 1 / 40, np.float32), "same") * (1 + 0.3 * np.sin(57 * time_s))
    hum = (0.1 * np.sin(314 * time_s) + 0.05 * np.sin(942 * time_s)).astype(np.float32)

    def may_be(samples):
        return may_be_speech(Audio(samples=samples.astype(np.float32), sample_rate=16_000))

    assert len(loud) > 8
    assert all(may_be(np.concatenate([quiet, piece, quiet])) for piece in loud)
    assert not any(map(may_be, (noise, fan, hum, quiet)))
