"""Files with settings: those that were named, and those that lie in the current folder.

A folder can be anybody's. What lies there is read only where the caller wants it, only if it is the user's
own or root's, and only if others cannot write it; a file that was named is read in any case.
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
"""Largest file with settings."""
TOML: Final = "speechhub.toml"
DOTENV: Final = ".env"
KEYS: Final = ("api_keys", "admin_keys")
"""What a file that is not read may hold, and a server must not start without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A file whose settings count."""

    path: Path
    text: str
    named: bool
    """Whether the operator named it, by an option or in the environment, or it lies in the home folder."""
    remark: str = ""
    """What is not quite right with it; empty if nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredFile:
    """A file of the current folder whose settings do not count."""

    path: Path
    reason: str
    """Why it was not read, to be read after its name."""
    advice: str
    """What to do if it should be."""
    keys: tuple[str, ...] = ()
    """Settings with keys that it seems to hold, of `KEYS`."""

    @property
    def text(self) -> str:
        """All of it, in one line."""
        return f"{self.path} {self.reason}, so it was not read. {self.advice}"


def is_dotenv(path: Path) -> bool:
    """Tell a file of variables from a TOML file, by its name."""
    return DOTENV in (path.name, path.suffix)


def read_named(path: Path, *, must_exist: bool = True) -> SettingsFile | None:
    """Read a file that was named; others may own it, as they do in a container.

    Raises:
        ConfigurationError: It is not there or cannot be read.
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
            return IgnoredFile(path=path, reason="is no file", advice="Name a file with --config.")
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
    """Return the files in the current folder that a command that reads none of them should tell of."""
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
                continue  # another program's
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
    """Return what is in a file, and a byte more than the limit at most."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_FILE_BYTES + 1)


def _text(path: Path, data: bytes) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(f"The configuration file {path} is larger than {MAX_FILE_BYTES} bytes.")
    if fault := fault_of(data):
        raise ConfigurationError(f"The configuration file {path} {fault}.")
    return without_mark(data).decode()


def _foreign(status: os.stat_result, path: Path) -> tuple[str, str] | None:
    """Say why a file, or a link, may not be the user's own word, and what helps; None if it is."""
    named = f"If you trust it, say --config {path}, or set SPEECHHUB_CONFIG to {path.absolute()}."
    if status.st_uid not in (os.geteuid(), 0):
        owners = " or ".join(dict.fromkeys((_user(os.geteuid()), _user(0))))
        return f"belongs to {_user(status.st_uid)}, not to {owners}", named
    if stat.S_ISLNK(status.st_mode):
        return None  # its mode says nothing
    if status.st_mode & stat.S_IWOTH:
        return "can be written by every user of this machine", f"Change that: chmod o-w {path}. {named}"
    if status.st_mode & stat.S_IWGRP and not _private(status.st_gid, status.st_uid):
        return (
            f"can be written by the group {_group(status.st_gid)}",
            f"Change that: chmod g-w {path}. {named}",
        )
    return None


def _private(gid: int, uid: int) -> bool:
    """Tell whether a group is its user's own, as many systems give each user one: umask 002 writes for it.

    It is the user's first group, has the user's name, and no other member.
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
