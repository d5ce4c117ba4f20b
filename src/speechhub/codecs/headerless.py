"""Samples without a header, read as the WAV file that they would be with one."""

import io
from typing import BinaryIO, Final, cast

from speechhub.codecs.encode import wav_header
from speechhub.errors import AudioTooLongError

LIMIT_BYTES: Final = 0xFFFF_FFFF - 44
"""What a WAV file can hold: 37 hours at 16 kHz."""


def with_header(pcm16: BinaryIO, *, sample_rate: int) -> BinaryIO:
    """Return mono PCM16 as a WAV file that can be read, and seeks; nothing is copied.

    Args:
        pcm16: An open file that can seek, with samples alone; left open. Leave it alone meanwhile.
        sample_rate: Of the samples, in hertz.

    Raises:
        AudioTooLongError: There is more than a WAV file can hold.
    """
    return cast("BinaryIO", _WithHeader(pcm16, sample_rate))


class _WithHeader:
    """A header, and the samples behind it."""

    def __init__(self, pcm16: BinaryIO, sample_rate: int) -> None:
        data_bytes = pcm16.seek(0, io.SEEK_END)
        if data_bytes > LIMIT_BYTES:
            raise AudioTooLongError("Samples without a header may take up to 4 GiB. Split the recording.")
        self._pcm16 = pcm16
        self._header = wav_header(data_bytes, sample_rate)
        self._size = len(self._header) + data_bytes
        self._place = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes, all that are left by default; fewer only at the end."""
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
        """Go to a place, and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place
