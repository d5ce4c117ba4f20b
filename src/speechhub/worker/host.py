"""The hub's side of a worker: start it, have it work, stop it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Transcript
from speechhub.domain.voice import Voice
from speechhub.engine import API_VERSION
from speechhub.engine.call import LoadContext
from speechhub.engine.options import SynthesizeRequest, TranscribeRequest
from speechhub.engine.slots import STREAM, SYNTHESIZE, TRANSCRIBE, Operation
from speechhub.engine.spec import EngineSpec
from speechhub.errors import EngineCrashedError, EngineLoadError
from speechhub.worker.conversation import Report, number_field
from speechhub.worker.life import Life
from speechhub.worker.process import WorkerExit
from speechhub.worker.protocol import Kind
from speechhub.worker.values import to_parts


class Worker:
    """One engine in a process of its own; does one call at a time, until it is stopped or dies.

    Belongs to the event loop that started it; the process ends with the hub's, whatever way that ends.

    A call ends when its coroutine is cancelled, or its generator closed: the engine is asked to give up.
    Before the next call, `settle` waits until it has done so.
    """

    def __init__(self, engine: EngineSpec, epoch: int, life: Life, *, heartbeat_timeout_s: float) -> None:
        self.engine = engine
        """What runs in the worker."""
        self.epoch = epoch
        """Number of the worker, never used twice; 0 for one that stands by, see `adopt`."""
        self.voices: tuple[Voice, ...] = ()
        """The voices of a TTS model, once it is loaded."""
        self.remarks: tuple[str, ...] = ()
        """What the engine says of how it was loaded, once it is."""
        self.import_s = 0.0
        """How much of the last `prepare` or `load` was the engine's imports, in seconds."""
        self.load_s = 0.0
        """How long the engine took to load after its imports, warm-up included, in seconds; 0 before."""
        self.python = ""
        """Version of the Python that the worker runs on."""
        self._life = life
        self._conversation = life.conversation
        self._heartbeat_timeout_s = heartbeat_timeout_s

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
                ever. No ping is sent while it loads: imports hold the interpreter's lock for long.
            debug: Have the worker send tracebacks along with errors; their messages can hold user text.

        Raises:
            EngineLoadError: The process did not start, or did not say the right thing in time.
        """
        life = await Life.begin(engine, epoch=epoch, python=python, debug=debug)
        worker = cls(engine, epoch, life, heartbeat_timeout_s=heartbeat_timeout_s)
        try:
            async with asyncio.timeout(handshake_timeout_s):
                await worker._shake_hands()
        except BaseException as error:
            worker.kill()
            await asyncio.wait([life.exited])
            if isinstance(error, TimeoutError):
                raise EngineLoadError(
                    f"The worker of engine {engine.name!r} did not start within {handshake_timeout_s:g} s."
                ) from None
            raise
        life.printed.log.debug("worker started", pid=worker.pid, python=worker.python)
        return worker

    @property
    def pid(self) -> int:
        """Process id; also that of the process group."""
        return self._life.pid

    @property
    def ended(self) -> WorkerExit | None:
        """How the process ended; None until all is as `exited` says."""
        return self._life.ended

    @property
    def exited(self) -> "asyncio.Future[WorkerExit]":
        """Done when the process has ended, is reaped, and everything that belonged to it is closed.

        For those who wait: every look leaves a callback until then. Who only wants to know asks `ended`.
        """
        return self._life.exited

    @property
    def report(self) -> Report | None:
        """What it told of itself with the answer to its last call; None before the first."""
        return self._conversation.report

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
        self.epoch = epoch
        self._life.adopt(epoch)

    async def load(self, context: LoadContext) -> None:
        """Import the engine, if that is not done, and load a model; once, before all work.

        It cannot be interrupted: if the caller gives up, the worker is to be stopped.

        Raises:
            EngineLoadError: The engine cannot be imported, or cannot load the model, or died of it.
            ConfigurationError: One of the engine's options is wrong.
        """
        self.voices = await self._make_ready(Kind.LOAD, context)
        self._life.printed.working = True
        if self._heartbeat_timeout_s > 0:
            self._life.watch(self._heartbeat_timeout_s)

    async def _make_ready(self, kind: Kind, context: LoadContext) -> tuple[Voice, ...]:
        fields = {"factory": self.engine.factory, "slot": self.engine.slot.value}
        with self._conversation.call(kind, fields, to_parts(context)) as call:
            try:
                ready = await call.next()
            except EngineCrashedError as error:
                raise EngineLoadError(
                    self._life.printed.with_last_line(f"{error} It was loading {context.model!r}.")
                ) from error
            self.import_s = number_field(ready, "import_s")
            self.load_s = number_field(ready, "load_s")
            remarks = ready.fields.get("remarks")
            self.remarks = tuple(map(str, remarks)) if isinstance(remarks, list) else ()
            return tuple(self._conversation.read(list[Voice], ready))

    async def _shake_hands(self) -> None:
        hello = self._conversation.hello
        await asyncio.wait([hello])
        if hello.cancelled():
            raise EngineLoadError(
                self._life.printed.with_last_line(f"The worker of engine {self.engine.name!r} did not start.")
            )
        fields = hello.result().fields
        if fields.get("api_version") != API_VERSION:
            raise EngineLoadError(
                f"The worker speaks version {fields.get('api_version')}, not {API_VERSION}."
            )
        self.python = str(fields.get("python", ""))

    async def transcribe(
        self, batch: Sequence[TranscribeRequest], *, on_progress: Callable[[float], None] | None = None
    ) -> list[Transcript]:
        """Transcribe a batch; return one transcript for each request, in order.

        Raises:
            EngineError: Its subclass tells whether the engine failed, or its process.
            RequestError: The engine refused a value.
        """
        transcripts: list[Transcript] = await self.ask(TRANSCRIBE, list(batch), on_progress=on_progress)
        return transcripts

    async def ask(
        self, operation: Operation, request: object, *, on_progress: Callable[[float], None] | None = None
    ) -> Any:
        """Do one call whose answer comes whole; return it, as `Operation.returns` says.

        Raises:
            EngineError: Its subclass tells whether the engine failed, or its process.
            RequestError: The engine refused a value.
        """
        parts = to_parts(request, operation.takes)
        with self._conversation.call(Kind.RUN, {"op": operation.name}, parts) as call:
            return self._conversation.read(operation.returns, await call.next(on_progress))

    async def stream(self, request: TranscribeRequest) -> AsyncGenerator[str | Transcript, None]:
        """Yield pieces of text as they become final, and last the whole transcript.

        Raises:
            EngineError: Its subclass tells whether the engine failed, or its process.
            RequestError: The engine refused a value.
        """
        with self._conversation.call(Kind.RUN, {"op": STREAM.name}, to_parts(request)) as call:
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
        with self._conversation.call(Kind.RUN, {"op": SYNTHESIZE.name}, to_parts(request)) as call:
            while (frame := await call.next()).kind is Kind.CHUNK:
                yield self._conversation.read(Audio, frame)

    async def settle(self, grace_s: float) -> bool:
        """Wait until the engine has answered its last call, which somebody gave up.

        One that ends itself after that answer is waited for as well.

        Returns:
            Whether the worker is free for the next call; if not, and it has not ended, kill it.
        """
        if (call := self._conversation.current) is not None:
            await asyncio.wait([call.settled], timeout=grace_s)
        if self._conversation.lost:
            await asyncio.wait([self.exited], timeout=grace_s)
            return False
        return self._conversation.current is None and self.ended is None

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
        return await self._life.stop(grace_s)

    def kill(self) -> None:
        """Kill the process and all that it started, now; `exited` tells when it is gone."""
        self._life.kill()
