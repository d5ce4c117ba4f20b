"""Uploads while they arrive: small ones in memory, large ones on disk."""

import contextlib
import tempfile
from typing import BinaryIO, Final, cast

from speechhub.services.account import Holding

SPOOL_BYTES: Final = 1024 * 1024
"""A file larger than this goes to disk while it arrives; also one for which memory is short."""


class Spool:
    """One file, accounted for; close it after use."""

    def __init__(self, holding: Holding) -> None:
        """Begin an empty file, which counts in its request's *holding*."""
        self._holding = holding
        self._spooled = tempfile.SpooledTemporaryFile()  # noqa: SIM115  # closed by `close`
        self._on_disk = False
        self.size_bytes = 0
        """What was written so far."""

    @property
    def file(self) -> BinaryIO:
        """The file, which can seek."""
        return cast("BinaryIO", self._spooled)

    def write(self, data: bytes | bytearray) -> None:
        """Add *data* at the end.

        Raises:
            ServerFullError: All requests together spool as much as they may.
            OSError: The disk is full.
        """
        size = self.size_bytes + len(data)
        if not self._on_disk and (size > SPOOL_BYTES or not self._holding.room(len(data))):
            self._holding.take("disk", self.size_bytes)
            self._on_disk = True
            self._spooled.rollover()
            self._holding.free("memory", self.size_bytes)
        if self._on_disk:
            self._holding.take("disk", len(data))
        self.size_bytes = size
        self._spooled.write(data)

    def close(self) -> None:
        """Close and discard the file."""
        with contextlib.suppress(OSError):  # on a full disk, even flushing what is discarded can fail
            self._spooled.close()
        self._holding.free("disk" if self._on_disk else "memory", self.size_bytes)
        self.size_bytes = 0
