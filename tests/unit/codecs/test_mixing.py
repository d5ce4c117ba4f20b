"""Mixing to mono: nothing that a channel has is cancelled, and what was right stays as it is."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler
from recordings import wav

from speechhub.codecs.decode import decode
from speechhub.codecs.mixing import Mixer, weights

RATE = 16_000
CASE = Path(__file__).parents[2] / "cases" / "stereo_out_of_phase.flac"


def load(data):
    return decode(data, sample_rate=RATE, max_duration_s=60).samples


@pytest.fixture(scope="module")
def speech():
    """Three seconds of somebody who reads, at 16 kHz; the left channel of the case."""
    with av.open(str(CASE)) as container:
        resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = list(container.decode(audio=0))
        samples = np.concatenate([it.to_ndarray().reshape(-1, 2)[:, 0] for it in frames])
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = container.streams.audio[0].rate
        heard = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([it.to_ndarray()[0] for it in heard]).astype(np.float64)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def encoded(channels, container="wav", codec="pcm_f32le", layout=None, **options):
    """Return a recording with these channels, each of shape (samples,)."""
    layout = layout or {2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}[len(channels)]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE, layout=layout, options=options)
        samples = np.array(channels, np.float32)
        for place in range(0, samples.shape[1], RATE):
            part = samples[:, place : place + RATE].T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = RATE, place
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def plain(channels):
    """Return what FFmpeg mixes by itself."""
    layout = {2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}[len(channels)]
    return np.array(weights(layout)) @ np.array(channels)


def likeness(heard, wanted, band_hz=(300, 3_400)):
    """Return how much of *wanted* is in *heard*, within a band, whatever their polarity and level; 0 to 1.

    Least of half a second at a time, so that a moment without it tells.
    """
    length = min(len(heard), len(wanted)) // (RATE // 2) * (RATE // 2)
    spectra = [np.fft.rfft(it[:length]) for it in (heard, wanted)]
    hz = np.fft.rfftfreq(length, 1 / RATE)
    within = (hz >= band_hz[0]) & (hz <= band_hz[1])
    parts = [np.fft.irfft(it * within, length).reshape(-1, RATE // 2) for it in spectra]
    loud = (parts[1] ** 2).mean(1) > 1e-6
    products = np.abs((parts[0] * parts[1]).sum(1)) / (
        np.sqrt((parts[0] ** 2).sum(1) * (parts[1] ** 2).sum(1)) + 1e-12
    )
    return products[loud].min()


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples)) + 1e-20)


def band_inverted(samples, low_hz, high_hz):
    """Return *samples* with the polarity of one band turned."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return np.fft.irfft(np.where((hz >= low_hz) & (hz < high_hz), -spectrum, spectrum), len(samples))


def delayed(samples, count):
    return np.concatenate([np.zeros(count), samples[:-count]])


# ── What cancelled is heard ──────────────────────────────────────────────────


@pytest.mark.scenario("opposed-channels")
def test_the_case_that_people_sent_is_heard(speech):
    heard = load(CASE.read_bytes())

    assert likeness(heard, speech) > 0.99
    assert level_db(heard) == pytest.approx(level_db(speech), abs=1)


@pytest.mark.parametrize("factor", [-1.0, -0.9, -0.75, -1.2, -0.3])
def test_one_channel_inverted_at_any_level(speech, factor):
    heard = load(encoded([speech, factor * speech]))

    assert likeness(heard, speech) > 0.99
    assert level_db(heard) > level_db(speech) - 12


@pytest.mark.parametrize("kind", ["u8", "s16le", "s24le", "s32le", "f32le", "f64le"])
def test_samples_of_every_kind(speech, kind):
    heard = load(encoded([speech * 4, speech * -4], codec=f"pcm_{kind}"))

    assert likeness(heard, speech) > 0.95
    assert abs(heard.mean()) < 0.01
    assert level_db(heard) == pytest.approx(level_db(speech * 4), abs=1)


