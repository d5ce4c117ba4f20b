"""Features computed from recordings of speakers: kept in memory, and on disk for stored voices."""

import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from speechhub.engine import Reference
from speechhub_indextts.packages import safetensors

log = logging.getLogger(__name__)

Features = dict[str, Any]
"""Tensors by name, on the device of the engine."""
FORMAT: Final = 1
"""Raised when the meaning of the files on disk changes."""


def fingerprint(generation: str, files: Iterable[Path]) -> str:
    """Return a short text that changes with the models that compute features."""
    parts = [str(FORMAT), generation]
    for path in files:
        state = path.stat()
        parts.append(f"{path.name} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


class FeatureStore:
    """Keeps features by the digest of their recording; lives as long as the engine."""

    def __init__(self, folder: Path | None, *, fingerprint: str, kept: int, device: str) -> None:
        """Start empty.

        Args:
            folder: Where features outlive the process; None keeps them in memory alone.
            fingerprint: Distinguishes features of one model from those of another.
            kept: Number of features of each kind that stay in memory.
            device: Where features are loaded to from disk.
        """
        self._folder = folder
        self._fingerprint = fingerprint
        self._kept = kept
        self._device = device
        self._memory: dict[str, OrderedDict[str, Features]] = {}

    def get(self, reference: Reference, kind: str, compute: Callable[[], Features]) -> Features:
        """Return the features of a recording; compute them if they are neither in memory nor on disk."""
        memory = self._memory.setdefault(kind, OrderedDict())
        path = self._path(reference, kind)
        found = memory.get(reference.digest)
        # Features in memory may come from a clip with the same recording, which leaves nothing on disk.
        to_write = found is None or (path is not None and not path.exists())
        if found is None and (found := self._read(path)) is not None:
            to_write = False
        if found is None:
            found = compute()
        if path is not None and to_write:
            self._write(path, found)
        memory[reference.digest] = found
        memory.move_to_end(reference.digest)
        while len(memory) > self._kept:
            memory.popitem(last=False)
        return found

    def _path(self, reference: Reference, kind: str) -> Path | None:
        if self._folder is None or not reference.stored:
            return None
        return self._folder / f"{reference.digest}-{kind}-{self._fingerprint}.safetensors"

    def _read(self, path: Path | None) -> Features | None:
        if path is None:
            return None
        try:
            return dict(safetensors.torch.load_file(path, device=self._device))
        except (OSError, safetensors.SafetensorError):  # missing, just deleted, or truncated
            return None

    def _write(self, path: Path, features: Features) -> None:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in features.items()}
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            safetensors.torch.save_file(tensors, unfinished)
            unfinished.replace(path)
        except (OSError, safetensors.SafetensorError) as error:
            log.warning("cannot keep a voice's features on disk: %s", type(error).__name__)
            unfinished.unlink(missing_ok=True)
