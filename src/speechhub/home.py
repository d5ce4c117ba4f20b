"""Small files below `home`, read within bounds, and what is wrong with those that cannot be used.

Whatever lies below `home` may have been cut by a full disk, restored with wrong rights or replaced by hand.
One function reads all records, so that none of it stops the server: its caller gets a `Damage` in place of
the record.
"""

import os
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from speechhub.errors.unavailable import EXHAUSTED

log = structlog.get_logger()

RecordT = TypeVar("RecordT")

MAX_RECORD_BYTES: Final = 16 * 1024**2
"""Largest record that is read; a model with a hundred thousand files has a manifest of that size."""
MAX_TOLD: Final = 200
"""How many damages one process keeps in mind; more would only fill the log."""
FIX: Final = "speechhub doctor --fix"
ASIDE: Final = ".damaged-"
"""Stands in the names of what was moved aside, before the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file or folder below `home` that cannot be used; it is left as it is."""

    path: Path
    problem: str
    """What is wrong with it, to be read after its path: ``is empty``."""
    effect: str = ""
    """What does not work for it, as a sentence."""
    remedy: str = ""
    """What to do, as a sentence; empty leaves it to `advice`."""
    aside: Path | None = None
    """What `doctor --fix` moves aside; None if that would help nothing."""
    denied: bool = False
    """Whether only the right to read it is missing."""

    @property
    def advice(self) -> str:
        """What to do about it."""
        if self.denied:
            return f"Give the user that runs speechhub access to it (chown, chmod), or try: {FIX}"
        if self.remedy:
            return self.remedy
        if self.aside:
            return f"Restore it from a backup, or have it moved aside, which deletes nothing: {FIX}"
        return "Restore it from a backup, or move it away."

    @property
    def text(self) -> str:
        """All of it, for operators."""
        return " ".join(part for part in (f"{self.path} {self.problem}.", self.effect, self.advice) if part)


class DamageLog:
    """The damages that one process has met; each is logged once, when it is met first."""

    def __init__(self) -> None:
        self._found: dict[Path, Damage] = {}
        self._lock = threading.Lock()

    def note(self, damage: Damage) -> None:
        """Take note of *damage*; callable from every thread."""
        with self._lock:
            if damage.path in self._found or len(self._found) >= MAX_TOLD:
                return
            self._found[damage.path] = damage
        log.error("file in home is damaged", path=str(damage.path), problem=damage.text)

    @property
    def found(self) -> tuple[Damage, ...]:
        """All of them, in the order in which they were met."""
        with self._lock:
            return tuple(self._found.values())


OnDamage = Callable[[Damage], None]
"""Told of what a reader has left out."""


def silent(damage: Damage) -> None:
    """Do nothing; an `OnDamage`."""


def read_small(path: Path, *, limit_bytes: int = MAX_RECORD_BYTES) -> bytes | Damage | None:
    """Return what is in a file; None if there is none.

    Links are not followed, and nothing but a regular file is read: neither a device nor a pipe can hold up
    the caller, and no link makes it read a file that lies elsewhere.

    Raises:
        OSError: One of `EXHAUSTED`, which says nothing of the file: it must not be taken for damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _refused(path, error)
    try:
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return Damage(path=path, problem=_kind(status.st_mode))
            if status.st_size > limit_bytes:
                return _too_large(path, status.st_size, limit_bytes)
            data = file.read(limit_bytes + 1)
    except OSError as error:
        return _refused(path, error)
    return _too_large(path, len(data), limit_bytes) if len(data) > limit_bytes else data


def read_record(
    path: Path, kind: type[RecordT], *, limit_bytes: int = MAX_RECORD_BYTES
) -> RecordT | Damage | None:
    """Return the record in a JSON file, or what is wrong with it; None if there is no file.

    Fields that *kind* does not have are ignored: a newer speechhub may have written them.

    Raises:
        OSError: As `read_small`.
    """
    data = read_small(path, limit_bytes=limit_bytes)
    if data is None or isinstance(data, Damage):
        return data
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        problem = f"lacks the fields that it should have ({error})"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    except RecursionError:
        problem = "is nested too deeply"
    except msgspec.MsgspecError as error:
        # Zeros are what some file systems leave after a power cut.
        empty = not data.strip(b"\0 \t\r\n")
        problem = "is empty" if empty else f"is truncated, or is not JSON ({error})"
    return Damage(path=path, problem=problem)


def folder_damage(path: Path, *, may_link: bool = True) -> Damage | None:
    """Return what keeps *path* from being used as a folder; None if it is one, or if nothing is there.

    Raises:
        OSError: As `read_small`.
    """
    try:
        if not may_link and path.is_symlink():
            return Damage(path=path, problem="is a symbolic link, not a folder")
        with os.scandir(path):
            return None
    except FileNotFoundError:
        return Damage(path=path, problem="is a broken link") if _is_link(path) else None
    except NotADirectoryError:
        # Of a folder below a file, the file is the damage.
        return Damage(path=path, problem="is a file, not a folder") if os.path.lexists(path) else None
    except OSError as error:
        return _refused(path, error)


def keep_aside(path: Path) -> Path | None:
    """Rename what is at *path*, whatever it is, to a name beside it; return that, None if nothing is there.

    Raises:
        OSError: It cannot be renamed.
    """
    if not os.path.lexists(path):
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    number = 0
    while os.path.lexists(
        aside := path.with_name(f"{path.name}{ASIDE}{stamp}{f'-{number}' if number else ''}")
    ):
        number += 1
    path.rename(aside)
    log.warning("moved a damaged file aside", path=str(path), to=str(aside))
    return aside


def repair(damage: Damage) -> str:
    """Do what is safe about *damage*: give its owner the right to read it, or move it aside.

    Nothing is deleted.

    Returns:
        What was done, to be read after its path; empty if nothing could be.
    """
    if damage.denied:
        try:
            mode = damage.path.stat().st_mode
            damage.path.chmod(stat.S_IMODE(mode) | (0o700 if stat.S_ISDIR(mode) else 0o600))
        except OSError:
            return ""
        return "can be read by its owner again"
    if damage.aside is None:
        return ""
    try:
        moved = keep_aside(damage.aside)
    except OSError:
        return ""
    return f"was moved aside to {moved}" if moved else "is gone already"


def explained(damage: Damage, *, effect: str, remedy: str = "", aside: Path | None = None) -> Damage:
    """Return *damage* with what it means."""
    return replace(damage, effect=effect, remedy=remedy, aside=aside)


def _refused(path: Path, error: OSError) -> Damage:
    if error.errno in EXHAUSTED:
        raise error
    if _is_link(path):
        return Damage(path=path, problem="is a symbolic link, which is not followed")
    if isinstance(error, NotADirectoryError):
        return Damage(path=path, problem="lies in a file where a folder should be")
    denied = isinstance(error, PermissionError)
    return Damage(path=path, problem=f"cannot be read: {error.strerror or error}", denied=denied)


def _is_link(path: Path) -> bool:
    """Return whether *path* is a symbolic link; False where that cannot be told."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _too_large(path: Path, size_bytes: int, limit_bytes: int) -> Damage:
    return Damage(path=path, problem=f"has {size_bytes} bytes, and no such file has more than {limit_bytes}")


def _kind(mode: int) -> str:
    return "is a folder, not a file" if stat.S_ISDIR(mode) else "is not a regular file"
