"""Settings files: those that the operator names, and those in the current folder.

Any user may own the current folder. A file found there is read only where the caller asks for it, only if it
belongs to this user or root, and only if no other user can write it; a file that was named is always read.
"""

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speechhub.errors import ConfigurationError
from speechhub.errors.encoding import fault_of, without_mark

MAX_FILE_BYTES: Final = 1024 * 1024
"""Size limit of a settings file."""
TOML: Final = "speechhub.toml"
DOTENV: Final = ".env"
KEYS: Final = ("api_keys", "admin_keys")
"""Settings without which a server must not start if a file that was not read seems to hold them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A settings file that is used."""

    path: Path
    text: str
    named: bool
    """Whether the operator named it, by an option or in the environment, or it is in the home folder."""
    remark: str = ""
    """A warning about it, such as wrong permissions; empty if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredFile:
    """A file in the current folder that is not used."""

    path: Path
    reason: str
    """Why it was not read; a clause that follows its name."""
    advice: str
    """How to have it read."""
    keys: tuple[str, ...] = ()
    """Which of the `KEYS` settings it seems to hold."""

    @property
    def text(self) -> str:
        """Path, reason and advice, on one line."""
        return f"{self.path} {self.reason}, so it was not read. {self.advice}"


def is_dotenv(path: Path) -> bool:
    """Tell whether a file holds variables (``.env``) rather than TOML, by its name."""
    return DOTENV in (path.name, path.suffix)


def read_named(path: Path, *, must_exist: bool = True) -> SettingsFile | None:
    """Read a file that was named; another user may own it, as is common in containers.

    Raises:
        ConfigurationError: It does not exist or cannot be read.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        if not must_exist:
            return None
        raise ConfigurationError(f"There is no configuration file {path}.") from error
    except OSError as error:
        raise ConfigurationError(f"Cannot read the configuration file {path}: {error.strerror}.") from error
    remark = ""
    if stat.S_ISREG(mode) and mode & stat.S_IWOTH:
        remark = f"{path} can be written by every user of this machine: chmod o-w {path}"
    return SettingsFile(path=path, text=_text(path, data), named=True, remark=remark)


def read_found(path: Path) -> SettingsFile | IgnoredFile | None:
    """Read a file that was not named, if it is the user's own; None if there is none.

    Raises:
        ConfigurationError: It is the user's own and cannot be read.
    """
    try:
        links = os.lstat(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(
            f"Cannot read {path} in the current folder: {error.strerror}. Give this user the right to read "
            "it, or start in another folder."
        ) from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            return None  # some call their virtual environments .env
        if not stat.S_ISREG(status.st_mode):
            return IgnoredFile(path=path, reason="is not a file", advice="Name a file with --config.")
        data = _read(descriptor)
    finally:
        os.close(descriptor)
    wrong = _foreign(links, path) or _foreign(status, path)
    if wrong is None:
        return SettingsFile(path=path, text=_text(path, data), named=False)
    reason, advice = wrong
    keys = tuple(name for name in KEYS if name.encode() in data.lower())
    return IgnoredFile(path=path, reason=reason, advice=advice, keys=keys)


def left_alone(folder: Path) -> tuple[IgnoredFile, ...]:
    """Return the files in the current folder that a command should report because it does not read them."""
    found = []
    for name in (TOML, DOTENV):
        path = folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                continue
            if name == DOTENV and b"SPEECHHUB_" not in _read(descriptor):
                continue  # it belongs to another program
        finally:
            os.close(descriptor)
        found.append(
            IgnoredFile(
                path=path,
                reason="is in the current folder, where only 'speechhub serve' reads settings by itself",
                advice="To use it, add: --config .",
            )
        )
    return tuple(found)


def _read(descriptor: int) -> bytes:
    """Return a file's contents, at most one byte more than the limit."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_FILE_BYTES + 1)


def _text(path: Path, data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"The configuration file {path} is larger than {MAX_FILE_BYTES} bytes.")
    if fault := fault_of(data):
        raise ConfigurationError(f"The configuration file {path} {fault}.")
    return without_mark(data).decode()


def _foreign(status: os.stat_result, path: Path) -> tuple[str, str] | None:
    """Return why a file or link may come from another user, and what to do; None if it is the user's own."""
    named = f"If you trust it, use --config {path}, or set SPEECHHUB_CONFIG to {path.absolute()}."
    if status.st_uid not in (os.geteuid(), 0):
        owners = " or ".join(dict.fromkeys((_user(os.geteuid()), _user(0))))
        return f"belongs to {_user(status.st_uid)}, not to {owners}", named
    if stat.S_ISLNK(status.st_mode):
        return None  # the mode of a link means nothing
    if status.st_mode & stat.S_IWOTH:
        return "can be written by every user of this machine", f"Change that: chmod o-w {path}. {named}"
    if status.st_mode & stat.S_IWGRP and not _private(status.st_gid, status.st_uid):
        return (
            f"can be written by the group {_group(status.st_gid)}",
            f"Change that: chmod g-w {path}. {named}",
        )
    return None


def _private(gid: int, uid: int) -> bool:
    """Tell whether a group is a user's private group, for which a umask of 002 leaves files writable.

    It is the user's primary group, has the user's name, and has no other member.
    """
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
