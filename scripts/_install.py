"""Creates the environment .venv and installs into it, with uv if it is available and with pip otherwise."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path

import _stamp
from _pip_config import MIRRORS, needs_pip, pip_configuration, uv_environment

from speechhub.environments.signals import ended_by_signals, signals_wait
from speechhub.file_lock import LockTakenError, acquire

ROOT = Path(_stamp.ROOT)
VENV = Path(_stamp.VENV)
PYTHON = VENV / "bin" / "python"
OLDEST_UV = (0, 5)
"""Older ones lack explicit indexes, which pyproject.toml has, or UV_DEFAULT_INDEX (0.4.23)."""
UV_FETCH_LIMIT_S = 60
"""How long fetching uv, a wheel of 20 MB, may take before pip does the whole work."""
LOCK_S = 3600
"""How long a run waits for another one that installs, in seconds."""
NO_PIP = (
    "This Python has neither ensurepip nor pip, and there is no uv. Debian, Ubuntu: apt install python3-venv"
)


class InstallError(Exception):
    """The environment cannot be made; the message says what to do."""


def make_ready(purpose: str, program: str) -> None:
    """Create or repair .venv and install what *purpose* needs, *program* included; one run at a time.

    Raises:
        InstallError: It cannot be done.
    """
    started_s = time.monotonic()
    with ended_by_signals(), locked():
        before = _stamp.read()
        if _stamp.is_ready(purpose) and Path(program).exists():
            return  # another run did it while this one waited
        Path(_stamp.STAMP).unlink(missing_ok=True)  # an interruption from here on leaves no stamp
        make_venv(before)
        install(purpose)
        _stamp.write(purpose, before)
    say(f"ready after {time.monotonic() - started_s:.0f} s")


def make_venv(stamp: dict[str, str]) -> None:
    """Create .venv unless the present one works; *stamp* describes it."""
    version = "{} {}".format(*sys.version_info)
    if stamp and not _stamp.fits(stamp):
        say("the environment belongs to another folder or another Python; creating it again")
    elif output_of(PYTHON, "-c", "import sys; print(*sys.version_info[:2])") == version:
        return
    say(f"creating the environment .venv with Python {_stamp.PYTHON_VERSION}")
    # pip comes later: Debian's Python may lack ensurepip, and uv needs no pip.
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False, prompt="speechhub").create(VENV)


def install(purpose: str) -> None:
    """Install the lock for *purpose*, then the hub and its plugins, which need nothing beyond it.

    Raises:
        InstallError: Neither uv nor pip managed.
    """
    folders = [ROOT, *map(Path, _stamp.plugin_folders(purpose))]
    editable = [word for folder in folders for word in ("--editable", str(folder))]
    steps = [
        ["--require-hashes", "-r", _stamp.lock(purpose)],
        ["--no-deps", "--no-build-isolation", *editable],
    ]
    names = ", ".join(["speechhub", *(folder.name for folder in folders[1:])])
    for environ in environments():
        configuration = pip_configuration(environ)
        if not (environ.get("NO_UV") or needs_pip(configuration)) and (uv := find_uv() or fetch_uv(environ)):
            say(f"installing {names} with uv; the first time this can take a minute")
            told = {**environ, **uv_environment(configuration, environ, hashed=True)}
            command = [uv, "pip", "install", *quiet(), "--python", str(PYTHON)]
            if all(run([*command, *step], environ=told) == 0 for step in steps):
                return
            say("uv failed; trying again with pip")
        say(f"installing {names} with pip; the first time this can take some minutes")
        if all(run([*pip_command(), "install", *quiet(), *step], environ=environ) == 0 for step in steps):
            return
    raise InstallError("the installation failed, see above. Run this again to continue.")


def environments() -> list[dict[str, str]]:
    """Return the variables to install with, in the order to try: with the mirror that is set, then without.

    A package index that the user or the machine names wins over the mirror's.

    Raises:
        InstallError: ``SPEECHHUB_MIRROR`` names no mirror.
    """
    environ = {"UV_COMPILE_BYTECODE": "1", **os.environ}
    name = environ.get("SPEECHHUB_MIRROR") or "none"
    if name not in MIRRORS:
        raise InstallError(f"SPEECHHUB_MIRROR={name}: unknown mirror. Choose one of: {', '.join(MIRRORS)}")
    index = MIRRORS[name].python_index
    if index is None or pip_configuration(environ).get("index-url") or environ.get("UV_DEFAULT_INDEX"):
        return [environ]
    return [{**environ, "PIP_INDEX_URL": index}, environ]


def quiet() -> list[str]:
    """Return the options that keep progress out of a log; a terminal shows it."""
    return [] if sys.stderr.isatty() else ["--quiet"]


# ── The installers ───────────────────────────────────────────────────────────


def find_uv() -> str | None:
    """Return a working and recent enough uv, from the PATH or the environment."""
    for uv in (shutil.which("uv"), str(VENV / "bin" / "uv")):
        version = re.match(r"uv (\d+)\.(\d+)", output_of(uv, "--version") if uv else "")
        if version and (int(version[1]), int(version[2])) >= OLDEST_UV:
            return uv
    return None


def fetch_uv(environ: Mapping[str, str]) -> str | None:
    """Install uv into the environment; None if that fails or takes too long."""
    say("downloading uv, which installs faster than pip; NO_UV=1 skips it")
    wanted = ["--require-hashes", "-r", _stamp.lock("uv")]
    if run([*pip_command(), "install", "-qq", *wanted], environ=environ, limit_s=UV_FETCH_LIMIT_S) != 0:
        say("uv cannot be downloaded; installing with pip instead")
        return None
    return find_uv()


def pip_command() -> list[str]:
    """Return the command that runs pip on the environment; installs pip there if it is missing.

    Raises:
        InstallError: There is no way to get it.
    """
    options = ["--disable-pip-version-check", "--no-input"]
    ensurepip = [str(PYTHON), "-m", "ensurepip", "--default-pip"]
    if output_of(PYTHON, "-m", "pip", "--version") or run(ensurepip, silent=True) == 0:
        return [str(PYTHON), "-m", "pip", *options]
    outside: str = getattr(sys, "_base_executable", sys.executable)
    if output_of(outside, "-m", "pip", "--version"):
        return [outside, "-m", "pip", *options, "--python", str(PYTHON)]
    raise InstallError(NO_PIP)


# ── Processes ────────────────────────────────────────────────────────────────


def run(
    command: list[str],
    *,
    environ: Mapping[str, str] | None = None,
    limit_s: float | None = None,
    silent: bool = False,
) -> int:
    """Run *command* and return its exit code, or 124 if it took longer than *limit_s*.

    It writes to our standard error: standard output belongs to the program that we become. It has a process
    group of its own, so that its children (pip builds in some) end with it.
    """
    output = subprocess.DEVNULL if silent else sys.stderr
    process = None
    try:
        with signals_wait():
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # an installation has nothing to save
            process.wait()  # or it hides the cursor once more
            if not silent and sys.stderr.isatty():
                # A progress bar hides the cursor, and a killed program cannot show it again.
                print(end="\x1b[?25h", file=sys.stderr, flush=True)


def output_of(*command: str | Path) -> str:
    """Return what *command* prints, stripped; empty if it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Wait until no other run installs here, and keep others waiting.

    Raises:
        InstallError: Another run has held the lock for `LOCK_S`.
    """
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            acquire(
                folder, limit_s=LOCK_S, on_wait=lambda: say("another run is installing here; waiting for it")
            )
        except LockTakenError as error:
            raise InstallError(
                f"another run has been installing here for {LOCK_S // 60} min. End it, then try again."
            ) from error
        except OSError:
            say("this file system has no locks: do not start a second run before this one ends")
        yield
    finally:
        os.close(folder)


def say(text: str) -> None:
    """Report progress on standard error."""
    print(f"speechhub: {text}", file=sys.stderr, flush=True)
