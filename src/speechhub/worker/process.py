"""A worker as the operating system sees it: a process group with a socket, and two pipes for its output."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from speechhub.environments.read import NO_TELEMETRY
from speechhub.errors import EngineLoadError
from speechhub.gpu.visible import ORDER
from speechhub.settings.secret import is_secret
from speechhub.worker.output import OutputReader

BOOTSTRAP: Final = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerExit:
    """How a worker ended."""

    returncode: int
    """Exit status; a negative value is the negated number of the signal that killed it."""
    signal: str | None = None
    """Name of that signal, such as ``SIGKILL``; None if no signal killed it."""
    requested: bool = False
    """Whether `Worker.stop` or `Worker.kill` was called before it ended."""
    why: str = ""
    """Why the hub killed it, such as ``it did not answer for 30 s``, or why it ended itself.

    Empty if neither is known."""

    def __str__(self) -> str:
        how = f"was killed by {self.signal}" if self.signal else f"ended with exit code {self.returncode}"
        return f"{how}, because {self.why}" if self.why else how


class WorkerProcess:
    """A worker's process group, started by the hub; lives until `close`.

    It ends with the hub, however the hub ends: see `bootstrap.die_with_parent`.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        sock: socket.socket,
        lifeline: int,
        output: list[OutputReader],
    ) -> None:
        self._process = process
        self._lifeline = lifeline
        self._output = output
        self.sock = sock
        """The hub's end of the control socket, non-blocking; the caller closes it."""

    @classmethod
    async def spawn(
        cls,
        python: Path | None,
        *,
        epoch: int,
        debug: bool,
        on_line: Callable[[str, str], None],
        on_dropped: Callable[[str, int], None],
    ) -> "WorkerProcess":
        """Start a worker.

        Args:
            python: Interpreter of the engine's environment; None for the hub's own.
            epoch: Number of the worker.
            debug: Whether it sends tracebacks with errors.
            on_line: Called with ``stdout`` or ``stderr``, and a line.
            on_dropped: Called with ``stdout`` or ``stderr``, and the number of lines above the limit.

        Raises:
            EngineLoadError: There is no such interpreter.
        """
        executable = str(python or sys.executable)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            ours.callback(near.close)
            theirs.callback(far.close)
            pipes = [os.pipe() for _ in range(3)]
            (lifeline, lifeline_w), (stdout, stdout_w), (stderr, stderr_w) = pipes
            for fd in (lifeline_w, stdout, stderr):
                ours.callback(os.close, fd)
            for fd in (lifeline, stdout_w, stderr_w):
                theirs.callback(os.close, fd)
            # -P keeps worker/ off the path, where `protocol` would shadow a library's module of that name;
            # no preexec_fn: it would run between fork and exec of a process with threads.
            arguments = ["-P", "-u", BOOTSTRAP, "--fd", far.fileno(), "--lifeline", lifeline]
            arguments += ["--parent", os.getpid(), "--epoch", epoch, *(["--debug"] if debug else [])]
            try:
                # Own pipes, because with asyncio's a grandchild that holds one open delays wait().
                process = await asyncio.create_subprocess_exec(
                    executable,
                    *map(str, arguments),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=stdout_w,
                    stderr=stderr_w,
                    pass_fds=(far.fileno(), lifeline),
                    start_new_session=True,
                    env=worker_environment(os.environ),
                )
            except OSError as error:
                raise EngineLoadError(
                    f"Cannot start a worker with {executable}: {error.strerror}."
                ) from error
            ours.pop_all()
        near.setblocking(False)  # noqa: FBT003  # takes no keywords
        output = [
            OutputReader(fd, partial(on_line, name), partial(on_dropped, name))
            for name, fd in (("stdout", stdout), ("stderr", stderr))
        ]
        return cls(process, near, lifeline_w, output)

    @property
    def pid(self) -> int:
        """Process id, and id of the process group."""
        return self._process.pid

    async def wait(self) -> int:
        """Return the exit status once the process has ended and is reaped; negative if a signal killed it."""
        return await self._process.wait()

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and all processes of its group that still exist.

        Once the process is reaped, this reaches the processes that it left behind. The id cannot be reused
        while the group has members; without members nothing happens.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def close(self) -> None:
        """Kill what is left of the group and close the pipes; call it when the process has ended."""
        self.signal_group(signal.SIGKILL)
        for reader in self._output:
            reader.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a worker's environment: the hub's without its own settings, Python paths and secrets.

    A variable is secret if it is named like one, or is a URL with a password. Engines need no secrets: the
    hub fetches the files of models. Variables that engines read stay: ``PATH``, ``LD_LIBRARY_PATH``,
    ``CUDA_*``, ``HF_HOME`` and so on. Variables are added that turn off libraries' telemetry, and that make
    CUDA number GPUs as the hub does.
    """
    dropped = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
    kept = {
        name: value
        for name, value in environment.items()
        if name not in dropped and not name.startswith("SPEECHHUB_") and not is_secret(name, value)
    }
    return NO_TELEMETRY | kept | ORDER
