"""Has engines build, when they are installed, what their first load would otherwise spend minutes on.

What comes of it lies in the environment, because it belongs to the packages there and goes with them. It is
no part of the installation: without it the first load takes longer, and everything works.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from speechhub.discovery import InstalledEngine
from speechhub.environments.folders import EnvironmentHome
from speechhub.environments.read import PACKAGE, PROGRAM, keyless_environment
from speechhub.environments.record import Record, spec_of
from speechhub.store.caches import others_write
from speechhub.store.layout import safe_name

log = structlog.get_logger()

TIMEOUT_S: Final = 1800.0
"""For one engine: a build of one minute may take twenty on a slow machine that is busy."""


def prebuilt_of(environment: Path, engine: str) -> Path:
    """Return where what *engine* built lies in an environment's folder; nothing need be there."""
    return environment / "prebuilt" / safe_name(engine)


def prebuild(home: EnvironmentHome, record: Record, say: Callable[[str], None]) -> None:
    """Have each engine of an environment that is complete build what it builds once; failures are reported.

    Args:
        home: The environment, whose lock is held.
        record: The one that was just written.
        say: Tells people what happens.
    """
    for engine in record.description.engines:
        spec = spec_of(engine.spec)
        if not spec.prebuild:
            continue
        say(f"building what {spec.name} needs and builds once; this can take minutes")
        folder = prebuilt_of(home.folder(record), spec.name)
        cost = "so its first load will, which takes longer and can exceed first_load_timeout_s"
        try:
            problem = _run(home.python(record), spec.prebuild, folder)
        except BaseException:
            say(f"{home.name} is installed, but {spec.name} did not finish building, {cost}")
            raise
        if problem:
            say(f"warning: {spec.name} could not build what it needs, {cost}: {problem}")


def prebuilt_dir(engine: InstalledEngine) -> Path | None:
    """Return the folder with what the engine built when it was installed; None if there is none. Blocks.

    None also where another user than root and ours could change it: an engine may keep pickles there, and
    reading a pickle runs what is in it.
    """
    folder = engine.prebuilt
    try:
        if folder is None or not folder.is_dir():
            return None
        paths = (folder, *folder.rglob("*"))
        open_to_others = any(others_write(path.stat(), beside_root=True) for path in paths)
    except OSError as error:
        log.warning("what an engine built cannot be read", folder=str(folder), error=str(error))
        return None
    if open_to_others:
        log.warning(
            "what an engine built is not used, since another user can write there",
            engine=engine.spec.name,
            folder=str(folder),
            advice=f"speechhub engines install {engine.environment}",
        )
        return None
    return folder


def _run(python: Path, function: str, folder: Path) -> str:
    """Call *function* in the environment and put what it built at *folder*; return what went wrong, if any.

    It is in place as a whole or not at all.
    """
    fresh = folder.with_name(f"{folder.name}.new")
    command = [str(python), "-P", str(PROGRAM), str(PACKAGE), "--prebuild", function, str(fresh)]
    try:
        folder.parent.mkdir(mode=0o755, exist_ok=True)
        fresh.mkdir(mode=0o755)
        with subprocess.Popen(
            command,
            env=keyless_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
            umask=0o022,  # `prebuilt_dir` refuses what others can write
        ) as process:
            try:
                _, told = process.communicate(timeout=TIMEOUT_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode == 0:
            fresh.replace(folder)
            return ""
        last = told.decode("utf-8", "replace").strip().splitlines()[-1:]
        return last[0] if last else f"it ended with status {process.returncode}"
    except subprocess.TimeoutExpired as error:
        return f"it was stopped, because it did not finish in {error.timeout:g} s"
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