@pytest.mark.parametrize(
    ("container", "codec"), [("mp3", "libmp3lame"), ("mp4", "aac"), ("webm", "libopus"), ("flac", "flac")]
)
def test_channels_that_a_codec_has_changed(speech, container, codec):
    """What is left of the mix is what the codec could not keep: it is no speech."""
    data = encoded([speech, -speech], container, codec)
    with av.open(io.BytesIO(data)) as source:
        delay = 0 if codec in ("flac", "libopus") else None
        assert source.streams.audio[0].layout.nb_channels == 2
    heard = load(data)

    assert level_db(heard) == pytest.approx(level_db(speech), abs=1.5)
    if delay is not None:
        assert likeness(heard, speech) > 0.9


@pytest.mark.parametrize("count", [1, 2])
def test_an_inverted_channel_that_comes_a_little_later(speech, count):
    """Later still, and the mix is thin, as that of any two microphones, and has all the words."""
    heard = load(encoded([speech, -delayed(speech, count)]))

    assert level_db(heard) > level_db(speech) - 6
    if count == 1:
        assert likeness(heard, speech) > 0.7


@pytest.mark.parametrize("offset", [0.01, 0.1, 0.2, 0.3, 0.31, 0.4])
def test_an_offset_in_one_channel_hides_nothing(speech, offset):
    heard = load(encoded([speech + offset, -speech]))

    assert likeness(heard, speech) > 0.99
    assert level_db(heard - heard.mean()) > level_db(speech) - 1
    assert np.corrcoef(heard, speech)[0, 1] > 0.9, "the first of two equal channels keeps its polarity"


def test_hum_in_both_channels_hides_nothing(speech):
    """Its sum is loud while the speech cancels."""
    hum = 0.2 * np.sin(2 * np.pi * 50 * np.arange(len(speech)) / RATE)

    heard = load(encoded([speech + hum, -speech + hum]))

    assert likeness(heard, speech) > 0.98


@pytest.mark.scenario("opposed-channels")
@pytest.mark.parametrize(("low_hz", "high_hz"), [(300, 8_000), (100, 1_000), (1_000, 8_000), (0, 900)])
def test_a_band_in_which_one_channel_is_inverted(speech, low_hz, high_hz):
    heard = load(encoded([speech, band_inverted(speech, low_hz, high_hz)]))

    assert likeness(heard, speech, (400, 900)) > 0.9
    assert likeness(heard, speech, (1_200, 3_400)) > 0.9


@pytest.mark.parametrize("share", [(0.0, 0.4), (0.3, 0.7), (0.55, 1.0), (0.31, 0.47)])
def test_a_part_of_the_time_in_which_one_channel_is_inverted(speech, share):
    long = np.tile(speech, 2)
    place = np.arange(len(long)) / len(long)
    turned = (place >= share[0]) & (place < share[1])

    heard = load(encoded([long, np.where(turned, -long, long)]))

    silent = (np.abs(heard).reshape(-1, 800).max(1) < 1e-4) & (np.abs(long).reshape(-1, 800).max(1) > 1e-2)
    assert silent.sum() <= 2
    assert level_db(heard) > level_db(long) - 1


def test_polarity_that_changes_again_and_again(speech):
    long = np.tile(speech, 2)
    turned = np.arange(len(long)) // (RATE * 3 // 4) % 2 == 0

    heard = load(encoded([long, np.where(turned, -long, long)]))

    assert level_db(heard) > level_db(long) - 2


