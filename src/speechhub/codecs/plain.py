"""WAV as recorders write it for speech models: mono PCM16 at the model's own rate. Nothing to decode.

FFmpeg takes 20 ms for 30 s of it, most of the hub's time for such a request; this takes a quarter of one.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.sniff import sniff

READ_BYTES: Final = 160_000
"""What is read at once: 5 s at 16 kHz."""
MAX_CHUNKS: Final = 16
"""Chunks before the samples; recorders write one to four. Looking for more could take long in a file that was
made for it."""
QUICK_BYTES: Final = 1024 * 1024
"""A plain file of this size, 32 s at 16 kHz, takes less time than to wake a thread and be woken by it."""

_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_PCM: Final = 1
_HEADER_BYTES: Final = 12 + 2 * _CHUNK.size + _FORMAT.size
"""Of a file without chunks of other kinds."""


class Readable(Protocol):
    """What can be read, and seeks."""

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes; fewer only at the end."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to a place, and return it."""
        ...

    def tell(self) -> int:
        """Return the place."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainWav:
    """The samples of a plain WAV file."""

    length: int
    """How many there are, as the header says; more than there can be where the recorder did not know."""
    pieces: Iterator[NDArray[np.int16]]
    """int16, shape (n_samples,), piece by piece; to be read once."""


def plain_wav(file: Readable, sample_rate: int, read_bytes: int = READ_BYTES) -> PlainWav | None:
    """Return the samples of a plain WAV file, or None if it is anything else, however little.

    Args:
        file: at its start; where it stands afterwards is undefined.
        sample_rate: that the samples must have, in hertz.
        read_bytes: length of a piece.

    Returns:
        What the header says of the length counts for nothing where the file ends before.
        Source: Multimedia Programming Interface and Data Specifications 1.0.
    """
    riff = file.read(12)
    if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
        return None
    plain = False
    for _ in range(MAX_CHUNKS):
        header = file.read(_CHUNK.size)
        if len(header) < _CHUNK.size:
            return None
        name, size = _CHUNK.unpack(header)
        if name == b"data":
            # A recorder that could not go back to its header says 0: FFmpeg reads to the end of the file.
            if not plain or not size:
                return None
            return PlainWav(length=size // 2, pieces=_pieces(file, size, read_bytes))
        following = file.tell() + size + size % 2
        if name == b"fmt ":
            plain = file.read(_FORMAT.size) == _FORMAT.pack(_PCM, 1, sample_rate, sample_rate * 2, 2, 16)
        file.seek(following)
    return None


def quick_wav(file: BinaryIO, sample_rate: int, longest_s: float) -> NDArray[np.int16] | None:
    """Return the samples of a short plain WAV file; None if it is another, damaged, or followed by one.

    Reads at most `QUICK_BYTES` and `MAX_CHUNKS` headers, whatever the file is: it needs no thread.

    Args:
        file: an open file that can seek; where it stands afterwards is undefined.
        sample_rate: that the samples must have, in hertz.
        longest_s: how long the recording may be, in seconds; one with tags a little less.

    Returns:
        int16, shape (n_samples,), read-only.
    """
    size = file.seek(0, io.SEEK_END)
    if size > QUICK_BYTES or size - _HEADER_BYTES > longest_s * sample_rate * 2:
        return None
    file.seek(0)
    wav = plain_wav(file, sample_rate, QUICK_BYTES)
    samples = next(wav.pieces, None) if wav is not None else None
    if wav is None or samples is None or len(samples) < wav.length or b"RIFF" in file.read(QUICK_BYTES):
        return None
    # A file can begin as two kinds do, and is what is sniffed. Last, because the search for MPEG takes time.
    return samples if sniff(file) == "wav" else None


def _pieces(file: Readable, size_bytes: int, read_bytes: int) -> Iterator[NDArray[np.int16]]:
    while pcm16 := file.read(min(size_bytes, read_bytes)):
        size_bytes -= len(pcm16)
        yield np.frombuffer(pcm16, "<i2", count=len(pcm16) // 2)
