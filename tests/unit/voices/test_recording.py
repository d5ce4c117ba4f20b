"""What is taken for the recording of a speaker, and what is not."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.errors import AudioError, AudioTooLongError, AudioTooShortError, InvalidValueError
from speechhub.voices.recording import RATE, clip_bytes, load_recording, read_recording
from tests.unit.voices.conftest import recording, tone, wav


def read(samples, rate=RATE):
    return read_recording(wav(samples, rate), max_duration_s=30, param="audio_sample")


def test_a_recording_is_kept_at_the_librarys_rate():
    """Whatever its rate was, it is mono PCM16 at 48 kHz, as long as before."""
    made = read(tone(1.5, rate=16_000), rate=16_000)

    assert made.duration_s == pytest.approx(1.5, abs=0.01)
    assert made.audio.sample_rate == RATE
    assert np.abs(made.audio.samples).max() == pytest.approx(0.3, abs=0.02)


def test_a_recording_survives_its_file(tmp_path):
    """What is written is what is read, digest included."""
    made = recording()
    (tmp_path / "x.wav").write_bytes(made.wav())

    found = load_recording((tmp_path / "x.wav").read_bytes())
    assert (found.pcm16, found.digest) == (made.pcm16, made.digest)


def test_the_digest_is_of_the_sound():
    """A file and the same sound in another file have one digest; another sound has another."""
    made = recording()

    again = read_recording(io.BytesIO(made.wav()), max_duration_s=30, param="x")
    assert again.digest == made.digest
    assert recording(hertz=221).digest != made.digest


@pytest.mark.scenario("useless-speaker-clip")
@pytest.mark.parametrize(
    ("samples", "error", "says"),
    [
        (tone(0.5), AudioTooShortError, "at least 1 s"),
        (tone(31), AudioTooLongError, "30"),
        (np.zeros(2 * RATE), AudioError, "silent"),
        (np.full(2 * RATE, 0.4), AudioError, "silent"),
        (tone(2, level=0.001), AudioError, "silent"),
        (np.concatenate([tone(0.3), np.zeros(2 * RATE)]), AudioTooShortError, "too little speech"),
        (np.sign(tone(2)), AudioError, "full scale"),
    ],
    ids=["short", "long", "silent", "constant", "quiet", "hardly anything", "overdriven"],
)
def test_a_bad_recording_is_refused(samples, error, says):
    """The message says what is wrong, and the field is named."""
    with pytest.raises(error, match=says) as caught:
        read(samples)

    assert caught.value.param == "audio_sample"


def test_what_is_no_audio_is_refused():
    """The decoder's own complaint names the right field too."""
    with pytest.raises(AudioError) as caught:
        read_recording(b"no audio at all", max_duration_s=30, param="audio_sample")

    assert caught.value.param == "audio_sample"


def test_a_clip_longer_than_a_step_comes_back_whole():
    """It is decoded in steps, whatever line ends it has."""
    data = bytes(range(256)) * 1500

    for clip in (base64.b64encode(data), base64.encodebytes(data)):
        assert clip_bytes(clip.decode(), limit_bytes=len(data), param="voice") == data


@pytest.mark.mission("6.6", "7.6")
@given(data=st.binary(max_size=2000), kind=st.sampled_from(["", "data:;base64,", "data:audio/wav;base64,"]))
def test_clips_are_base64_or_data_urls(data, kind):
    """Either form gives the bytes back."""
    text = kind + base64.b64encode(data).decode()

    assert clip_bytes(text, limit_bytes=2000, param="voice") == data


@pytest.mark.parametrize(
    "text", ["data:audio/wav,plain", "data:,x", "not base64!", "abc", "data:audio/wav;base64,%%%"]
)
def test_what_is_no_clip_is_refused(text):
    """The field is named."""
    with pytest.raises(InvalidValueError) as caught:
        clip_bytes(text, limit_bytes=2000, param="emotion.audio")

    assert caught.value.param == "emotion.audio"


def test_a_large_clip_is_refused():
    """By a single byte, and by much."""
    for size in (1001, 100_000):
        with pytest.raises(InvalidValueError, match="larger than 1000 bytes"):
            clip_bytes(base64.b64encode(b"x" * size).decode(), limit_bytes=1000, param="voice")
