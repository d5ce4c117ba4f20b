"""Puts packages into an environment: with uv where it is, with pip otherwise; PyTorch always with pip."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speechhub.environments.pip_config import needs_pip, pip_configuration, uv_environment
from speechhub.environments.read import clean_environment
from speechhub.environments.signals import signals_wait
from speechhub.errors import SpeechhubError
from speechhub.mirrors import PYPI, Mirror
from speechhub.settings.proxies import hint

OLDEST_UV: Final = (0, 5)
"""Oldest uv that is used: older ones lack UV_DEFAULT_INDEX (0.4.23) or explicit indexes."""
SHOW_CURSOR: Final = "\x1b[?25h"
"""Tells a terminal to show its cursor, which installers hide while their bars move."""


class InstallError(SpeechhubError):
    """An environment cannot be made; the message says what to do."""

    code = "configuration_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """Installs into one environment."""

    python: Path
    """The environment's interpreter."""
    mirror: Mirror
    offline: bool = False
    """Whether to use no index at all, only the folders that pip is told to look in."""
    lock: int | None = None
    """Descriptor that the installers inherit, so that what outlives us keeps others waiting."""
    build_lock: Path | None = None
    """Lock whose hashes hold for what builds a plugin from its folder; None takes what the index has."""
    say: Callable[[str], None]
    """Shows people what happens."""

    def install(self, *words: str, alone: bool = False) -> None:
        """Install requirements, or what else ``pip install`` takes; a mirror first, and then without.

        Args:
            words: What to call ``pip install`` with.
            alone: Whether it is the plugin itself, and nothing else that would have to be built.

        Raises:
            InstallError: It did not work.
        """
        environ = self._environ(alone=alone)
        if self.mirror.python_index and not environ.get("PIP_INDEX_URL") and not self.offline:
            mirrored = {**environ, "PIP_INDEX_URL": self.mirror.python_index}
            if self._try(words, mirrored):
                return
            self.say("the mirror did not have all of it; once more without it")
        if not self._try(words, environ):
            index = pip_configuration(environ).get("index-url") or PYPI
            raise InstallError(
                "The packages could not be installed, see above. Trying again is safe: nothing has changed."
                + ("" if self.offline else hint(index))
            )

    def install_torch(self, pins: Sequence[str], build: str, others: Path) -> None:
        """Install PyTorch's packages in one build, and what they need.

        Each pin names its build, ``torch==2.13.0+cpu``: no other can come down by accident, gigabytes of
        CUDA on a machine without a GPU above all.

        Args:
            pins: ``name==version``.
            build: ``cpu``, ``cu126`` …
            others: File with constraints for what PyTorch needs.

        Raises:
            InstallError: No place has this build.
        """
        exact = [f"{pin}+{build}" for pin in pins]
        places: list[list[str]] = [[]]  # first as pip is configured: it may know a folder with wheels
        if not self.offline:
            places += [
                ["--find-links" if source.flat else "--extra-index-url", source.of(build)]
                for source in self.mirror.torch
            ]
        environ = self._environ()
        if self.mirror.python_index and not environ.get("PIP_INDEX_URL") and not self.offline:
            environ["PIP_INDEX_URL"] = self.mirror.python_index
        for place in places:
            if self._run([*self._pip(), *_quiet(), *exact, "-c", str(others), *place], environ):
                return
            self.say(f"{', '.join(exact)}: not from {place[-1] if place else 'what pip is configured for'}")
        raise InstallError(
            f"No configured source has {', '.join(exact)} for this Python. 'speechhub doctor --mirrors' "
            "shows what each source has; --build and --torch choose another wheel."
        )

    def _try(self, words: Sequence[str], environ: Mapping[str, str]) -> bool:
        configuration = pip_configuration(environ)
        uv = None if needs_pip(configuration) or environ.get("NO_UV") else find_uv()
        if uv:
            # Settings of uv in the current folder could name a stranger's index.
            start = [uv, "--project", str(self.python.parent), "pip", "install"]
            command = [*start, *_quiet(), "--python", str(self.python), *words]
            told = uv_environment(configuration, environ, hashed="--require-hashes" in words)
            if self._run(command, {"UV_COMPILE_BYTECODE": "1", **environ, **told}):
                return True
            self.say("uv did not manage; trying once more with pip")
        return self._run([*self._pip(), *_quiet(), *words], environ)

    def _pip(self) -> list[str]:
        """Return how to call ``pip install`` on the environment: the hub's pip, or one of its own."""
        options = ["--disable-pip-version-check", "--no-input", "install"]
        if importlib.util.find_spec("pip"):
            # -P: a folder or file `pip` in the current folder is not the pip that is meant.
            return [sys.executable, "-P", "-m", "pip", "--python", str(self.python), *options]
        own = [str(self.python), "-P", "-m", "pip"]
        if _works([*own, "--version"]) or _works([str(self.python), "-P", "-m", "ensurepip"]):
            return [*own, *options]
        raise InstallError(
            "This Python has neither pip nor ensurepip, and there is no uv. Debian, Ubuntu: apt install "
            "python3-venv"
        )

    def _environ(self, *, alone: bool = False) -> dict[str, str]:
        environ = clean_environment(os.environ)
        if self.offline:
            environ["PIP_NO_INDEX"] = "1"
        if self.build_lock is not None:
            environ.setdefault("UV_BUILD_CONSTRAINT", str(self.build_lock))
            if alone:  # pip would then refuse every backend that is not in the lock, uv compares what is
                environ.setdefault("PIP_BUILD_CONSTRAINT", str(self.build_lock))
        return environ

    def _run(self, command: Sequence[str], environ: Mapping[str, str]) -> bool:
        """Run *command* to its end; it writes to standard error and ends with this process where possible."""
        process = None
        try:
            with signals_wait():
                process = subprocess.Popen(
                    list(command),
                    env=dict(environ),
                    stdin=subprocess.DEVNULL,
                    stdout=sys.stderr.fileno(),
                    stderr=sys.stderr.fileno(),
                    process_group=0,
                    pass_fds=() if self.lock is None else (self.lock,),
                )
            return process.wait() == 0
        finally:
            if process is not None:
                interrupted = process.returncode is None
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # an installation has nothing to save
                process.wait()  # or it hides the cursor once more
                if interrupted and sys.stderr.isatty():
                    sys.stderr.write(SHOW_CURSOR)
                    sys.stderr.flush()


def find_uv() -> str | None:
    """Return a uv that starts and is new enough, from the PATH or beside our own Python; None without."""
    for uv in (shutil.which("uv"), str(Path(sys.executable).with_name("uv"))):
        try:
            told = subprocess.run([uv or "", "--version"], capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        version = re.match(r"uv (\d+)\.(\d+)", told)
        if version and (int(version[1]), int(version[2])) >= OLDEST_UV:
            return uv
    return None


def _quiet() -> list[str]:
    """Show progress on a terminal, and only problems in a log."""
    return [] if sys.stderr.isatty() else ["--quiet"]


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
