"""Encoding: formats that clients play, streamed without delay."""

import hashlib
import io
import struct
import wave

import av
import numpy as np
import pytest
from recordings import tone

from speechhub.codecs.decode import decode
from speechhub.codecs.encode import (
    HEAD_BYTES,
    OUTPUT_RATE,
    Encoder,
    PatchedPipe,
    SpeechFormat,
    encode_all,
)
from speechhub.domain.audio import Audio

FORMATS = list(SpeechFormat)
DELAY_S = 0.08
"""Lossy encoders put a fraction of a frame before and behind."""


def stream(audio_format, samples, rate, step_s=0.1):
    encoder = Encoder(audio_format, source_rate=rate)
    step = round(rate * step_s)
    parts = [encoder.encode(samples[start : start + step]) for start in range(0, len(samples), step)]
    return [*parts, encoder.finish()]


def heard(data, audio_format):
    if audio_format is SpeechFormat.PCM:
        return np.frombuffer(data, "<i2") / 32767
    return decode(data, sample_rate=OUTPUT_RATE, max_duration_s=60).samples


def hz(samples):
    return np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * OUTPUT_RATE / len(samples)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100])
@pytest.mark.parametrize("audio_format", FORMATS)
def test_streamed_bytes_join_to_the_speech(audio_format, rate):
    """Length, pitch and loudness are the engine's, whatever its rate, in every format."""
    samples = heard(b"".join(stream(audio_format, tone(2, rate), rate)), audio_format)

    delay_s = DELAY_S if audio_format in {SpeechFormat.MP3, SpeechFormat.AAC} else 0.0001
    assert len(samples) / OUTPUT_RATE == pytest.approx(2, abs=delay_s)
    assert hz(samples) == pytest.approx(440, abs=1)
    assert np.abs(samples[10_000:40_000]).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.mission("7.2")
@pytest.mark.parametrize("audio_format", FORMATS)
def test_file_holds_the_speech(audio_format):
    samples = heard(
        encode_all(Audio(samples=tone(2, 22_050), sample_rate=22_050), audio_format), audio_format
    )

    assert len(samples) / OUTPUT_RATE == pytest.approx(2, abs=DELAY_S)
    assert hz(samples) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("audio_format", FORMATS)
def test_bytes_flow_while_speech_does(audio_format):
    """No encoder keeps more than a quarter of a second to itself."""
    parts = stream(audio_format, tone(2, 24_000), 24_000)

    assert sum(map(len, parts[:3])) > 150
    assert max(map(len, parts[-1:])) < sum(map(len, parts)) / 8
    assert sum(not part for part in parts[3:-1]) == 0


@pytest.mark.parametrize("audio_format", FORMATS)
def test_everything_leaves_at_24_khz_mono(audio_format):
    if audio_format is SpeechFormat.PCM:
        pytest.skip("has no header; test_pcm_is_bare_samples covers it")
    with av.open(io.BytesIO(b"".join(stream(audio_format, tone(1, 22_050), 22_050)))) as container:
        (audio,) = container.streams.audio
        # Opus always decodes at 48 kHz; its header tells the rate that went in
        assert audio.rate == (48_000 if audio_format is SpeechFormat.OPUS else 24_000)
        assert audio.channels == 1


def test_media_types():
    """Source: contract §3, recorded answers."""
    assert [each.media_type for each in SpeechFormat] == [
        "audio/mpeg",
        "audio/opus",
        "audio/aac",
        "audio/flac",
        "audio/wav",
        "audio/pcm",
    ]


def test_streamed_wav_says_that_its_length_is_unknown():
    header = b"".join(stream(SpeechFormat.WAV, tone(1, 24_000), 24_000))[:44]

    assert header[:4] + header[8:16] + header[36:40] == b"RIFFWAVEfmt data"
    assert struct.unpack("<I", header[4:8]) == struct.unpack("<I", header[40:44]) == (0xFFFFFFFF,)
    assert struct.unpack("<HHIIHH", header[20:36]) == (1, 1, 24_000, 48_000, 2, 16)


def test_wav_file_has_the_right_sizes():
    data = encode_all(Audio(samples=tone(1, 24_000), sample_rate=24_000), SpeechFormat.WAV)

    assert struct.unpack("<I", data[4:8]) == (len(data) - 8,)
    assert struct.unpack("<I", data[40:44]) == (len(data) - 44,) == (48_000,)


def flac_total_samples(data):
    return int.from_bytes(data[21:26]) & 0xF_FFFF_FFFF


def test_flac_knows_its_length_only_as_a_file():
    audio = Audio(samples=tone(1, 24_000), sample_rate=24_000)

    assert flac_total_samples(encode_all(audio, SpeechFormat.FLAC)) == 24_000
    streamed = b"".join(stream(SpeechFormat.FLAC, audio.samples, 24_000))
    assert flac_total_samples(streamed) == 0
    assert streamed.index(b"\xff\xf8") < 100  # the first frame follows without padding


def test_opus_header_is_what_clients_know():
    """Ogg, mono, input rate 24 000, pre-skip 312. Source: contract §3."""
    data = b"".join(stream(SpeechFormat.OPUS, tone(1, 22_050), 22_050))
    head = data[data.index(b"OpusHead") :]

    assert data[:4] == b"OggS"
    assert struct.unpack("<BBHI", head[8:16]) == (1, 1, 312, 24_000)


