"""Names inside the folder of all models, and the lock that keeps two pulls of one model apart."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from speechhub.paths import below

MAX_NAME_BYTES = 200
"""Longest folder name that is made from a model id; file systems allow 255 bytes."""


def safe_name(model_id: str) -> str:
    """Return a folder name for *model_id*: readable, unique, and never a path or a hidden file."""
    name = quote(model_id, safe=" ")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > MAX_NAME_BYTES:
        name = f"{name[: MAX_NAME_BYTES - 17]}-{hashlib.sha256(model_id.encode()).hexdigest()[:16]}"
    return name


class Layout:
    """Where things lie under one models folder; makes nothing until it is asked to."""

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir

    def folder(self, model_id: str) -> Path:
        """Return the folder that holds a published model."""
        return below(self.models_dir, safe_name(model_id), links_out=True)

    def staging(self, model_id: str, purpose: str) -> Path:
        """Return the folder where a model is put together, on the same file system: a rename publishes it."""
        return below(self.models_dir / ".staging", f"{safe_name(model_id)}.{purpose}")

    @contextmanager
    def lock(self, model_id: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the right to change a model's files, against threads and processes alike; waits for it.

        *on_wait* is called if somebody else holds it.
        The kernel lets go of the lock when its holder dies, however it dies.
        """
        path = below(self.models_dir / ".locks", safe_name(model_id))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
