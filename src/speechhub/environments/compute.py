"""Asks engines' environments, once, what they can compute on; the answers are kept in a file.

An answer holds as long as the environment, the driver, the GPUs, what is visible of them and the system's
libraries are what they were. What did not answer, or crashed, or says that it may pass, is asked again at the
next start.
"""

import contextlib
import hashlib
import os
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import structlog

from speechhub import __version__
from speechhub.discovery import InstalledEngine
from speechhub.engine import Compute
from speechhub.environments.read import PACKAGE, PROGRAM, keyless_environment
from speechhub.environments.record import state_of
from speechhub.gpu.values import GpuDevice
from speechhub.gpu.visible import ORDER, VARIABLE

log = structlog.get_logger()

TIMEOUT_S: Final = 60.0
"""For one answer: PyTorch alone takes a dozen seconds to import, and more from a cold disk."""
AT_ONCE: Final = 3
"""Environments that are asked at the same time; each may take a gigabyte of memory."""
_KILLED_S: Final = 2.0
"""How long to wait for the end of a killed process."""
_LAST_BYTES: Final = 4096
_LINKER_CACHE: Final = Path("/etc/ld.so.cache")
"""Changes when the system gets libraries, such as NVIDIA's, from its own packages. Source: ldconfig(8)."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, and what it holds for."""

    key: str
    compute: Compute


def computes(
    engines: Iterable[InstalledEngine],
    gpus: Sequence[GpuDevice],
    file: Path,
    *,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Compute]:
    """Return engine → what it can compute on, for those that report it and could use a GPU.

    Without a GPU nothing is asked, and nothing returned. Blocks for as long as the slowest takes.

    Args:
        engines: Those to ask.
        gpus: Those that CUDA shows.
        file: Where answers are kept.
        environ: The process's environment; by default this one's.
        timeout_s: How long one may take.
    """
    asked = (
        [engine for engine in engines if engine.spec.compute and "cuda" in engine.spec.devices]
        if gpus
        else []
    )
    if not asked:
        return {}
    environ = os.environ if environ is None else environ
    kept, found = _read(file), dict[str, _Answer]()
    keys = {engine.spec.name: _key(engine, gpus, environ) for engine in asked}
    new = [
        engine for engine in asked if (name := engine.spec.name) not in kept or kept[name].key != keys[name]
    ]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="compute") as threads:
        answers = threads.map(lambda engine: ask(engine, environ=environ, timeout_s=timeout_s), new)
        fresh = {engine.spec.name: answer for engine, answer in zip(new, answers, strict=True)}
    for engine in asked:
        name = engine.spec.name
        compute, lasts = fresh.get(name) or (kept[name].compute, True)
        found[name] = _Answer(key=keys[name] if lasts else "", compute=compute)
    if fresh:
        _write(file, kept | found)
    return {name: answer.compute for name, answer in found.items()}


def ask(
    engine: InstalledEngine, *, environ: Mapping[str, str], timeout_s: float = TIMEOUT_S
) -> tuple[Compute, bool]:
    """Return what an engine can compute on, and whether that holds for the next start, too.

    One that does not answer cannot use CUDA; its `problem` says why.
    """
    command = [str(engine.python), "-P", str(PROGRAM), str(PACKAGE), "--compute", engine.spec.compute]
    log.info("asking what an engine can compute on", engine=engine.spec.name)
    try:
        answer, printed, status = _run(command, keyless_environment(environ) | ORDER, timeout_s)
    except OSError as error:
        return _unknown(engine, f"its Python {engine.python} does not start: {error.strerror}"), False
    try:
        found = msgspec.json.decode(answer, type=Compute)
    except msgspec.MsgspecError as error:
        if status is None:
            return _unknown(engine, f"it did not say within {timeout_s:g} s what it can compute on"), False
        end = f"exit status {status}" if status > 0 else f"signal {-status}" if status else str(error)
        return _unknown(engine, f"asking what it can compute on failed: {printed or end}"), False
    return found, not found.may_pass


def _run(command: Sequence[str], env: Mapping[str, str], timeout_s: float) -> tuple[bytes, str, int | None]:
    """Return what a command wrote, its last line on standard error, and its status; None if it took too long.

    It is waited for, and nothing else: what it leaves behind may hold its outputs open. A process that a
    driver has in the kernel's hands cannot even be killed; it is left to itself then.
    """
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=answer, stderr=printed, start_new_session=True
        )
        status: int | None = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILLED_S)
        printed.seek(max(0, printed.seek(0, os.SEEK_END) - _LAST_BYTES))
        lines = printed.read().decode("utf-8", "replace").strip().splitlines()
        answer.seek(0)
        return answer.read(), lines[-1] if lines else "", status


def _unknown(engine: InstalledEngine, reason: str) -> Compute:
    project = engine.distribution.partition(" ")[0]
    again = (
        f"speechhub engines install {engine.environment}"
        if engine.environment
        else f"{sys.executable} -m pip install --force-reinstall {project}"
    )
    log.warning("engine does not say what it can compute on", engine=engine.spec.name, reason=reason)
    return Compute(kinds=("cpu",), problem=f"{reason[0].upper()}{reason[1:]}.", fix=again)


def _key(engine: InstalledEngine, gpus: Sequence[GpuDevice], environ: Mapping[str, str]) -> str:
    folders = engine.search_path or _own_folders()
    try:
        libraries = str(_LINKER_CACHE.stat().st_mtime_ns)
    except OSError:
        libraries = ""
    parts = [
        state_of(folders, __version__),
        engine.distribution,
        engine.spec.compute,
        str(engine.python),  # the fix names it
        libraries,
        *(environ.get(name, "-") for name in (VARIABLE, "LD_LIBRARY_PATH")),
        *(f"{gpu.uuid} {gpu.compute_capability} {gpu.driver}" for gpu in gpus),
    ]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _own_folders() -> tuple[Path, ...]:
    """Return where packages beside the hub lie."""
    names = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    names += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return tuple(Path(name) for name in dict.fromkeys(names))


def _read(file: Path) -> dict[str, _Answer]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, _Answer])
    except (OSError, msgspec.MsgspecError):  # it is made anew
        return {}


def _write(file: Path, answers: Mapping[str, _Answer]) -> None:
    with contextlib.suppress(OSError):  # a read-only home: ask each time
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(answers), indent=1))
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
