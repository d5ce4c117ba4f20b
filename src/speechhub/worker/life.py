"""A worker's life: its process and its conversation, from the start to the end, however it ends."""

import asyncio
import signal
from pathlib import Path
from typing import Final, Self

import structlog

from speechhub.engine.spec import EngineSpec
from speechhub.errors import EngineCrashedError, EngineError, EngineProtocolError
from speechhub.worker.conversation import Conversation
from speechhub.worker.output import Printed
from speechhub.worker.process import WorkerExit, WorkerProcess
from speechhub.worker.protocol import Kind

PING_INTERVAL_S: Final = 1.0
"""Time between two pings to a worker that has a call."""
TERMINATE_S: Final = 0.5
"""How long SIGTERM may take before SIGKILL; no longer than the grace that the caller gives."""
REAP_S: Final = 10.0
"""How long the kernel may take to end a killed process: a driver can hold it in an uninterruptible wait."""
END_OF_FILE_S: Final = 1.0
"""How long a worker that closed its end, or announced its exit, may take to exit."""


class Life:
    """A worker's process and the conversation with it, until both are over; belongs to one event loop."""

    def __init__(self, name: str, epoch: int, process: WorkerProcess, printed: Printed) -> None:
        """Supervise a process that was just started.

        Args:
            name: Name of the engine.
            epoch: Number of the worker.
            process: The process; it has not sent anything yet.
            printed: Logs what it prints.
        """
        self.printed = printed
        self.conversation = Conversation(
            process.sock,
            epoch=epoch,
            on_breach=self._broke_protocol,
            on_lost=self._lost_device,
            on_end_of_file=self._hung_up,
        )
        self._name = name
        self._process = process
        self._exit: asyncio.Future[WorkerExit] = asyncio.get_running_loop().create_future()
        self._supervisor = asyncio.create_task(self._supervise(), name=f"speechhub-worker-{epoch}")
        self._stopping: asyncio.Task[WorkerExit] | None = None
        self._hung_up_timer: asyncio.TimerHandle | None = None
        self._heartbeat: asyncio.Task[None] | None = None
        self._requested = False
        self._why = ""
        self._device_lost = False

    @classmethod
    async def begin(cls, engine: EngineSpec, *, epoch: int, python: Path | None, debug: bool) -> Self:
        """Start a process; see `WorkerProcess.spawn`.

        Raises:
            EngineLoadError: There is no such interpreter.
        """
        log = structlog.get_logger(__name__).bind(engine=engine.name, slot=engine.slot.value, epoch=epoch)
        printed = Printed(log)
        process = await WorkerProcess.spawn(
            python, epoch=epoch, debug=debug, on_line=printed.line, on_dropped=printed.dropped
        )
        return cls(engine.name, epoch, process, printed)

    @property
    def pid(self) -> int:
        """Process id; also that of the process group."""
        return self._process.pid

    @property
    def ended(self) -> WorkerExit | None:
        """How the process ended; None until `exited` is done."""
        return self._exit.result() if self._exit.done() else None

    @property
    def exited(self) -> "asyncio.Future[WorkerExit]":
        """Done when the process has ended, is reaped, and everything that belonged to it is closed."""
        # A cancelled waiter also cancels the future that it waits for; that must not be our own.
        return asyncio.shield(self._exit)

    def adopt(self, epoch: int) -> None:
        """Give a number to a worker that had none."""
        self.conversation.epoch = epoch
        self.printed.log = self.printed.log.bind(epoch=epoch)

    def watch(self, timeout_s: float) -> None:
        """From now on, kill the process if it has a call and does not answer pings for *timeout_s*."""
        self._heartbeat = asyncio.create_task(
            self._watch(timeout_s), name=f"speechhub-worker-watch-{self.pid}"
        )

    async def stop(self, grace_s: float) -> WorkerExit:
        """Ask the process to end, terminate it, kill it; return when it is reaped and all is closed.

        Raises:
            EngineError: The kernel did not end the process; it may hold its memory until a reboot.
        """
        self._requested = True
        if self._stopping is None:
            self._stopping = asyncio.create_task(
                self._stop(grace_s), name=f"speechhub-worker-stop-{self.pid}"
            )
        return await asyncio.shield(self._stopping)

    def kill(self) -> None:
        """Kill the process and all that it started, now; `exited` is done when it is gone."""
        self._requested = True
        self._kill()

    async def _stop(self, grace_s: float) -> WorkerExit:
        self.conversation.send(Kind.STOP)
        await asyncio.wait([self._exit], timeout=grace_s)
        for number, limit_s in ((signal.SIGTERM, min(grace_s, TERMINATE_S)), (signal.SIGKILL, REAP_S)):
            if not self._exit.done():
                self.printed.log.warning("worker does not stop", pid=self.pid, sending=number.name)
                self._process.signal_group(number)
                await asyncio.wait([self._exit], timeout=limit_s)
        if not self._exit.done():
            raise EngineError(f"Process {self.pid} of engine {self._name!r} was killed but does not exit.")
        return self._exit.result()

    def _kill(self) -> None:
        if not self._exit.done():
            self._process.signal_group(signal.SIGKILL)

    async def _supervise(self) -> None:
        """Wait for the process to end, for whatever reason, and clean up after it."""
        returncode = -signal.SIGKILL.value
        try:
            returncode = await self._process.wait()
        finally:  # also when the event loop closes under a worker that was not stopped
            self._process.close()
            if self._heartbeat is not None:
                self._heartbeat.cancel()
                await asyncio.gather(self._heartbeat, return_exceptions=True)
            await self.conversation.drain()
            if self._hung_up_timer is not None:
                self._hung_up_timer.cancel()
            name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else None
            end = WorkerExit(returncode=returncode, signal=name, requested=self._requested, why=self._why)
            self._exit.set_result(end)
            crash = EngineCrashedError(f"The worker of engine {self._name!r} {end}.")
            crash.device_lost = self._device_lost
            self.conversation.end(crash)
            # Callers that know the model log a line at level error that names it.
            log = self.printed.log.debug if end.requested else self.printed.log.info
            log("worker ended", pid=self.pid, returncode=returncode, signal=name, requested=end.requested)

    async def _watch(self, timeout_s: float) -> None:
        await until_silent(self.conversation, timeout_s=timeout_s)
        self._why = f"it did not answer for {timeout_s:g} s"
        self.printed.log.warning("worker does not answer", pid=self.pid, for_s=timeout_s)
        self._kill()

    def _broke_protocol(self, wrong: EngineProtocolError) -> None:
        self._why = f"it broke the protocol: {wrong.message.removesuffix('.')}"
        self.printed.log.warning("worker broke the protocol", pid=self.pid, error=wrong.message)
        self._kill()

    def _lost_device(self, why: str, traceback: str) -> None:
        self._why, self._device_lost = f"it lost its device: {why}", True
        self.printed.log.warning("worker lost its device", pid=self.pid, cause=why)
        if traceback:
            self.printed.log.debug("worker lost its device: traceback", exception=traceback.rstrip())
        self._hung_up()

    def _hung_up(self) -> None:
        # Wait for its own exit first: its exit status says more than the signal that we would send.
        if self._hung_up_timer is None:
            self._hung_up_timer = asyncio.get_running_loop().call_later(END_OF_FILE_S, self._kill)


async def until_silent(conversation: Conversation, *, timeout_s: float) -> None:
    """Return when the worker has a call and has not answered for *timeout_s*.

    The worker answers from a thread beside the engine's, which runs unless native code holds the
    interpreter's lock. Pings are counted, not seconds: whatever holds up the hub itself, such as a stopped
    process or a sleeping machine, also holds up the count, and kills no worker.
    """
    unanswered = 0
    pong: asyncio.Future[None] | None = None
    while unanswered * PING_INTERVAL_S < timeout_s:
        await asyncio.sleep(PING_INTERVAL_S)
        if pong is not None and not pong.done():
            unanswered += 0 if conversation.paused else 1
        else:
            unanswered = 0
            pong = conversation.send_ping() if conversation.current is not None else None
