"""Names inside the models folder, and the lock that keeps two pulls of one model from running at once."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from speechhub.errors import ModelFilesError
from speechhub.file_lock import LockTakenError, file_lock
from speechhub.paths import below

MAX_NAME_BYTES = 200
"""Longest folder name that is made from a model id; file systems allow 255 bytes."""

LOCK_S = 24 * 3600
"""How long a change of a model waits for another one, in seconds; a pull of gigabytes may take hours."""


def safe_name(model_id: str) -> str:
    """Return a folder name for *model_id*: readable, unique, and never a path or a hidden file."""
    name = quote(model_id, safe=" ")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > MAX_NAME_BYTES:
        name = f"{name[: MAX_NAME_BYTES - 17]}-{hashlib.sha256(model_id.encode()).hexdigest()[:16]}"
    return name


class Layout:
    """Paths under one models folder; creates nothing until a lock is taken."""

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir

    def folder(self, model_id: str) -> Path:
        """Return the folder that holds a published model."""
        return below(self.models_dir, safe_name(model_id), links_out=True)

    def staging(self, model_id: str, purpose: str) -> Path:
        """Return the folder where a model is assembled, on the same file system: a rename publishes it."""
        return below(self.models_dir / ".staging", f"{safe_name(model_id)}.{purpose}")

    @contextmanager
    def lock(self, model_id: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Lock a model's files against changes by other threads and processes; wait for the lock.

        *on_wait* is called if another thread or process holds it.

        Raises:
            ModelFilesError: It has been held for `LOCK_S`.
        """
        path = below(self.models_dir / ".locks", safe_name(model_id))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with file_lock(path, limit_s=LOCK_S, on_wait=on_wait):
                yield
        except LockTakenError as error:
            raise ModelFilesError(
                f"Another process has been changing the files of model {model_id!r} for "
                f"{LOCK_S / 3600:g} hours. End it, then try again."
            ) from error
