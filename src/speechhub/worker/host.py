"""The hub's side of a worker: starts it, sends it calls, stops it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Hypothesis, Transcript
from speechhub.domain.voice import Voice
from speechhub.engine import API_VERSION
from speechhub.engine.call import LoadContext
from speechhub.engine.options import ListenRequest, SynthesizeRequest, TranscribeRequest
from speechhub.engine.slots import LISTEN, STREAM, SYNTHESIZE, TRANSCRIBE, Operation
from speechhub.engine.spec import EngineSpec
from speechhub.errors import EngineCrashedError, EngineLoadError
from speechhub.worker.conversation import Report, number_field
from speechhub.worker.life import Life
from speechhub.worker.process import WorkerExit
from speechhub.worker.protocol import Kind
from speechhub.worker.values import to_parts


class Worker:
    """One engine in its own process; does one call at a time, until it is stopped or dies.

    Belongs to the event loop that started it; the process ends with the hub, however the hub ends.

    Cancelling the coroutine of a call, or closing its generator, cancels the call: the engine is asked to
    stop. Before the next call, `settle` waits until it has stopped.
    """

    def __init__(self, engine: EngineSpec, epoch: int, life: Life, *, heartbeat_timeout_s: float) -> None:
        self.engine = engine
        """The engine that runs in the worker."""
        self.epoch = epoch
        """Number of the worker, never used twice; 0 for a standby worker, see `adopt`."""
        self.voices: tuple[Voice, ...] = ()
        """The voices of a TTS model, once it is loaded."""
        self.remarks: tuple[str, ...] = ()
        """The engine's remarks on how it was loaded, once it is."""
        self.import_s = 0.0
        """How long the engine's imports took in the last `prepare` or `load`, in seconds."""
        self.load_s = 0.0
        """How long the engine took to load after its imports, including warm-up, in seconds; 0 before."""
        self.python = ""
        """Python version of the worker."""
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
        """Start a process and wait for its HELLO; no code of the engine has run at that point.

        Args:
            engine: The engine to run.
            epoch: Number of the worker.
            python: Interpreter of the engine's own environment; None for the hub's.
            handshake_timeout_s: How long the process may take to send HELLO.
            heartbeat_timeout_s: How long it may give no sign of life in a call before it is killed; 0 means
                it never is. No ping is sent while it loads: imports hold the interpreter's lock for long.
            debug: Whether the worker sends tracebacks with errors; their messages can hold user text.

        Raises:
            EngineLoadError: The process did not start, or did not send a valid HELLO in time.
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
        """How the process ended; None until `exited` is done."""
        return self._life.ended

    @property
    def exited(self) -> "asyncio.Future[WorkerExit]":
        """Done when the process has ended, is reaped, and everything that belonged to it is closed.

        Use it only to wait: each access leaves a callback until then. To check without waiting, use `ended`.
        """
        return self._life.exited

    @property
    def report(self) -> Report | None:
        """What it reported about itself with the answer to its last call; None before the first."""
        return self._conversation.report

    # ── Work ─────────────────────────────────────────────────────────────────

    async def prepare(self, context: LoadContext) -> None:
        """Import the engine and read its model's files ahead, without using the device. Before `load`.

        It cannot be interrupted: if the caller gives up, it must stop the worker.

        Raises:
            EngineLoadError: The engine cannot be imported, or its import ended the process.
        """
        await self._make_ready(Kind.PREPARE, context)

    def adopt(self, epoch: int) -> None:
        """Give a number to a standby worker, which had none, before its `load`."""
        self.epoch = epoch
        self._life.adopt(epoch)

    async def load(self, context: LoadContext) -> None:
        """Import the engine, unless it was prepared, and load a model; once, before all work.

        It cannot be interrupted: if the caller gives up, it must stop the worker.

        Raises:
            EngineLoadError: The engine cannot be imported or cannot load the model, or the process ended.
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
            EngineError: The engine or its process failed; the subclass says which.
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
        """Yield pieces of text as they become final, then the whole transcript.

        Raises:
            EngineError: The engine or its process failed; the subclass says which.
            RequestError: The engine refused a value.
        """
        with self._conversation.call(Kind.RUN, {"op": STREAM.name}, to_parts(request)) as call:
            while (frame := await call.next()).kind is Kind.CHUNK:
                yield self._conversation.read(str, frame)
            yield self._conversation.read(Transcript, frame)

    async def listen(self, request: ListenRequest) -> Hypothesis:
        """Have the engine hear a piece of an utterance; return what it has heard of the utterance so far.

        Raises:
            LiveSessionLostError: This worker does not have the session that the request goes on with.
            EngineError: The engine or its process failed; the subclass says which.
            RequestError: The engine refused a value.
        """
        heard: Hypothesis = await self.ask(LISTEN, request)
        return heard

    async def synthesize(self, request: SynthesizeRequest) -> AsyncGenerator[Audio, None]:
        """Yield speech, piece by piece, as the engine makes it.

        Pieces wait here for a slow reader, not in the engine, which is free again as early as possible.

        Raises:
            EngineError: The engine or its process failed; the subclass says which.
            RequestError: The engine refused a value.
        """
        with self._conversation.call(Kind.RUN, {"op": SYNTHESIZE.name}, to_parts(request)) as call:
            while (frame := await call.next()).kind is Kind.CHUNK:
                yield self._conversation.read(Audio, frame)

    async def settle(self, grace_s: float) -> bool:
        """Wait until the engine has answered its last call, after the caller gave up.

        If the worker ends itself after that answer, also wait for its end.

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
        """Return the seconds that a round trip takes; also works while the engine does.

        Raises:
            TimeoutError: No answer arrived in time; native code may hold the interpreter.
            EngineCrashedError: The process has ended.
        """
        return await self._conversation.ping(timeout_s)

    # ── The end ──────────────────────────────────────────────────────────────

    async def stop(self, *, grace_s: float) -> WorkerExit:
        """Ask the process to end, terminate it, kill it; return when it is reaped and all is closed.

        May be called at any time, repeatedly, and by several callers at once; the first call's grace applies.

        Args:
            grace_s: How long the engine may take to stop its work and close.

        Raises:
            EngineError: The kernel did not end the process; it may hold its memory until a reboot.
        """
        return await self._life.stop(grace_s)

    def kill(self) -> None:
        """Kill the process and all that it started, now; `exited` is done when it is gone."""
        self._life.kill()
