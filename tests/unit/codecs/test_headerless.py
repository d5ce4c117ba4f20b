"""Samples without a header, read as a WAV file."""

import io
import wave

import numpy as np
import pytest

from speechhub.codecs import headerless
from speechhub.codecs.decode import decode
from speechhub.codecs.headerless import with_header
from speechhub.errors import AudioTooLongError, AudioTooShortError

SAMPLES = (np.sin(np.arange(160_000) * 0.2) * 8000).astype("<i2")
"""10 s at 16 kHz: more than is read at once."""


def test_it_is_a_wav_file():
    """Another reader of WAV files finds the samples, and what the header says of them."""
    with wave.open(with_header(io.BytesIO(SAMPLES.tobytes()), sample_rate=16_000)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.readframes(file.getnframes()) == SAMPLES.tobytes()


def test_places_are_those_of_the_whole():
    """Reading and seeking across the end of the header give what one file would."""
    whole = with_header(io.BytesIO(SAMPLES.tobytes()), sample_rate=16_000)
    made = whole.read()
    plain = io.BytesIO(made)

    assert len(made) == 44 + SAMPLES.nbytes
    for offset, whence, size in ((0, 0, 12), (40, 0, 8), (-4, 2, 100), (44, 0, 2), (2, 1, 5), (9, 2, 1)):
        assert whole.seek(offset, whence) == plain.seek(offset, whence)
        assert whole.read(size) == plain.read(size)
        assert whole.tell() == plain.tell()


@pytest.mark.parametrize("sample_rate", [16_000, 24_000])
def test_it_is_decoded(sample_rate):
    """The samples come out, at their own rate and at another; an odd byte at the end does not matter."""
    file = with_header(io.BytesIO(SAMPLES.tobytes() + b"\x01"), sample_rate=16_000)

    audio = decode(file, sample_rate=sample_rate, max_duration_s=60)

    assert audio.duration_s == pytest.approx(10, abs=0.01)
    assert np.abs(audio.samples).max() == pytest.approx(8000 / 32768, rel=0.05)


def test_nothing_is_too_short():
    """No samples at all are an error like any other short recording."""
    with pytest.raises(AudioTooShortError):
        decode(with_header(io.BytesIO(), sample_rate=16_000), sample_rate=16_000, max_duration_s=60)


def test_more_than_a_wav_file_holds_is_refused(monkeypatch):
    """Lengths in the header have 32 bits: what does not fit would be lost without a word."""
    monkeypatch.setattr(headerless, "LIMIT_BYTES", 10)

    with pytest.raises(AudioTooLongError):
        with_header(io.BytesIO(bytes(11)), sample_rate=16_000)
