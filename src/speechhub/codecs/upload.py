"""The upload as FFmpeg sees it: the only file that it may read."""

import io
import re
from collections.abc import Callable
from typing import BinaryIO, Final

from speechhub.codecs.budget import Budget
from speechhub.codecs.links import NextLink
from speechhub.codecs.tags import TAKEN_FOR_DAMAGE, end_of_sound
from speechhub.errors import CorruptAudioError, RequestCancelledError

READS_PER_BYTE: Final = 8
"""How many times over FFmpeg may read the file: an index that points to the same bytes a million times
would otherwise keep a thread busy for hours."""
SCATTERED: Final = frozenset({"avi"})
"""Demuxers that jump between the chunks of sound and of pictures, and read a buffer at each."""
SCATTERED_READS_PER_BYTE: Final = 256
"""The same for those; the CPU time of reading is limited as well."""

_XING: Final = re.compile(rb"(?:Xing|Info)\x00\x00\x00[\x01\x03\x05\x07\x09\x0b\x0d\x0f](.{4})", re.DOTALL)
"""A Xing header with the flag for a number of frames. Source: LAME's doc/html/lame-vbr.html, "VBR header"."""

_ID3: Final = re.compile(rb"ID3[\x02-\x04]\x00[\x00-\xff]([\x00-\x7f]{4})")
ID3_NEAR: Final = 256
"""How far after a frame an ID3v2 tag may begin: an old tag of 128 bytes may be in between."""

CORRUPT: Final = "Audio file might be corrupted or unsupported."


class Upload:
    """A file that can be read a limited number of times, until the caller leaves, one recording at a time.

    It has no name, so that no demuxer learns a path. A recording begins after any ID3 tags, because FFmpeg
    puts them in a list that takes time by the square of its length, and ends where the next one begins.
    """

    def __init__(self, file: BinaryIO, cancelled: Callable[[], bool] | None, budget: Budget) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        self._start = 0
        self._link: NextLink | None = None
        self.budget = budget
        self._cancelled = cancelled
        self._stopped = False
        self._left = self._size * READS_PER_BYTE + 2**20
        self._scattered = False

    def open(self, start: int, demuxer: str) -> None:
        """Begin the recording that begins at *start* in the file."""
        self._start = start
        if demuxer in SCATTERED and not self._scattered:
            self._scattered = True
            self._left += self._size * SCATTERED_READS_PER_BYTE
        if demuxer in TAKEN_FOR_DAMAGE:
            self._size = end_of_sound(self._file, start, self._size)
        self._link = NextLink(self._file, demuxer, start, self._size)
        self.seek(0)

    def next_start(self) -> int | None:
        """Return where the next recording begins in the file; None if this was the last."""
        end = self._link.search(self._file) if self._link else self._size
        return end if end < self._size else None

    def is_cut_off(self, *, tolerated: float) -> bool:
        """Return whether the file ends before the recording does, by the sizes that it states.

        Args:
            tolerated: part of the file that may be missing, 0 to 1, in formats whose sizes are often a little
                wrong.
        """
        if self._link is None:
            return False
        missing_bytes = self._link.missing_bytes(self._file)
        return missing_bytes > (0 if self._link.is_exact else tolerated * (self._size - self._start))

    def peek(self, place: int, size: int) -> bytes:
        """Return up to *size* bytes at a position in the recording, without moving FFmpeg's position."""
        now = self._file.tell()
        self._file.seek(self._start + place)
        data = self._file.read(size)
        self._file.seek(now)
        return data

    def tag_end(self, place: int) -> int:
        """Return where the ID3 tag that begins at *place*, or a little after it, ends; 0 if there is none."""
        found = _ID3.search(self.peek(place, ID3_NEAR))
        if not found:
            return 0
        size = 0
        for byte in found[1]:
            size = size << 7 | byte
        return place + found.end() + size

    def xing_frames(self) -> int:
        """Return how many frames the header frame of an MP3 states; 0 if it has none."""
        found = _XING.search(self.peek(0, 4096))
        return int.from_bytes(found[1], "big") if found else 0

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes; none at the end, or if reading was stopped."""
        # An exception must not cross FFmpeg (PyAV would keep it for a later call of this thread): pretend
        # that the file ends here, and let check() raise the reason.
        if self._left <= 0 or self._is_cancelled() or self.budget.is_spent:
            return b""
        place = self._file.tell()
        data = self._file.read(size)
        if self._link is not None:
            self._link.look(place, data)
            if place + len(data) > self._link.end:
                data = data[: max(0, self._link.end - place)]
                self._file.seek(place + len(data))
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in the recording, and return it; -1 if it is before its start."""
        bases = {io.SEEK_SET: self._start, io.SEEK_CUR: self._file.tell()}
        end = self._link.end if self._link else self._size
        place = offset + bases.get(whence, end)
        if place < self._start:
            return -1
        # Nothing can be read beyond the end, and a file on disk refuses to seek far beyond it.
        self._file.seek(min(place, self._size))
        return place - self._start

    def tell(self) -> int:
        """Return the position in the recording."""
        return self._file.tell() - self._start

    def check(self) -> None:
        """Raise if reading was stopped.

        Raises:
            RequestCancelledError: The caller left.
            CorruptAudioError: The file was read too many times over.
            AudioTooCostlyError: It takes far more CPU time than its audio explains.
        """
        if self._is_cancelled():
            raise RequestCancelledError("The client left while its audio was being decoded.")
        if self._left <= 0:
            raise CorruptAudioError(CORRUPT)
        self.budget.check()

    def _is_cancelled(self) -> bool:
        if not self._stopped and self._cancelled is not None:
            self._stopped = self._cancelled()
        return self._stopped