def test_nothing_clicks_where_the_mix_changes():
    """A tone whose second channel is inverted from its middle on has no step in it."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    second = np.where(np.arange(len(tone)) < 2 * RATE, tone, -tone)

    heard = load(encoded([tone, second]))

    steepest = np.abs(np.diff(tone)).max()
    inside = np.abs(np.diff(heard))
    assert np.delete(inside, range(2 * RATE - 2, 2 * RATE + 2)).max() < 1.2 * steepest


@pytest.mark.parametrize(
    ("count", "place"),
    [(4, 0), (4, 3), (6, 2), (6, 3), (6, 4), (6, 5), (8, 3), (8, 7)],
    ids=["quad front", "quad rear", "centre", "bass", "left rear", "right rear", "bass of 7.1", "side"],
)
def test_speech_in_one_channel_alone(speech, count, place):
    """Also in the one that FFmpeg leaves out: recorders number their microphones, and players name them."""
    channels = [np.zeros(len(speech))] * count
    channels[place] = speech

    heard = load(encoded(channels))

    assert likeness(heard, speech) > 0.99
    assert level_db(heard) > level_db(speech) - 20


@pytest.mark.parametrize("inverted", [(1,), (1, 3), (2, 3), (0, 1, 4)])
def test_inverted_channels_among_many(speech, inverted):
    count = 6 if 4 in inverted else 4
    channels = [-speech if place in inverted else speech for place in range(count)]

    assert likeness(load(encoded(channels)), speech) > 0.99


# ── What was right stays as it is ────────────────────────────────────────────


def ordinary(speech, rng):
    """Return recordings whose mix is sound, by what they are."""
    noise = rng.standard_normal((8, len(speech))) * 0.02
    other = np.roll(speech, RATE)
    time_s = np.arange(len(speech)) / RATE
    rear = [np.zeros(len(speech))] * 6
    rear[4] = speech
    return {
        "alike": [speech, speech],
        "panned": [speech, 0.3 * speech],
        "one silent": [speech, np.zeros(len(speech))],
        "two microphones": [speech + noise[0], delayed(speech, 7) + noise[1]],
        "two voices": [speech, other],
        "two voices with an echo": [speech - 0.1 * delayed(other, 160), other - 0.1 * delayed(speech, 160)],
        "noise": list(noise[:2]),
        "hum beside": [speech, 0.3 * np.sin(2 * np.pi * 50 * time_s)],
        "tones that beat": [0.1 * np.sin(2 * np.pi * hz * time_s) for hz in (440, 554)],
        "inverted a little": [speech, -0.3 * speech],
        "silence": list(np.zeros((2, len(speech)))),
        "quad": list(noise[:4] + speech),
        "5.1": list(noise[:6] * 5 + [[1], [1], [2], [0], [0.5], [0.5]] * np.array([speech] * 6)),
        "5.1 rear": rear,
        "bass and speech": [*([speech] * 3), 0.5 * np.sin(2 * np.pi * 40 * time_s), *noise[:2]],
        "7.1": list(noise),
    }


NAMES = [*ordinary(np.zeros(RATE), np.random.default_rng(0))]


@pytest.mark.parametrize("name", NAMES)
def test_an_ordinary_recording_is_mixed_as_ever(speech, rng, name):
    """Sample for sample as FFmpeg does it."""
    channels = ordinary(speech, rng)[name]

    np.testing.assert_allclose(load(encoded(channels)), plain(channels), atol=1e-6)


def test_mono_is_not_touched(rng):
    samples = (rng.standard_normal(RATE) * 3000).astype(np.int16)

    assert np.array_equal(load(wav(samples)), samples.astype(np.float32) / 32768)


def test_both_ends_of_a_telephone_call_are_heard(speech):
    """One channel each, and one of them much quieter."""
    other = 0.3 * np.roll(speech[::-1], RATE // 2)

    heard = load(encoded([speech, other]))

    np.testing.assert_allclose(heard, (speech + other) / 2, atol=1e-6)


def test_a_frame_that_is_sound_is_the_same_object(rng):
    frame = av.AudioFrame.from_ndarray(
        (rng.standard_normal((1, 2 * RATE)) * 3000).astype(np.int16), format="s16", layout="stereo"
    )
    frame.sample_rate = RATE

    assert Mixer("stereo", RATE).mix(frame) is frame


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38])
def test_samples_that_are_no_numbers_do_no_harm(speech, value):
    broken = speech.copy()
    broken[::1000] = value

    heard = load(encoded([broken, -speech]))

    assert np.isfinite(heard).all()


@pytest.mark.parametrize("length", [1, 10, 799, 800, 801, 1_700])
@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_short_frames(layout, length):
    """The last frame of a recording may have any length."""
    count = av.AudioLayout(layout).nb_channels
    mixer = Mixer(layout, RATE)
    samples = np.tile([[0.1], [-0.1]], (count // 2, length)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = RATE

    assert mixer.mix(frame).samples == length
