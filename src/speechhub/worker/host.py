"""The hub's side of a worker: start it, have it work, stop it."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Transcript
from speechhub.domain.voice import Voice
from speechhub.engine import API_VERSION
from speechhub.engine.call import LoadContext
from speechhub.engine.options import SynthesizeRequest, TranscribeRequest
from speechhub.engine.spec import EngineSpec
from speechhub.errors import EngineCrashedError, EngineError, EngineLoadError, EngineProtocolError
from speechhub.worker.conversation import Conversation, number_field
from speechhub.worker.heartbeat import until_silent
from speechhub.worker.process import WorkerExit, WorkerProcess
from speechhub.worker.protocol import Kind
from speechhub.worker.values import to_parts

TERMINATE_S: Final = 0.5
"""How long SIGTERM may take before SIGKILL; no longer than the grace that the caller gives."""
REAP_S: Final = 10.0
"""How long the kernel may take to end a killed process: a driver can hold it in an uninterruptible wait."""
END_OF_FILE_S: Final = 1.0
"""How long a worker whose channel has closed may take to end by itself."""


class Worker:
    """One engine in a process of its own; does one call at a time, until it is stopped or dies.

    Belongs to the event loop that started it; the process ends with the hub's, whatever way that ends.

    A call ends when its coroutine is cancelled, or its generator closed: the engine is asked to give up.
    Before the next call, `settle` waits until it has done so.
    """

    def __init__(self, engine: EngineSpec, epoch: int) -> None:
        self.engine = engine
        """What runs in the worker."""
        self.epoch = epoch
        """Number of the worker, never used twice; 0 for one that stands by, see `adopt`."""
        self.voices: tuple[Voice, ...] = ()
        """The voices of a TTS model, once it is loaded."""
        self.import_s = 0.0
        """How much of the last `prepare` or `load` was the engine's imports, in seconds."""
        self.load_s = 0.0
        """How long the engine took to load after its imports, warm-up included, in seconds; 0 before."""
        self.python = ""
        """Version of the Python that the worker runs on."""
        self._log = structlog.get_logger(__name__).bind(
            engine=engine.name, slot=engine.slot.value, epoch=epoch
        )
        self._exit: asyncio.Future[WorkerExit] = asyncio.get_running_loop().create_future()
        self._process: WorkerProcess
        self._conversation: Conversation
        self._supervisor: asyncio.Task[None]
        self._stopping: asyncio.Task[WorkerExit] | None = None
        self._hung_up_timer: asyncio.TimerHandle | None = None
        self._requested = False
        self._loaded = False
        self._heartbeat_timeout_s = 0.0
        self._heartbeat: asyncio.Task[None] | None = None
        self._why = ""
        self._last_line = ""

    @classmethod
    async def start(
        cls,
        engine: EngineSpec,
        *,
        epoch: int,
        python: Path | None = None,
        handshake_timeout_s: float = 10.0,
        heartbeat_timeout_s: float = 30.0,
        debug: bool = False,
    ) -> "Worker":
        """Start a process and wait until it says hello; no code of the engine has run then.

        Args:
            engine: What it is to run.
            epoch: Number of the worker.
            python: Interpreter of the engine's own environment; None for the hub's.
            handshake_timeout_s: How long the process may take to say hello.
            heartbeat_timeout_s: How long it may give no sign of life in a call before it is killed; 0 is for
                ever. While it loads, nobody asks: imports hold the interpreter's lock as long as they like.
            debug: Have the worker print tracebacks in full; their messages can hold user text.

        Raises:
            EngineLoadError: The process did not start, or did not say the right thing in time.
        """
        worker = cls(engine, epoch)
        worker._heartbeat_timeout_s = heartbeat_timeout_s
        worker._process = await WorkerProcess.spawn(
            python, epoch=epoch, debug=debug, on_line=worker._printed, on_dropped=worker._dropped
        )
        worker._conversation = Conversation(
            worker._process.sock,
            epoch=epoch,
            on_breach=worker._broke_protocol,
            on_end_of_file=worker._hung_up,
        )
        worker._supervisor = asyncio.create_task(worker._supervise(), name=f"speechhub-worker-{epoch}")
        try:
            async with asyncio.timeout(handshake_timeout_s):
                await worker._shake_hands()
        except BaseException as error:
            worker.kill()
            await asyncio.wait([worker._exit])
            if isinstance(error, TimeoutError):
                raise EngineLoadError(
                    f"The worker of engine {engine.name!r} did not start within {handshake_timeout_s:g} s."
                ) from None
            raise
        worker._log.debug("worker started", pid=worker.pid, python=worker.python)
        return worker

    @property
    def pid(self) -> int:
        """Process id; also that of the process group."""
        return self._process.pid

    @property
    def ended(self) -> WorkerExit | None:
        """How the process ended; None until all is as `exited` says."""
        return self._exit.result() if self._exit.done() else None

    @property
    def exited(self) -> "asyncio.Future[WorkerExit]":
        """Done when the process has ended, is reaped, and everything that belonged to it is closed.

        For those who wait: every look leaves a callback until then. Who only wants to know asks `ended`.
        """
        # A waiter that is cancelled cancels what it waits for; that must not be our own future.
        return asyncio.shield(self._exit)

    # ── Work ─────────────────────────────────────────────────────────────────

    async def prepare(self, context: LoadContext) -> None:
        """Import the engine and read its model's files ahead; takes nothing of the device. Before `load`.

        It cannot be interrupted: if the caller gives up, the worker is to be stopped.

        Raises:
            EngineLoadError: The engine cannot be imported, or died of it.
        """
        await self._make_ready(Kind.PREPARE, context)

    def adopt(self, epoch: int) -> None:
        """Give a number to a worker that stood by without one, before its `load`."""
        self.epoch = self._conversation.epoch = epoch
        self._log = self._log.bind(epoch=epoch)

    async def load(self, context: LoadContext) -> None:
        """Import the engine, if that is not done, and load a model; once, before all work.

        It cannot be interrupted: if the caller gives up, the worker is to be stopped.

        Raises:
            EngineLoadError: The engine cannot be imported, or cannot load the model, or died of it.
            ConfigurationError: One of the engine's options is wrong.
        """
        self.voices = await self._make_ready(Kind.LOAD, context)
        self._loaded = True
        if self._heartbeat_timeout_s > 0:
            self._heartbeat = asyncio.create_task(self._watch(), name=f"speechhub-worker-watch-{self.epoch}")

    async def _make_ready(self, kind: Kind, context: LoadContext) -> tuple[Voice, ...]:
        fields = {"factory": self.engine.factory, "slot": self.engine.slot.value}
        with self._conversation.call(kind, fields, to_parts(context)) as call:
            try:
                ready = await call.next()
            except EngineCrashedError as error:
                raise EngineLoadError(
                    self._with_last_line(f"{error} It was loading {context.model!r}.")
                ) from error
            self.import_s = number_field(ready, "import_s")
            self.load_s = number_field(ready, "load_s")
            return tuple(self._conversation.read(list[Voice], ready))

    async def transcribe(
        self, batch: Sequence[TranscribeRequest], *, on_progress: Callable[[float], None] | None = None
    ) -> list[Transcript]:
        """Transcribe a batch; return one transcript for each request, in order.

        Raises:
            EngineError: Its subclass tells whether the engine failed, or its process.
            RequestError: The engine refused a value.
        """
        parts = to_parts(list(batch), list[TranscribeRequest])
        with self._conversation.call(Kind.RUN, {"op": "transcribe"}, parts) as call:
            return self._conversation.read(list[Transcript], await call.next(on_progress))

    async def stream(self, request: TranscribeRequest) -> AsyncGenerator[str | Transcript, None]:
        """Yield pieces of text as they become final, and last the whole transcript.

        Raises:
            EngineError: Its subclass tells whether the engine failed, or its process.
            RequestError: The engine refused a value.
        """
        with self._conversation.call(Kind.RUN, {"op": "stream"}, to_parts(request)) as call:
            while (frame := await call.next()).kind is Kind.CHUNK:
                yield self._conversation.read(str, frame)
            yield self._conversation.read(Transcript, frame)

    async def synthesize(self, request: SynthesizeRequest) -> AsyncGenerator[Audio, None]:
        """Yield speech, piece by piece, as the engine makes it.

        Pieces wait here for a slow reader, not in the engine, which is free again as early as possible.

        Raises:
            EngineError: Its subclass tells whether the engine failed, or its process.
            RequestError: The engine refused a value.
        """
        with self._conversation.call(Kind.RUN, {"op": "synthesize"}, to_parts(request)) as call:
            while (frame := await call.next()).kind is Kind.CHUNK:
                yield self._conversation.read(Audio, frame)

    async def settle(self, grace_s: float) -> bool:
        """Wait until the engine has answered its last call, which somebody gave up.

        Returns:
            Whether the worker is free for the next call; if not, kill it.
        """
        if (call := self._conversation.current) is not None:
            await asyncio.wait([call.settled], timeout=grace_s)
        return self._conversation.current is None and not self._exit.done()

    async def ping(self, timeout_s: float) -> float:
        """Return the seconds that a round trip takes; works while the engine does, too.

        Raises:
            TimeoutError: No answer came in time; native code may hold the interpreter.
            EngineCrashedError: The process has ended.
        """
        return await self._conversation.ping(timeout_s)

    # ── The end ──────────────────────────────────────────────────────────────

    async def stop(self, *, grace_s: float) -> WorkerExit:
        """End the process: ask it, terminate it, kill it; return when it is reaped and all is closed.

        May be called at any time, more than once, and by several at a time; the first call's grace counts.

        Args:
            grace_s: How long the engine may take to give up its work and close.

        Raises:
            EngineError: The kernel did not end the process; it may hold its memory until a reboot.
        """
        self._requested = True
        if self._stopping is None:
            self._stopping = asyncio.create_task(
                self._stop(grace_s), name=f"speechhub-worker-stop-{self.epoch}"
            )
        return await asyncio.shield(self._stopping)

    def kill(self) -> None:
        """Kill the process and all that it started, now; `exited` tells when it is gone."""
        self._requested = True
        self._kill()

    async def _stop(self, grace_s: float) -> WorkerExit:
        self._conversation.send(Kind.STOP)
        await asyncio.wait([self._exit], timeout=grace_s)
        for number, limit_s in ((signal.SIGTERM, min(grace_s, TERMINATE_S)), (signal.SIGKILL, REAP_S)):
            if not self._exit.done():
                self._log.warning("worker does not stop", pid=self.pid, sending=number.name)
                self._process.signal_group(number)
                await asyncio.wait([self._exit], timeout=limit_s)
        if not self._exit.done():
            raise EngineError(
                f"Process {self.pid} of engine {self.engine.name!r} was killed but does not end."
            )
        return self._exit.result()

    def _kill(self) -> None:
        if not self._exit.done():
            self._process.signal_group(signal.SIGKILL)

    async def _supervise(self) -> None:
        """Wait for the end of the process, however it comes, and clear up behind it."""
        returncode = -signal.SIGKILL.value
        try:
            returncode = await self._process.wait()
        finally:  # also when the event loop closes under a worker that nobody stopped
            self._process.close()
            if self._heartbeat is not None:
                self._heartbeat.cancel()
                await asyncio.gather(self._heartbeat, return_exceptions=True)
            await self._conversation.drain()
            if self._hung_up_timer is not None:
                self._hung_up_timer.cancel()
            name = signal.Signals(-returncode).name if -returncode in set(signal.Signals) else None
            end = WorkerExit(returncode=returncode, signal=name, requested=self._requested)
            self._exit.set_result(end)
            self._conversation.end(
                EngineCrashedError(f"The worker of engine {self.engine.name!r} {end}{self._why}.")
            )
            log = self._log.debug if end.requested else self._log.error
            log("worker ended", pid=self.pid, returncode=returncode, signal=name, requested=end.requested)

    async def _watch(self) -> None:
        await until_silent(self._conversation, timeout_s=self._heartbeat_timeout_s)
        self._why = f", because it gave no sign of life for {self._heartbeat_timeout_s:g} s"
        self._log.error("worker gives no sign of life", pid=self.pid, for_s=self._heartbeat_timeout_s)
        self._kill()

    # ── What the worker says and prints ──────────────────────────────────────

    async def _shake_hands(self) -> None:
        await asyncio.wait([self._conversation.hello])
        if self._conversation.hello.cancelled():
            raise EngineLoadError(
                self._with_last_line(f"The worker of engine {self.engine.name!r} did not start.")
            )
        fields = self._conversation.hello.result().fields
        if fields.get("api_version") != API_VERSION:
            raise EngineLoadError(
                f"The worker speaks version {fields.get('api_version')}, not {API_VERSION}."
            )
        self.python = str(fields.get("python", ""))

    def _broke_protocol(self, wrong: EngineProtocolError) -> None:
        self._log.error("worker broke the protocol", pid=self.pid, error=wrong.message)
        self._kill()

    def _hung_up(self) -> None:
        # Its exit status, which we hope for, says more than the signal that we would send.
        self._hung_up_timer = asyncio.get_running_loop().call_later(END_OF_FILE_S, self._kill)

    def _printed(self, stream: str, line: str) -> None:
        self._last_line = line
        # An engine that prints at work may well print what was said; that is for debugging only.
        log = self._log.debug if self._loaded else self._log.info
        log("worker output", stream=stream, line=line)

    def _dropped(self, stream: str, lines: int) -> None:
        self._log.warning("worker output dropped", stream=stream, lines=lines)

    def _with_last_line(self, message: str) -> str:
        """Add what the process printed last; only before it has worked, so that no user text gets out."""
        return f"{message} It said: {self._last_line}" if self._last_line else message
