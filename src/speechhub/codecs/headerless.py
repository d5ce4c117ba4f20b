"""Samples without a header, read as if they were a WAV file."""

import io
from typing import BinaryIO, Final, cast

from speechhub.codecs.encode import wav_header
from speechhub.errors import AudioTooLongError

LIMIT_BYTES: Final = 0xFFFF_FFFF - 44
"""Most bytes of samples in a WAV file: 37 hours at 16 kHz."""


def with_header(pcm16: BinaryIO, *, sample_rate: int) -> BinaryIO:
    """Return mono PCM16 as a readable, seekable WAV file; nothing is copied.

    Args:
        pcm16: An open, seekable file that holds only samples; left open. Do not use it meanwhile.
        sample_rate: Rate of the samples, in hertz.

    Raises:
        AudioTooLongError: There are more samples than a WAV file can hold.
    """
    return cast("BinaryIO", _WithHeader(pcm16, sample_rate))


class _WithHeader:
    """A header followed by the samples."""

    def __init__(self, pcm16: BinaryIO, sample_rate: int) -> None:
        data_bytes = pcm16.seek(0, io.SEEK_END)
        if data_bytes > LIMIT_BYTES:
            raise AudioTooLongError("Samples without a header may be up to 4 GiB. Split the recording.")
        self._pcm16 = pcm16
        self._header = wav_header(data_bytes, sample_rate)
        self._size = len(self._header) + data_bytes
        self._place = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes, by default all that are left; fewer only at the end."""
        end = self._size if size < 0 else min(self._place + size, self._size)
        head = self._header[self._place : end]
        self._place += len(head)
        if self._place >= end:
            return head
        self._pcm16.seek(self._place - len(self._header))
        samples = self._pcm16.read(end - self._place)
        self._place += len(samples)
        return head + samples

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        """Return the position."""
        return self._place