def test_mp3_is_frames_and_nothing_else():
    """No ID3 tag and no Xing header: MPEG-2 layer III, 128 kbit/s, 24 kHz, mono."""
    streamed = b"".join(stream(SpeechFormat.MP3, tone(1, 24_000), 24_000))
    whole = encode_all(Audio(samples=tone(1, 24_000), sample_rate=24_000), SpeechFormat.MP3)

    for data in (streamed, whole):
        assert data[:3] == b"\xff\xf3\xc4"
        assert b"Xing" not in data
        assert b"Info" not in data
        assert len(data) % 384 == 0


def test_aac_is_adts():
    data = b"".join(stream(SpeechFormat.AAC, tone(1, 24_000), 24_000))

    assert data[:2] == b"\xff\xf1"


def test_pcm_is_bare_samples():
    """Full scale is clipped, not wrapped; silence is zero."""
    samples = np.array([0, 0.5, 1, 2, -1, -2, 0], np.float32)

    data = b"".join(stream(SpeechFormat.PCM, samples, 24_000))

    assert np.frombuffer(data, "<i2").tolist() == [0, 16384, 32767, 32767, -32767, -32767, 0]


@pytest.mark.parametrize("audio_format", FORMATS)
def test_no_speech_at_all_is_a_valid_file(audio_format):
    encoder = Encoder(audio_format, source_rate=22_050)

    data = encoder.encode(np.empty(0, np.float32)) + encoder.finish()

    if audio_format in {SpeechFormat.WAV, SpeechFormat.FLAC, SpeechFormat.OPUS}:
        assert len(data) > 40
    else:
        assert len(data) < 2000


@pytest.mark.parametrize("audio_format", FORMATS)
def test_abandoned_stream_leaves_nothing_behind(audio_format):
    """A client that hangs up costs no warning: the encoder is simply dropped."""
    encoder = Encoder(audio_format, source_rate=24_000)
    encoder.encode(tone(0.5, 24_000))

    del encoder


def test_same_speech_gives_the_same_bytes():
    audio = Audio(samples=tone(1, 24_000), sample_rate=24_000)

    for audio_format in SpeechFormat:
        if audio_format is not SpeechFormat.OPUS:  # Ogg streams have a random serial number
            assert encode_all(audio, audio_format) == encode_all(audio, audio_format)


# ── Files whose headers tell their length, of bytes that have left ───────────


def whole(audio_format, samples, rate, step_s=0.1):
    encoder = Encoder(audio_format, source_rate=rate, whole=True)
    step = round(rate * step_s)
    parts = [encoder.encode(samples[start : start + step]) for start in range(0, len(samples), step)]
    data = b"".join([*parts, encoder.finish()])
    return encoder.patched(data[:HEAD_BYTES]) + data[HEAD_BYTES:]


@pytest.mark.parametrize("seconds", [0.01, 0.5, 10.0])
def test_a_whole_wav_has_the_right_sizes(seconds):
    data = whole(SpeechFormat.WAV, tone(seconds, 24_000), 24_000)

    assert data == encode_all(Audio(samples=tone(seconds, 24_000), sample_rate=24_000), SpeechFormat.WAV)
    with wave.open(io.BytesIO(data)) as file:
        assert file.getnframes() == round(24_000 * seconds)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 10.0])
def test_a_whole_flac_has_its_length_and_digest(seconds):
    """The digest is that of the samples, which `flac -t` and others check. Source: RFC 9639, section 8.2."""
    samples = tone(seconds, 24_000)
    data = whole(SpeechFormat.FLAC, samples, 24_000)

    assert flac_total_samples(data) == len(samples)
    assert data[26:42] == hashlib.md5(b"".join(stream(SpeechFormat.PCM, samples, 24_000))).digest()
    assert data[42:] == b"".join(stream(SpeechFormat.FLAC, samples, 24_000))[42:]


@pytest.mark.parametrize("seconds", [0.2, 3.0, 10.0])
def test_a_whole_mp3_has_its_length_without_padding(seconds):
    """A frame at the start tells it, and players leave out what the encoder put around the speech."""
    data = whole(SpeechFormat.MP3, tone(seconds, 24_000), 24_000)

    assert b"Info" in data[:64]
    with av.open(io.BytesIO(data)) as container:
        assert container.duration / 1e6 == pytest.approx(seconds, abs=0.03)
        assert sum(frame.samples for frame in container.decode(audio=0)) == round(24_000 * seconds)


@pytest.mark.parametrize("audio_format", [SpeechFormat.OPUS, SpeechFormat.AAC, SpeechFormat.PCM])
def test_other_formats_are_whole_as_they_are(audio_format):
    """Their packets tell all there is to tell."""
    samples = tone(2, 24_000)

    assert whole(audio_format, samples, 24_000) == b"".join(stream(audio_format, samples, 24_000))


def test_a_pipe_that_can_seek_is_a_file():
    """What is written over bytes that have left is kept for the head; the rest is as in a file."""
    pipe, file, head = PatchedPipe(), io.BytesIO(), b""
    for place, data, taken in [(0, b"abcdef", True), (4, b"XYZW", False), (1, b"-", True), (3, b"+++", True)]:
        for each in (pipe, file):
            each.seek(place)
            each.write(data)
            assert each.tell() == place + len(data)
        head += pipe.take() if taken else b""
    pipe.seek(0, io.SEEK_END)
    assert (pipe.tell(), pipe.seek(-2, io.SEEK_CUR), pipe.seekable()) == (8, 6, True)

    assert pipe.patched(head) == file.getvalue()
