"""Names below ``$SPEECHHUB_HOME/engines``, and the lock that keeps two installations of one engine apart."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from speechhub.environments.record import Record, read_record
from speechhub.errors import ConfigurationError
from speechhub.file_lock import LockTakenError, file_lock
from speechhub.paths import below

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
MAX_NAME_CHARS = 100
"""Longest name of an environment; file systems allow 255 bytes."""
LOCK_S = 24 * 3600
"""How long a change waits for another one, in seconds; an installation with PyTorch may take hours."""


def environment_name(distribution: str) -> str:
    """Return the name of the environment of *distribution*: ``speechhub-qwen-asr`` → ``qwen-asr``.

    Raises:
        ConfigurationError: It is no name of a distribution.
    """
    name = re.sub(r"[-_.]+", "-", distribution).lower().removeprefix("speechhub-")
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        raise ConfigurationError(f"{distribution!r} is not the name of an engine.")
    return name


@dataclass(frozen=True, slots=True)
class EnvironmentHome:
    """The folder of one environment: a record, the virtual environment that it names, perhaps rubbish."""

    path: Path

    @property
    def name(self) -> str:
        """What people call the environment."""
        return self.path.name

    def python(self, record: Record) -> Path:
        """Return the environment's interpreter.

        Raises:
            UnsafeNameError: The record's folder does not lie in this one.
        """
        return self.folder(record) / "bin" / "python"

    def folder(self, record: Record) -> Path:
        """Return the environment's own folder.

        Raises:
            UnsafeNameError: It does not lie in this one.
        """
        return below(self.path, record.folder)

    def new_folder(self) -> Path:
        """Return the path of an environment to be made: virtual environments cannot be moved afterwards."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        return self.path / f"env-{stamp}-{secrets.token_hex(3)}"

    def unused(self) -> list[Path]:
        """Return the environments that the record does not name: half-made ones, and former ones.

        None of them while the record cannot be read: one may be what it names.
        """
        try:
            record = read_record(self.path)
        except (ValueError, OSError):
            return []
        keep = record.folder if record else ""
        return [folder for folder in sorted(self.path.glob("env-*")) if folder.name != keep]

    def clear_unused(self) -> None:
        """Delete them; the lock is held."""
        for folder in self.unused():
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, on_wait: Callable[[], None]) -> Iterator[int]:
        """Hold the right to change the environment; call *on_wait* if another process holds it.

        Yields:
            The lock's descriptor. A process that inherits it holds the lock, too: a pip that outlives a
            killed installation keeps the next one waiting, and never meets it.

        Raises:
            ConfigurationError: It has been held for `LOCK_S`.
        """
        locks = self.path.parent / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        try:
            with file_lock(locks / self.name, limit_s=LOCK_S, on_wait=on_wait) as descriptor:
                yield descriptor
        except LockTakenError as error:
            raise ConfigurationError(
                f"Another process has been changing the environment {self.name!r} for "
                f"{LOCK_S / 3600:g} hours. End it, then try again."
            ) from error


def home_of(engines_dir: Path, name: str) -> EnvironmentHome:
    """Return the folder of the environment *name*, which need not exist; operators may have linked it.

    Raises:
        UnsafeNameError: *name* cannot name an environment.
    """
    return EnvironmentHome(below(engines_dir, name, links_out=True))


def homes(engines_dir: Path) -> list[EnvironmentHome]:
    """Return the folders of all environments, those without a record included."""
    try:
        paths = sorted(engines_dir.iterdir())
    except OSError:  # `services.condition` says what is wrong with it
        return []
    return [EnvironmentHome(path) for path in paths if NAME.fullmatch(path.name) and os.path.isdir(path)]  # noqa: PTH112  # Path.is_dir raises where rights are missing
