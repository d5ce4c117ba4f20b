"""Quiet recordings are raised, and nothing else is."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler

from speechhub.codecs.loudness import LEAST_DBFS, PEAK, Raiser, may_be_quiet, raised

RATE = 16_000
CASE = Path(__file__).parents[2] / "cases" / "stereo_out_of_phase.flac"


@pytest.fixture(scope="module")
def speech():
    """Six seconds of somebody who reads, with pauses; at 16 kHz and -20 dBFS."""
    with av.open(str(CASE)) as container:
        resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
        samples = np.concatenate([it.to_ndarray().reshape(-1, 2)[:, 0] for it in container.decode(audio=0)])
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = container.streams.audio[0].rate
        heard = [*resampler.resample(frame), *resampler.resample(None)]
    samples = np.concatenate([it.to_ndarray()[0] for it in heard])
    return samples * np.float32(10 ** ((-20 - level_dbfs(samples)) / 20))


def level_dbfs(samples):
    """Return the level of what is loud in *samples*, so that pauses do not count."""
    power = np.square(samples[: len(samples) // 512 * 512].astype(np.float64)).reshape(-1, 512).mean(1)
    return 10 * np.log10(np.quantile(power, 0.8) + 1e-20)


def at(samples, dbfs):
    """Return speech of -20 dBFS at another level."""
    return samples * np.float32(10 ** ((dbfs + 20) / 20))


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def pcm16(samples):
    return np.rint(np.clip(samples, -1, 1) * 32767).astype(np.int16)


# ── What is quiet ────────────────────────────────────────────────────────────


@pytest.mark.scenario("quiet-speech")
@pytest.mark.parametrize("dbfs", [-46, -50, -60, -70, -75])
def test_quiet_speech_is_raised(speech, dbfs):
    quiet = at(speech, dbfs)

    heard = Raiser(RATE).process(quiet)

    assert level_dbfs(heard) == pytest.approx(LEAST_DBFS, abs=3)
    gain = 10 ** ((level_dbfs(heard) - level_dbfs(quiet)) / 20)
    np.testing.assert_allclose(heard[RATE:], quiet[RATE:] * gain, atol=1e-3)
    assert may_be_quiet(pcm16(quiet), RATE)


def test_what_16_bits_leave_of_quiet_speech_is_raised(speech):
    quiet = pcm16(at(speech, -60)) / np.float32(32768)

    assert level_dbfs(Raiser(RATE).process(quiet)) == pytest.approx(LEAST_DBFS, abs=3)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 24_000])
def test_any_sample_rate(speech, sample_rate):
    stretched = np.interp(np.arange(0, len(speech), RATE / sample_rate), np.arange(len(speech)), speech)

    heard = Raiser(sample_rate).process(at(stretched, -55).astype(np.float32))

    assert level_dbfs(heard) == pytest.approx(LEAST_DBFS, abs=3)


@pytest.mark.parametrize("level", [1.0, 0.3])
@pytest.mark.parametrize("length_s", [0.01, 0.2, 0.8])
def test_a_knock_does_not_keep_a_recording_quiet(speech, rng, length_s, level):
    """It is not raised itself, and clips nowhere."""
    quiet = at(speech, -50)
    knock = slice(2 * RATE, 2 * RATE + round(length_s * RATE))
    quiet[knock] = np.clip(rng.standard_normal(knock.stop - knock.start) * level / 3, -level, level)

    heard = Raiser(RATE).process(quiet)

    assert level_dbfs(heard[3 * RATE :]) > level_dbfs(quiet[3 * RATE :]) + 5
    assert np.abs(heard).max() <= max(PEAK + 1e-3, level)


def test_an_offset_is_no_loudness(speech):
    """A cheap sound card adds one."""
    heard = Raiser(RATE).process(at(speech, -55) + np.float32(0.002))

    assert level_dbfs(heard - heard.mean()) == pytest.approx(LEAST_DBFS, abs=3)


@pytest.mark.parametrize("offset", [0.02, -0.2])
@pytest.mark.parametrize("dbfs", [-50, -60])
def test_an_offset_larger_than_the_speech_does_not_keep_it_quiet(speech, dbfs, offset):
    quiet = at(speech, dbfs) + np.float32(offset)

    heard = Raiser(RATE).process(quiet)

    assert level_dbfs(heard - heard.mean()) == pytest.approx(LEAST_DBFS, abs=3)
    assert may_be_quiet(pcm16(quiet), RATE)


def test_a_quiet_start_is_raised_and_what_is_loud_stays(speech):
    """Each block by itself, with a smooth way from one to the next."""
    loud = np.tile(speech, 5)
    raiser = Raiser(RATE)

    first, second, third = (raiser.process(it) for it in (at(loud, -60), loud, loud))

    assert level_dbfs(first) == pytest.approx(LEAST_DBFS, abs=3)
    assert np.abs(second).max() <= max(PEAK + 1e-3, np.abs(loud).max())
    np.testing.assert_array_equal(second[RATE:], loud[RATE:])
    assert third is loud


def test_a_quiet_start_is_raised_within_a_block_too(speech):
    """What is loud stays sample for sample, and so does silence."""
    quiet, rest, loud = at(speech, -60), np.zeros(RATE, np.float32), speech
    block = np.concatenate([quiet, rest, loud])
    split = len(quiet) + RATE

    heard = Raiser(RATE).process(block)

    assert level_dbfs(heard[: len(quiet)]) == pytest.approx(LEAST_DBFS, abs=3)
    np.testing.assert_array_equal(heard[split + RATE :], block[split + RATE :])
    assert not heard[len(quiet) : split].any()
    assert may_be_quiet(pcm16(block), RATE)


def test_the_gain_is_smooth(speech):
    """It is a ramp between blocks: a tone below the speech has no step in it."""
    tone = 1e-4 * np.sin(2 * np.pi * 200 * np.arange(len(speech)) / RATE).astype(np.float32)
    raiser = Raiser(RATE)

    heard = np.concatenate([raiser.process(it + tone) for it in (at(speech, -50), at(speech, -60))])
    given = np.concatenate([at(speech, -50) + tone, at(speech, -60) + tone])

    told = np.abs(given) > 1e-5
    places, gains = np.flatnonzero(told), heard[told] / given[told]
    assert gains.max() > 2 * gains.min()
    assert np.abs(np.diff(gains) / np.diff(places)).max() < 0.01


# ── What stays as it is ──────────────────────────────────────────────────────


@pytest.mark.parametrize("dbfs", [-12, -20, -30, -36, -40, -42])
def test_ordinary_speech_is_the_same_object(speech, dbfs):
    ordinary = np.clip(at(speech, dbfs), -1, 1)

    assert Raiser(RATE).process(ordinary) is ordinary


@pytest.mark.parametrize("dbfs", [-12, -20, -30, -35])
def test_ordinary_speech_needs_no_thread(speech, dbfs):
    assert not may_be_quiet(pcm16(at(speech, dbfs)), RATE)


def test_one_word_in_a_long_silence_stays(speech, rng):
    ordinary = (rng.standard_normal(30 * RATE) * 1e-4).astype(np.float32)
    ordinary[RATE : 3 * RATE] += speech[2 * RATE : 4 * RATE]

    assert Raiser(RATE).process(ordinary) is ordinary


def sounds(rng):
    """Return sounds without speech, by name, at full scale."""
    time_s = np.arange(20 * RATE) / RATE
    noise = rng.standard_normal(len(time_s))
    return {
        "silence": np.zeros(len(time_s)),
        "noise": noise / 4,
        "noise that comes and goes": noise / 8 * (1 + np.sin(2 * np.pi * 4 * time_s)),
        "rumble": np.convolve(noise, np.ones(200) / 200, "same"),
        "hum": np.sin(2 * np.pi * 50 * time_s),
        "a beep": np.sin(2 * np.pi * 1_000 * time_s) * (time_s % 2 < 0.3),
        "clicks": (rng.random(len(time_s)) < 1e-3) * 1.0,
        "an offset": np.ones(len(time_s)),
    }


@pytest.mark.scenario("quiet-noise")
@pytest.mark.parametrize("dbfs", [-50, -60, -70])
@pytest.mark.parametrize("name", [*sounds(np.random.default_rng(0))])
def test_what_is_no_speech_is_not_raised(rng, name, dbfs):
    """Noise at -60 dBFS must not become loud: engines hear words in it."""
    quiet = (sounds(rng)[name] * 10 ** (dbfs / 20)).astype(np.float32)

    assert Raiser(RATE).process(quiet) is quiet


def test_silence_needs_no_thread(speech):
    """As recorders write it before and after a word."""
    silence = np.zeros(5 * RATE, np.int16)

    assert not may_be_quiet(silence, RATE)
    assert not may_be_quiet(np.concatenate([silence, pcm16(speech), silence]), RATE)
    assert not may_be_quiet(np.empty(0, np.int16), RATE)


@pytest.mark.parametrize("length", [0, 1, 100, 511, 512, 1_600])
def test_the_shortest_blocks(length):
    block = np.full(length, 1e-3, np.float32)

    assert Raiser(RATE).process(block) is block


def test_blocks_are_closed_with_what_raises_them(speech):
    closed = []

    def blocks():
        try:
            while True:
                yield speech
        finally:
            closed.append(True)

    reading = raised(blocks(), RATE)
    assert next(reading) is speech

    reading.close()

    assert closed == [True]
