"""Weights that `prepare` keeps for `load`, valid as long as the files that they came from do not change."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from speechhub.engine.call import LoadContext

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What weights were made from: equal stamps mean equal weights."""

    model: str
    device: str
    options: tuple[tuple[str, str], ...]
    """Names and values, sorted."""
    files: tuple[tuple[str, int, int, int], ...]
    """Path, size in bytes, time of the last change in nanoseconds, and inode, of each file."""


class Held(Generic[T]):
    """Holds weights from `prepare` until `load` takes them."""

    def __init__(self) -> None:
        self._kept: tuple[Stamp, T] | None = None

    def keep(self, stamp: Stamp, weights: T) -> None:
        """Hold *weights*; make the stamp before you read them, so that a later change is noticed."""
        self._kept = stamp, weights

    def take(self, stamp: Stamp) -> T | None:
        """Return the weights, once; None if there are none, or if they were made from something else."""
        kept, self._kept = self._kept, None
        return kept[1] if kept is not None and kept[0] == stamp else None


def stamp_of(context: LoadContext, *folders: Path) -> Stamp:
    """Return the stamp of what *context* loads.

    Args:
        context: Of `prepare` or of `load`.
        folders: Further folders that files are read from, beside ``context.model_dir``.
    """
    roots = [root for root in (context.model_dir, *folders) if root is not None]
    return Stamp(
        model=context.model,
        device=context.device,
        options=tuple(sorted((name, repr(value)) for name, value in context.options.items())),
        files=tuple(sorted(_files(roots))),
    )


def may_hold(context: LoadContext, size_bytes: int) -> bool:
    """Return whether `prepare` may keep *size_bytes* in the host's memory for `load`."""
    return size_bytes <= (context.host_memory_bytes or 0) and context.device != "cpu"


def _files(roots: list[Path]) -> Iterator[tuple[str, int, int, int]]:
    seen: set[str] = set()
    for root in roots:
        for folder, below, names in os.walk(root, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:  # a link upwards
                below.clear()
                continue
            seen.add(real)
            for name in names:
                path = Path(folder, name)
                try:
                    state = path.stat()
                except OSError:  # a link to nowhere: `load` complains if it needs it
                    continue
                yield str(path), state.st_size, state.st_mtime_ns, state.st_ino
