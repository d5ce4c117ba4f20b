"""Finds tags after the sound of a recording, which FFmpeg takes for damage in some containers.

Sources: Hydrogenaudio, APEv2 specification (APE tags); id3.org, ID3v1 (128 bytes at the end).
"""

from typing import BinaryIO, Final

TAKEN_FOR_DAMAGE: Final = frozenset({"wv"})
"""Demuxers that fail at a tag."""

_ID3_BYTES: Final = 128
_FOOT_BYTES: Final = 32
_HAS_HEAD: Final = 1 << 31


def end_of_sound(file: BinaryIO, start: int, size: int) -> int:
    """Return where the tags at the end of a file begin; its *size* if there are none.

    Args:
        file: open, seekable file; its position afterwards is undefined.
        start: where the recording begins; no tag begins before that.
        size: size of the file, in bytes.
    """
    end = size
    file.seek(max(start, end - _ID3_BYTES))
    if file.read(3) == b"TAG":
        end -= _ID3_BYTES
    file.seek(max(start, end - _FOOT_BYTES))
    foot = file.read(_FOOT_BYTES)
    if foot[:8] == b"APETAGEX":
        length, flags = int.from_bytes(foot[12:16], "little"), int.from_bytes(foot[20:24], "little")
        end -= length + (_FOOT_BYTES if flags & _HAS_HEAD else 0)
    return end if end > start else size
