"""Small good recordings in every container that the hub opens, to be damaged."""

import io
from functools import partial

import av
import numpy as np

from tests.unit.codecs import handmade
from tests.unit.codecs.formats import filmed
from tests.unit.codecs.recordings import mp4, record, tone, wav

CLIP_S = 0.5

_CONTAINER_CODEC_RATE = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "wav-adpcm": ("wav", "adpcm_ima_wav", 16_000),
    "mp3": ("mp3", "libmp3lame", 16_000),
    "flac": ("flac", "flac", 16_000),
    "ogg": ("ogg", "libopus", 48_000),
    "ogg-flac": ("ogg", "flac", 16_000),
    "mp4": ("mp4", "aac", 16_000),
    "m4a-alac": ("mp4", "alac", 16_000),
    "mov": ("mov", "pcm_s16le", 16_000),
    "webm": ("webm", "libopus", 48_000),
    "mkv": ("matroska", "flac", 16_000),
    "aac": ("adts", "aac", 16_000),
    "amr": ("amr", "libopencore_amrnb", 8000),
    "aiff": ("aiff", "pcm_s16be", 16_000),
    "au": ("au", "pcm_mulaw", 8000),
    "caf": ("caf", "pcm_s16be", 16_000),
    "w64": ("w64", "pcm_s16le", 16_000),
    "mpeg": ("mpeg", "mp2", 16_000),
}


_NEWER = {
    "ts": ("mpegts", "aac", 48_000, {}),
    "ts-ac3": ("mpegts", "ac3", 48_000, {}),
    "avi": ("avi", "libmp3lame", 16_000, {}),
    "avi-yamaha": ("avi", "adpcm_yamaha", 16_000, {}),
    "wma": ("asf", "wmav2", 16_000, {"b": "24000"}),
    "flv": ("flv", "libmp3lame", 44_100, {}),
    "ac3": ("ac3", "ac3", 48_000, {}),
    "eac3": ("eac3", "eac3", 48_000, {}),
    "latm": ("latm", "aac", 16_000, {}),
    "wv": ("wv", "wavpack", 16_000, {}),
    "tta": ("tta", "tta", 16_000, {}),
    "rm": ("rm", "real_144", 8000, {}),
    "voc": ("voc", "pcm_u8", 8000, {}),
    "wav-g722": ("wav", "g722", 16_000, {}),
    "wav-g726": ("wav", "g726", 8000, {}),
    "vob": ("vob", "ac3", 48_000, {}),
}

_HANDMADE = {
    "dts": handmade.dts,
    "ape": handmade.monkeys_audio,
    "mpc7": handmade.musepack_7,
    "mpc8": handmade.musepack_8,
    "shn": handmade.shorten,
    "dsf": partial(handmade.dsf, 0.1),
    "dff": partial(handmade.dsdiff, 0.1),
    "nist": handmade.nist,
    "lbc": handmade.ilbc,
    "qcp": handmade.qcp,
    "dss": handmade.dss,
    "cook": handmade.real_media,
    "ra": handmade.real_audio,
    "oma": handmade.open_mg,
    "wma-voice": handmade.windows_voice,
}


def good_recordings():
    """Return recordings of half a second by name; the same bytes every time."""
    made = {name: _encode(*way) for name, way in (_CONTAINER_CODEC_RATE | _NEWER).items()}
    made |= {name: make() for name, make in _HANDMADE.items()}
    made["mxf"] = filmed("mxf", "pcm_s16le")
    made["mp3-cover"] = record("mp3", "libmp3lame", samples=tone(CLIP_S), picture="mjpeg")
    made["wav-float"] = wav(tone(CLIP_S))
    made["wav-unfinished"] = _unfinished(made["wav"])
    made["mp4-tables"] = mp4(packets=8000, duration=1, packet_bytes=2, data=bytes(range(250)) * 64)
    return made


def _unfinished(data):
    """Return a WAV whose recorder could not go back to write the lengths."""
    at = data.index(b"data") + 4
    return data[:4] + b"\xff" * 4 + data[8:at] + bytes(4) + data[at + 4 :]


def _encode(container, codec, rate, options=None):
    file = io.BytesIO()
    samples = tone(CLIP_S, rate)
    # FFmpeg writes random serial numbers, and its version, unless it is told to be exact.
    with av.open(file, "w", format=container, options={"fflags": "+bitexact"}) as output:
        audio = output.add_stream(codec, rate=rate, layout="mono", options=options or {})
        audio.codec_context.flags |= av.codec.context.Flags.bitexact
        for start in range(0, len(samples), 4096):
            part = np.ascontiguousarray(samples[start : start + 4096]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    return file.getvalue()
