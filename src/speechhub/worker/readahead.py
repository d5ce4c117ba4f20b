"""Reading a model's files into the page cache, before the engine reads them.

Standard library only: it runs in the worker.
"""

import contextlib
import os
from pathlib import Path


def read_ahead(folder: Path) -> int:
    """Ask the kernel to read all files below *folder* in the background; return the number of files.

    The page cache belongs to no process: it stays when this process ends, and the kernel reclaims it when it
    needs the memory. Files that cannot be read are left for `load` to report.
    """
    count = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                fd = os.open(Path(directory, name), os.O_RDONLY | os.O_NONBLOCK)
                try:
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
                finally:
                    os.close(fd)
                count += 1
    return count
