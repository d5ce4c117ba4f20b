"""Counts the comments (tags) of a recording before FFmpeg reads them.

FFmpeg keeps a file's comments in a list that it searches for every new one: 90,000 of them, 2 MB, take half a
minute, and a block of 16 MB takes hours, during which nothing can stop it. In most containers it reads them
bit by bit, so that `Budget` ends it. The containers below are the others: FFmpeg reads their comments whole,
and then sorts them into the list.

Sources: RFC 9639, section 8 (FLAC); RFC 3533, RFC 7845 (Ogg); RFC 9559 (Matroska); id3.org, id3v2.3.0,
section 3.3 (ID3); Sony, DSF File Format Specification 1.01 (DSF).
"""

import io
import re
import struct
from typing import BinaryIO, Final

MOST: Final = 10_000
"""Most comments that a recording may have; honest ones have a few dozen, 10,000 take 0.25 s to read."""
MAX_BLOCKS: Final = 1_000
"""Most blocks of metadata in a FLAC file; honest ones have up to ten."""
WINDOW_BYTES: Final = 64 * 1024
TEXTY: Final = 400
"""Least number of ``=`` in a window that holds comments. In compressed audio and pictures each byte is as
likely as any other: about 256 times in a window, and never more than 350."""

MOST_ID3_BYTES: Final = 256 * 1024
"""Most bytes of all ID3 tags between frames of AAC; streams have a hundred bytes every few seconds."""

_ID3: Final = re.compile(rb"ID3[\x02-\x04]\x00[\x00-\xff]([\x00-\x7f]{4})")
_COMMENT_BLOCK: Final = 4
_LAST_BLOCK: Final = 0x80
_MATROSKA_TAG_NAME: Final = b"\x45\xa3"


def too_many_comments(file: BinaryIO, demuxer: str, start: int) -> bool:
    """Return whether FFmpeg would be busy with a file's comments for seconds.

    Args:
        file: open, seekable file; its position afterwards is undefined.
        demuxer: name of the demuxer that will read it.
        start: where the container begins, after any ID3 tags.
    """
    match demuxer:
        case "flac":
            found = _flac_comments(file, start)
        case "ogg":
            found = _ogg_comments(file)
        case "matroska":
            found = _matroska_tags(file)
        case "dsf":
            found = _id3_frames(file, start + _dsf_tag(file, start))
        case "oma":
            found = _id3_frames(file, start)
        case "aac":
            return _id3_bytes(file, start) > MOST_ID3_BYTES
        case _:
            return False
    return found > MOST


def _flac_comments(file: BinaryIO, start: int) -> int:
    """Count FLAC comments exactly; a file with too many blocks counts as one with too many comments."""
    place, found = start + 4, 0
    for _ in range(MAX_BLOCKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:  # noqa: PLR2004 - no room for audio either
            return found
        size = int.from_bytes(head[1:4], "big")
        if head[0] & ~_LAST_BLOCK == _COMMENT_BLOCK:
            file.seek(place + 8 + struct.unpack("<I", head[4:])[0])
            count = file.read(4)
            # A comment takes at least five bytes, whatever number the block claims.
            found += min(int.from_bytes(count, "little"), size // 5)
        if head[0] & _LAST_BLOCK:
            return found
        place += 4 + size
    return MOST + 1


def _ogg_comments(file: BinaryIO) -> int:
    """Count what could be comments, wherever pages begin and end: each has a ``=`` between name and value.

    Equal ones count once: frames of silence can contain the byte, too, and are all alike.
    """
    found = 0
    file.seek(0)
    while window := file.read(WINDOW_BYTES):
        if window.count(b"=") > TEXTY:
            found += len(set(window.split(b"=")))
    return found


def _matroska_tags(file: BinaryIO) -> int:
    """Count the byte sequences that are ids of tag names, minus those expected by chance."""
    found = file.seek(0, io.SEEK_END) // -(1 << 16)
    file.seek(0)
    while window := file.read(WINDOW_BYTES):
        found += window.count(_MATROSKA_TAG_NAME)
    return found


def _dsf_tag(file: BinaryIO, start: int) -> int:
    """Return where the tag of a DSF file begins, after its sound."""
    file.seek(start + 20)
    return int.from_bytes(file.read(8), "little")


def _id3_frames(file: BinaryIO, place: int) -> int:
    """Count the frames of an ID3 tag, or one like it, as long as each follows the one before."""
    end, found = file.seek(0, io.SEEK_END), 0
    place += 10
    while place < end and found <= MOST:
        file.seek(place)
        header = file.read(10)
        if not header[:1].isalnum():
            break
        # Version 2.4 stores seven bits per byte; the smaller reading finds more frames, never fewer.
        place += 10 + min(int.from_bytes(header[4:8], "big"), _synchsafe(header[4:8]))
        found += 1
    return found


def _synchsafe(data: bytes) -> int:
    size = 0
    for byte in data:
        size = size << 7 | byte & 0x7F
    return size


def _id3_bytes(file: BinaryIO, start: int) -> int:
    """Add up the sizes that the ID3 tags between frames claim."""
    found, tail = 0, b""
    file.seek(start)
    while window := file.read(WINDOW_BYTES):
        for header in _ID3.finditer(tail + window):
            size = 0
            for byte in header[1]:
                size = size << 7 | byte
            found += size
        tail = window[-9:]  # one byte less than a header, so that none counts twice
    return found
