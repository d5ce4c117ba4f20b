"""G.711 by both laws, against FFmpeg's codecs: every code and every sample."""

import av
import numpy as np
import pytest
from av.audio import AudioFrame

from speechhub.codecs import g711
from speechhub.codecs.g711 import SAMPLE_RATE, Law

CODES = bytes(range(256))
SAMPLES = np.arange(-32768, 32768).astype(np.int16)
BOTH = pytest.mark.parametrize(("law", "codec"), [(Law.MU, "pcm_mulaw"), (Law.A, "pcm_alaw")])


def context(codec, mode):
    """Return FFmpeg's codec, ready for telephone audio."""
    made = av.CodecContext.create(codec, mode)
    made.sample_rate, made.layout = SAMPLE_RATE, "mono"
    return made


def decoded_by_ffmpeg(data, codec):
    """Return FFmpeg's samples of *data*."""
    return np.concatenate([frame.to_ndarray()[0] for frame in context(codec, "r").decode(av.Packet(data))])


def encoded_by_ffmpeg(pcm16, codec):
    """Return FFmpeg's codes of *pcm16*."""
    encoder = context(codec, "w")
    encoder.format = "s16"
    frame = AudioFrame.from_ndarray(pcm16.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@BOTH
def test_every_code_is_decoded_as_ffmpeg_does(law, codec):
    """All 256 codes give FFmpeg's samples."""
    assert np.array_equal(g711.decode(CODES, law), decoded_by_ffmpeg(CODES, codec))


@BOTH
def test_every_sample_gets_its_nearest_code(law, codec):
    """No code is nearer; FFmpeg drops two bits first, which moves its limits by up to 3."""
    ours = g711.decode(g711.encode(SAMPLES, law), law).astype(int) - SAMPLES
    theirs = decoded_by_ffmpeg(encoded_by_ffmpeg(SAMPLES, codec), codec).astype(int) - SAMPLES
    nearest = np.min(np.abs(g711.decode(CODES, law).astype(int)[:, None] - SAMPLES), axis=0)

    assert np.array_equal(np.abs(ours), nearest)
    assert np.max(np.abs(theirs) - np.abs(ours)) <= 6
    assert np.mean(theirs == ours) > 0.99


@pytest.mark.parametrize("law", Law)
def test_a_code_survives_decoding_and_encoding(law):
    """Audio that is only passed on stays what it is; µ-law's two zeros become one."""
    again = g711.encode(g711.decode(CODES, law), law)
    changed = [code for code in CODES if again[code] != code]

    assert changed == ([0x7F] if law is Law.MU else [])


def test_silence_is_the_networks_silence():
    """A sample of 0 has the code that telephone networks send for silence."""
    silence = np.zeros(3, np.int16)

    assert g711.encode(silence, Law.MU) == b"\xff" * 3
    assert g711.encode(silence, Law.A) == b"\xd5" * 3


def test_nothing_stays_nothing():
    """No bytes are no samples, and the other way round."""
    assert g711.decode(b"", Law.A).shape == (0,)
    assert g711.encode(np.zeros(0, np.int16), Law.MU) == b""
