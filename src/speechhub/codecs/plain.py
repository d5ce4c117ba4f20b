"""WAV files as recorders write them for speech models: mono PCM16 at the model's own rate, read directly.

FFmpeg takes 20 ms for 30 s of it, most of the hub's time for such a request; this takes 0.25 ms.
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
"""How much is read at once: 5 s at 16 kHz."""
MAX_CHUNKS: Final = 16
"""Most chunks before the samples; recorders write one to four. Reading more could take long in a file that
was crafted for that."""
QUICK_BYTES: Final = 1024 * 1024
"""Largest file that is read without a thread, 32 s at 16 kHz: that takes less time than handing it to one."""

_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_PCM: Final = 1
_HEADER_BYTES: Final = 12 + 2 * _CHUNK.size + _FORMAT.size
"""Size of the headers in a file without chunks of other kinds."""


class Readable(Protocol):
    """A readable, seekable file."""

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes; fewer only at the end."""
        ...

    def seek(self, offset: int, /) -> int:
        """Move to a position, and return it."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainWav:
    """The samples of a plain WAV file."""

    length: int
    """Number of samples that the header states; far too many if the recorder did not know it."""
    pieces: Iterator[NDArray[np.int16]]
    """int16, shape (n_samples,), piece by piece; can be read once."""


def plain_wav(file: Readable, sample_rate: int, read_bytes: int = READ_BYTES) -> PlainWav | None:
    """Return the samples of a plain WAV file, or None if it differs from that in any way.

    Args:
        file: at its start; its position afterwards is undefined.
        sample_rate: rate that the samples must have, in hertz.
        read_bytes: length of a piece.

    Returns:
        The samples up to the end of the file, even if the header claims more.
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
            # A recorder that could not rewrite its header leaves 0: FFmpeg then reads to the end of the file.
            if not plain or not size:
                return None
            return PlainWav(length=size // 2, pieces=_pieces(file, size, read_bytes))
        following = file.tell() + size + size % 2
        if name == b"fmt ":
            plain = file.read(_FORMAT.size) == _FORMAT.pack(_PCM, 1, sample_rate, sample_rate * 2, 2, 16)
        file.seek(following)
    return None


def quick_wav(file: BinaryIO, sample_rate: int, longest_s: float) -> NDArray[np.int16] | None:
    """Return the samples of a short plain WAV file; None if it is anything else, damaged, or several files.

    Reads at most `QUICK_BYTES` and `MAX_CHUNKS` headers, whatever the file is, so that it needs no thread.

    Args:
        file: an open, seekable file; its position afterwards is undefined.
        sample_rate: rate that the samples must have, in hertz.
        longest_s: how long the recording may be, in seconds; a file with tags must be a little shorter.

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
    # A file can look like two kinds; `sniff` decides. Last, because its search for MPEG frames takes time.
    return samples if sniff(file) == "wav" else None


def _pieces(file: Readable, size_bytes: int, read_bytes: int) -> Iterator[NDArray[np.int16]]:
    while pcm16 := file.read(min(size_bytes, read_bytes)):
        size_bytes -= len(pcm16)
        yield np.frombuffer(pcm16, "<i2", count=len(pcm16) // 2)
