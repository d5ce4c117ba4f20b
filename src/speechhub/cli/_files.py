"""Files that are written whole or not at all."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside *path* to write to; the file replaces *path* if the block does not fail.

    Raises:
        OSError: *path* cannot be written.
    """
    check_place(path)
    partial = path.with_name(path.name + ".part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_place(path: Path) -> None:
    """Check that a file can be created at *path*, before the work for it is done.

    Raises:
        OSError: It cannot.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a directory", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder; create it first", str(path.parent))
