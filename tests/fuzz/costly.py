"""Recordings that cost far more to read than their size says."""

import random
import struct
from functools import cache

from tests.unit.codecs.recordings import record, tone

_FLAC_FRAME = b"\xff\xf8"


@cache
def silence(duration_s=888):
    """Return a FLAC that is silent throughout; 888 s are 150 kB. No passage ends in it."""
    step_s = 8
    one = record("flac", "flac", rate=48_000, samples=tone(step_s, 48_000, peak=0.0))
    first, last = one.index(_FLAC_FRAME), one.rindex(_FLAC_FRAME)  # the last frame is shorter
    return one[:first] + one[first:last] * (duration_s // step_s)


@cache
def changing_mp3(size_bytes=2_000_000):
    """Return an MP3 whose frames are mono and stereo in turns: each change sets the decoder up anew."""
    samples = tone(1, 48_000)
    mono = _mp3_frames(record("mp3", "libmp3lame", rate=48_000, samples=samples, options=_PLAIN))
    stereo = _mp3_frames(
        record("mp3", "libmp3lame", rate=48_000, layout="stereo", samples=samples, options=_PLAIN)
    )
    turns = b"".join(frame for pair in zip(mono, stereo, strict=False) for frame in pair)
    return turns * (size_bytes // len(turns))


_PLAIN = {"b": "32000", "reservoir": "0", "write_xing": "0", "id3v2_version": "0"}
_MP3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_HZ = (44_100, 48_000, 32_000)


def _mp3_frames(data):
    """Return the frames of an MP3 without those that tell about it. Source: ISO 11172-3, 2.4.1.3."""
    at, frames = data.index(b"\xff\xfb"), []
    while data[at : at + 2] == b"\xff\xfb":
        kbps, hz = _MP3_KBPS[data[at + 2] >> 4], _MP3_HZ[data[at + 2] >> 2 & 3]
        length = 144_000 * kbps // hz + (data[at + 2] >> 1 & 1)
        frames.append(data[at : at + length])
        at += length
    return [frame for frame in frames[2:-2] if b"Xing" not in frame and b"Info" not in frame]


@cache
def empty_chunks(size_bytes=16_000_000):
    """Return a WAV that is nothing but chunks without content: no sound comes, ever."""
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    body += b"junk\0\0\0\0" * ((size_bytes - len(body)) // 8)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@cache
def adts_noise(size_bytes=4_000_000):
    """Return AAC frames with good heads and noise in them: each is an error that costs time."""
    chance = random.Random(1)
    length = 400
    # MPEG-4, no CRC, AAC-LC, 48 kHz, two channels. Source: ISO 13818-7, 6.2.
    head = bytes((0xFF, 0xF1, 0x4C, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC))
    return b"".join(head + chance.randbytes(length - len(head)) for _ in range(size_bytes // length))
