"""Recordings that are far too quiet, or whose channels cancel: Whisper hears the words all the same."""

import asyncio
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from speechhub.hub import Hub
from speechhub.services import passages as reading
from speechhub.services.transcription import TranscriptionJob
from speechhub.settings import Settings
from tests.e2e.test_round_trip import word_error_rate
from tests.unit.codecs.recordings import wav

CLIPS = Path(__file__).parents[2] / "plugins" / "speechhub-whisper" / "tests" / "clips"
CASES = Path(__file__).parents[1] / "cases"
SAID = {
    "en": "The old lighthouse stood at the edge of the cliff. "
    "Every evening, the keeper climbed the narrow stairs to light the great lamp.",
    "en2": "Making bread at home is easier than most people think. "
    "You only need flour, water, salt, and a little yeast.",
}
RATE = 16_000
MAX_WER = 0.05

pytestmark = [
    pytest.mark.unhurried,
    pytest.mark.skipif(find_spec("speechhub_whisper") is None, reason="the CPU engines are not installed"),
]


def heard(tmp_path, *recordings):
    """Return what Whisper hears in each recording."""

    async def work():
        async with Hub.assemble(Settings(home=tmp_path, offline=True)) as hub:
            job = TranscriptionJob(model="whisper-base", language="en")
            return [(await hub.transcription.transcribe(io.BytesIO(it), job)).text for it in recordings]

    return asyncio.run(work())


def spoken(name):
    """Return a clip with its speech at -20 dBFS; float64, at 16 kHz."""
    from speechhub.codecs.decode import decode

    clip = decode((CLIPS / f"{name}.ogg").read_bytes(), sample_rate=RATE, max_duration_s=60).samples
    power = np.square(clip[: len(clip) // 320 * 320].astype(np.float64)).reshape(-1, 320).mean(1)
    return clip * (0.1 / np.sqrt(power[power > power.max() / 1000].mean()))


def recording(samples, dbfs=-20):
    """Return a WAV file of 16 bits, whose speech is at a level."""
    return wav(np.rint(np.clip(samples * 10 ** ((dbfs + 20) / 20), -1, 1) * 32767).astype(np.int16), RATE)


@pytest.mark.scenario("quiet-speech")
def test_a_quiet_recording_has_the_words_of_a_loud_one(tmp_path):
    clip = spoken("en")

    texts = heard(tmp_path, *(recording(clip, dbfs) for dbfs in (-20, -50, -60)))

    for text in texts:
        assert word_error_rate(SAID["en"], text) <= MAX_WER


def test_a_long_quiet_recording_is_cut_as_a_loud_one_is(tmp_path, monkeypatch):
    """Where the recording is cut at its silences, whose detector hears less of what is quiet."""
    monkeypatch.setattr(reading, "LONGEST_S", 10.0)
    pause = np.zeros(RATE)
    long = np.concatenate([it for name in ("en", "en2") for it in (spoken(name), pause)])
    said = " ".join((SAID["en"], SAID["en2"]))
    assert len(long) > 10 * RATE

    texts = heard(tmp_path, *(recording(long, dbfs) for dbfs in (-20, -60)))

    for text in texts:
        assert word_error_rate(said, text) <= MAX_WER


def test_a_quiet_start_and_a_loud_knock_hide_no_words(tmp_path):
    start = np.concatenate([spoken("en") * 10 ** (-35 / 20), np.zeros(RATE), spoken("en2")])
    knock = spoken("en") * 10 ** (-35 / 20)
    knock[RATE : RATE + 160] = np.random.default_rng(1).uniform(-1, 1, 160)

    both, one = heard(tmp_path, recording(start), recording(knock))

    assert word_error_rate(f"{SAID['en']} {SAID['en2']}", both) <= MAX_WER
    assert word_error_rate(SAID["en"], one) <= 2 * MAX_WER


@pytest.mark.scenario("quiet-noise")
def test_quiet_noise_has_no_words(tmp_path):
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(RATE * 12)
    swelling = noise * (1 + np.sin(2 * np.pi * 3 * np.arange(len(noise)) / RATE))

    texts = heard(tmp_path, *(recording(it, dbfs) for it in (noise, swelling) for dbfs in (-40, -50)))

    assert texts == [""] * 4


def test_stereo_out_of_phase_has_words(tmp_path):
    clip = spoken("en")
    pairs = {
        "inverted and quieter": (clip, -0.8 * clip),
        "with an offset": (clip + 0.2, -clip),
        "inverted for a part": (clip, np.where(np.arange(len(clip)) < len(clip) / 2, clip, -clip)),
    }
    stereo = [
        wav(np.rint(np.clip(np.stack(it, axis=1), -1, 1) * 32767).astype(np.int16).reshape(-1), RATE, 2)
        for it in pairs.values()
    ]

    case, *texts = heard(tmp_path, (CASES / "stereo_out_of_phase.flac").read_bytes(), *stereo)

    assert len(case.split()) > 10
    for name, text in zip(pairs, texts, strict=True):
        assert word_error_rate(SAID["en"], text) <= MAX_WER, name
