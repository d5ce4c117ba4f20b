"""Small files below `home`, read within limits, and descriptions of those that cannot be used.

A file below `home` may have been truncated by a full disk, restored with wrong permissions or replaced by
hand. One function reads all records, so that none of this stops the server: its caller gets a `Damage` in
place of the record.
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
"""Size limit of a record; a model with a hundred thousand files has a manifest of that size."""
MAX_TOLD: Final = 200
"""How many damages one process remembers; more would only fill the log."""
FIX: Final = "speechhub doctor --fix"
ASIDE: Final = ".damaged-"
"""Part of the names of files moved aside, before the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file or folder below `home` that cannot be used; it is left as it is."""

    path: Path
    problem: str
    """What is wrong with it; a clause that follows its path: ``is empty``."""
    effect: str = ""
    """What does not work because of the damage, as a sentence."""
    remedy: str = ""
    """What to do, as a sentence; if empty, `advice` has a general one."""
    aside: Path | None = None
    """Path that `doctor --fix` moves aside; None if that would not help."""
    denied: bool = False
    """Whether only the permission to read it is missing."""

    @property
    def advice(self) -> str:
        """What to do about the damage."""
        if self.denied:
            return f"Give the user that runs speechhub access to it (chown, chmod), or try: {FIX}"
        if self.remedy:
            return self.remedy
        if self.aside:
            return f"Restore it from a backup, or have it moved aside, which deletes nothing: {FIX}"
        return "Restore it from a backup, or move it away."

    @property
    def text(self) -> str:
        """Path, problem, effect and advice, for operators."""
        return " ".join(part for part in (f"{self.path} {self.problem}.", self.effect, self.advice) if part)


class DamageLog:
    """The damages that one process has found; each is logged once, when it is first found."""

    def __init__(self) -> None:
        self._found: dict[Path, Damage] = {}
        self._lock = threading.Lock()

    def note(self, damage: Damage) -> None:
        """Record *damage*; may be called from any thread."""
        with self._lock:
            if damage.path in self._found or len(self._found) >= MAX_TOLD:
                return
            self._found[damage.path] = damage
        log.error("file in home is damaged", path=str(damage.path), problem=damage.text)

    @property
    def found(self) -> tuple[Damage, ...]:
        """All damages, in the order in which they were found."""
        with self._lock:
            return tuple(self._found.values())


OnDamage = Callable[[Damage], None]
"""Called with each damage that a reader skipped."""


def silent(damage: Damage) -> None:
    """Do nothing; an `OnDamage`."""


def read_small(path: Path, *, limit_bytes: int = MAX_RECORD_BYTES) -> bytes | Damage | None:
    """Return a file's contents; None if there is no file.

    Links are not followed, and only regular files are read: a device or a pipe cannot hold up the caller, and
    a link cannot make it read a file elsewhere.

    Raises:
        OSError: One of `EXHAUSTED`, which is not a fault of the file: it must not be treated as damaged.
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
        # Some file systems leave zeros after a power cut.
        empty = not data.strip(b"\0 \t\r\n")
        problem = "is empty" if empty else f"is truncated, or is not JSON ({error})"
    return Damage(path=path, problem=problem)


def folder_damage(path: Path, *, may_link: bool = True) -> Damage | None:
    """Return why *path* cannot be used as a folder; None if it can, or if nothing is there.

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
        # For a folder below a file, the file is the damage.
        return Damage(path=path, problem="is a file, not a folder") if os.path.lexists(path) else None
    except OSError as error:
        return _refused(path, error)


def keep_aside(path: Path) -> Path | None:
    """Rename whatever is at *path* to a name beside it; return the new path, or None if nothing is there.

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
    """Make a safe repair of *damage*: make it readable for its owner, or move it aside.

    Nothing is deleted.

    Returns:
        What was done, a clause that follows its path; empty if nothing could be done.
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
    """Return *damage* with its effect and what to do about it."""
    return replace(damage, effect=effect, remedy=remedy, aside=aside)


def _refused(path: Path, error: OSError) -> Damage:
    if error.errno in EXHAUSTED:
        raise error
    if _is_link(path):
        return Damage(path=path, problem="is a symbolic link, which is not followed")
    if isinstance(error, NotADirectoryError):
        return Damage(path=path, problem="is below a file where a folder should be")
    denied = isinstance(error, PermissionError)
    return Damage(path=path, problem=f"cannot be read: {error.strerror or error}", denied=denied)


def _is_link(path: Path) -> bool:
    """Return whether *path* is a symbolic link; False if that cannot be determined."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _too_large(path: Path, size_bytes: int, limit_bytes: int) -> Damage:
    return Damage(path=path, problem=f"has {size_bytes} bytes; the limit for such files is {limit_bytes}")


def _kind(mode: int) -> str:
    return "is a folder, not a file" if stat.S_ISDIR(mode) else "is not a regular file"
