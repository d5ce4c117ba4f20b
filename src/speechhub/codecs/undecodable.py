"""Explains why the sound of a supported container cannot be decoded."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from av.audio import AudioStream
from av.audio.codeccontext import AudioCodecContext

from speechhub.codecs.decoders import decoders_for
from speechhub.codecs.foreign import CONVERT
from speechhub.codecs.plain import Readable

MOST_NAMED: Final = 20
"""How many tracks a message names."""

_INDEX_BYTES: Final = 2**20
"""How much of a movie's index is read."""
_MAX_BOXES: Final = 1000

_ENTRY: Final = re.compile(rb"stsd\0{7}.[\x00-\xff]{4}([A-Za-z0-9 .+-]{4})", re.DOTALL)
"""The first entry of a track's table of sample descriptions. Source: ISO/IEC 14496-12 §8.5.2."""

_NAMES: Final = {
    b"ac-4": "AC-4",
    b"apac": "Apple Positional Audio Codec",
    b"mha1": "MPEG-H 3D Audio",
    b"mhm1": "MPEG-H 3D Audio",
    b"mha2": "MPEG-H 3D Audio",
    b"mhm2": "MPEG-H 3D Audio",
}
"""Codecs for which FFmpeg has no decoder."""
_UNNAMED: Final = "a codec that has no decoder"
_ENCRYPTED: Final = {
    b"drms": "with Apple's FairPlay",
    b"aavd": "as an Audible audiobook (AAX)",
    b"enca": "with Common Encryption (DRM)",
}


def name_codecs(streams: Sequence[AudioStream], file: Readable, demuxer: str) -> str | None:
    """Say which codec each track has and what to do, if none of them can be decoded; None if one can.

    Args:
        streams: the audio tracks, in order.
        file: the file that they are in; its position moves if the result is not None.
        demuxer: name of the demuxer that reads it.
    """
    contexts = [_context(stream) for stream in streams]
    decoders = decoders_for(demuxer)
    if not contexts or any(context is not None and context.name in decoders for context in contexts):
        return None
    entries = _sample_entries(file) if demuxer == "mov" else []
    if lock := _lock(entries):
        return lock
    # FFmpeg names the codecs that it has decoders for; entries that it does not know belong to the others.
    unknown = iter([entry for entry in entries if entry in _NAMES])
    names = [
        _NAMES.get(next(unknown, b""), _UNNAMED) if context is None else context.codec.long_name
        for context in contexts
    ]
    tracks = ", ".join(
        f"audio track {number} is in {name}" for number, name in enumerate(names[:MOST_NAMED], 1)
    )
    return f"No audio track of this file can be decoded: {tracks}. {CONVERT}"


def _context(stream: AudioStream) -> AudioCodecContext | None:
    """Return PyAV's context for a track; None where FFmpeg has no decoder, which PyAV's types do not say."""
    return stream.codec_context


def explain(file: Readable, demuxer: str) -> str | None:
    """Say why nothing could be decoded; None if the file is simply damaged.

    Args:
        file: the file that was tried; its position moves.
        demuxer: name of the demuxer that read it.
    """
    if demuxer != "mov":
        return None
    if _find_box(file, b"moov") is None:
        return (
            "This MP4 or QuickTime file has no index (moov): the recorder or the download stopped before the "
            "end. Download or export it again; a program such as untrunc may recover the recording."
        )
    return _lock(_sample_entries(file))


def _lock(entries: Iterable[bytes]) -> str | None:
    for entry in entries:
        if entry in _ENCRYPTED:
            return f"This file is encrypted {_ENCRYPTED[entry]}, and speechhub does not decrypt."
    return None


def _sample_entries(file: Readable) -> list[bytes]:
    """Return the types of a movie's tracks, including video."""
    place = _find_box(file, b"moov")
    if place is None:
        return []
    file.seek(place)
    return _ENTRY.findall(file.read(_INDEX_BYTES))


def _find_box(file: Readable, kind: bytes) -> int | None:
    """Return where the first top-level box of a kind begins."""
    place = 0
    for _ in range(_MAX_BOXES):
        file.seek(place)
        header = file.read(16)
        if len(header) < 8:  # noqa: PLR2004 - the size of a box's header
            return None
        if header[4:8] == kind:
            return place
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        if size < 8:  # noqa: PLR2004 - it reaches to the end of the file, or is wrong
            return None
        place += size
    return None
