"""The worker's side: one engine, driven over a socket.

There are two threads. The reader takes frames off the socket and handles at once what cannot wait: PING,
CANCEL, the end of the hub. The main thread runs the engine, because some libraries require the main thread.

Standard library and numpy only: this runs inside every engine's own Python environment.
"""

import contextlib
import faulthandler
import importlib
import os
import platform
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NoReturn

from speechhub.domain.audio import Audio
from speechhub.domain.voice import Voice
from speechhub.engine import API_VERSION
from speechhub.engine.base import Engine, SttEngine, TtsEngine
from speechhub.engine.call import Call, LoadContext
from speechhub.engine.slots import Operation, Slot
from speechhub.errors import EngineDeviceError, EngineError, EngineLoadError, EngineProtocolError
from speechhub.worker import failures
from speechhub.worker.faults import device_is_lost
from speechhub.worker.protocol import (
    MAX_PAYLOAD_TO_HUB_BYTES,
    MAX_PAYLOAD_TO_WORKER_BYTES,
    Frame,
    Kind,
    Parts,
    read_frame,
    write_frame,
)
from speechhub.worker.readahead import read_ahead
from speechhub.worker.trimming import trim
from speechhub.worker.values import from_parts, split, to_parts
from speechhub.worker.victim import be_first_victim, be_like_others

MAX_REMARK_CHARS: Final = 300
"""Longest remark that an engine may make about its load."""
MAX_TRACEBACK_CHARS: Final = 64_000
"""How much of a traceback is sent; its end, which is where the exception was raised, is kept."""
DEVICE_LOST_STATUS: Final = 4
"""Exit status of a worker that can no longer use its device."""
PROGRESS_INTERVAL_S: Final = 0.1
"""Shortest time between two PROGRESS frames; engines may report more often."""


def main(*, fd: int, epoch: int, debug: bool) -> NoReturn:
    """Serve the hub on the socket *fd*; never returns.

    Args:
        fd: An inherited, connected stream socket.
        epoch: Number of this worker, written on every frame.
        debug: Whether to send tracebacks with errors; their messages can hold user text.
    """
    # Otherwise a grandchild would keep the channel open after our end.
    os.set_inheritable(fd, False)  # noqa: FBT003  # takes no keywords
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        # An engine must not fail because it prints Chinese in a container without a locale.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    status = 1
    try:
        status = Child(socket.socket(fileno=fd), epoch=epoch, debug=debug).serve()
    except BaseException:  # noqa: BLE001  # the last boundary: print the reason, then exit
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    # Not sys.exit: native libraries hang or crash in their exit handlers, and engine.close() has run already.
    os._exit(status)


class Child:
    """Serves one hub with one engine; lives as long as the process."""

    def __init__(self, sock: socket.socket, *, epoch: int, debug: bool = False) -> None:
        self._sock = sock
        self._epoch = epoch
        self._debug = debug
        self._sending = threading.Lock()
        self._work: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self._cancels: dict[int, threading.Event] = {}
        """Events of all calls not yet answered: a CANCEL can arrive before the main thread begins."""
        self._stopping = False
        self._made: Engine | None = None
        """The engine, imported and created, before it has a model."""
        self._import_s = 0.0
        self._victim: str | None = None
        """Argument for `be_like_others`."""
        self._engine: Engine | None = None
        self._operations: dict[str, Operation] = {}
        """What the engine's slot can be asked for, by name."""
        self._worked_s = 0.0
        """How long the engine has worked on the current or last call."""
        self._asked: object = None
        """The request of the current or last call."""
        self._lost = ""
        """The exception that showed that this process can no longer use its device; else empty."""

    def serve(self) -> int:
        """Say HELLO, work until STOP, close the engine; return the exit status of the process.

        A fault of the device ends the process earlier, without `close`, which could hang or fail again.
        """
        self._send(
            Kind.HELLO,
            fields={"pid": os.getpid(), "python": platform.python_version(), "api_version": API_VERSION},
        )
        threading.Thread(target=self._read, name="speechhub-reader", daemon=True).start()
        while self._answer(self._work.get()):
            pass
        if self._lost:
            return DEVICE_LOST_STATUS
        if self._engine is not None:
            if isinstance(self._engine, SttEngine):
                self._engine.end_sessions()
            self._engine.close()
        return 0

    # ── Reader thread ────────────────────────────────────────────────────────

    def _read(self) -> None:
        try:
            while frame := read_frame(self._sock, max_payload_bytes=MAX_PAYLOAD_TO_WORKER_BYTES):
                self._take(frame)
        except BaseException:  # noqa: BLE001  # whatever the error, without a channel this process is useless
            traceback.print_exc()
        end_group()

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.PING:
                self._send(Kind.PONG, call=frame.call)
            case Kind.CANCEL:
                if event := self._cancels.get(frame.call):
                    event.set()
            case Kind.STOP:
                self._stopping = True
                for event in tuple(self._cancels.values()):
                    event.set()
                self._work.put(frame)
            case Kind.PREPARE | Kind.LOAD | Kind.RUN:
                if frame.kind is Kind.LOAD:
                    self._epoch = frame.epoch  # a standby worker gets its number only now
                event = self._cancels[frame.call] = threading.Event()
                if self._stopping:
                    event.set()
                self._work.put(frame)
            case _:
                raise EngineProtocolError(f"The hub may not send {frame.kind}.")

    # ── Main thread ──────────────────────────────────────────────────────────

    def _answer(self, frame: Frame) -> bool:
        """Do what *frame* asks and answer it exactly once, whatever the engine does.

        Returns:
            Whether to continue: False after STOP, or if the device is lost.
        """
        if frame.kind is Kind.STOP:
            return False
        loading = frame.kind is not Kind.RUN
        try:
            match frame.kind:
                case Kind.PREPARE:
                    self._prepare(frame)
                case Kind.LOAD:
                    self._load(frame)
                case _:
                    self._run(frame)
        except BaseException as error:  # noqa: BLE001  # engines may even raise SystemExit
            fields = failures.describe(error, loading=loading, request=self._asked)
            # The hub stops a worker that fails to load, or whose environment cannot compute on the device.
            unusable = fields["kind"] == EngineDeviceError.__name__
            if not loading and not unusable and device_is_lost(error, self._asked):
                self._lost = failures.name(error)
            self._send(
                Kind.ERROR,
                call=frame.call,
                fields=fields if loading else fields | self._report(),
                parts=(traceback.format_exc()[-MAX_TRACEBACK_CHARS:].encode("utf-8", "replace"),)
                if self._debug
                else (),
            )
        finally:
            self._cancels.pop(frame.call, None)
        return not self._lost

    def _prepare(self, frame: Frame) -> None:
        context = from_parts(LoadContext, frame.parts)
        self._victim = be_first_victim()
        engine = self._make(frame)
        if context.model_dir is not None:
            read_ahead(context.model_dir)
        engine.prepare(context)
        self._ready(frame, load_s=0.0, voices=[], remarks=[])

    def _load(self, frame: Frame) -> None:
        context = from_parts(LoadContext, frame.parts)
        stood_by = self._made is not None
        if stood_by:
            self._import_s = 0.0  # the import was not part of this load
            be_like_others(self._victim)
        engine = self._made or self._make(frame)
        started = time.monotonic()
        engine.load(context)
        if stood_by:
            trim()
        voices = list(engine.voices()) if isinstance(engine, TtsEngine) else []
        self._engine = engine
        remarks = [str(remark)[:MAX_REMARK_CHARS] for remark in engine.remarks()]
        self._ready(frame, load_s=time.monotonic() - started, voices=voices, remarks=remarks)

    def _make(self, frame: Frame) -> Engine:
        """Import the factory, and create the engine with it."""
        factory, slot = str(frame.fields["factory"]), Slot(str(frame.fields["slot"]))
        started = time.monotonic()
        module, _, name = factory.partition(":")
        engine = getattr(importlib.import_module(module), name)()
        if not isinstance(engine, slot.engine):
            raise EngineLoadError(
                f"{factory} makes a {type(engine).__name__}, which is not a {slot.engine.__name__}."
            )
        self._operations = {operation.name: operation for operation in slot.operations}
        self._made, self._import_s = engine, time.monotonic() - started
        return engine

    def _ready(self, frame: Frame, *, load_s: float, voices: list[Voice], remarks: list[str]) -> None:
        self._send(
            Kind.READY,
            call=frame.call,
            fields={"import_s": self._import_s, "load_s": load_s, "remarks": remarks},
            parts=to_parts(voices, list[Voice]),
        )

    def _run(self, frame: Frame) -> None:
        self._worked_s = 0.0
        call = Call(
            cancel_event=self._cancels[frame.call],
            report=self._progress(frame.call),
            began=time.monotonic(),
        )
        call.raise_if_cancelled()
        operation = self._operations.get(str(frame.fields["op"]))
        if self._engine is None or operation is None:
            raise EngineProtocolError(
                f"The worker has no engine for {frame.fields['op']!r} ({type(self._engine).__name__})."
            )
        request = self._asked = from_parts(operation.takes, frame.parts)
        work = partial(getattr(self._engine, operation.name), request, call)
        if operation.yields is None:
            result = self._whole(operation, request, work)
        else:
            result = self._streamed(operation, work, call, frame.call)
        self._send(Kind.RESULT, call=frame.call, fields=self._report(), parts=result)

    def _whole(self, operation: Operation, request: object, work: Callable[[], Any]) -> Parts:
        """Do what returns its answer at once; return that."""
        with self._working():
            answer = work()
        if isinstance(request, list):
            if len(answer) != len(request):
                raise EngineError(
                    f"The engine's method {operation.name} returned {len(answer)} answers for a batch of "
                    f"{len(request)}."
                )
            answer = list(answer)
        return to_parts(answer, operation.returns)

    def _streamed(self, operation: Operation, work: Callable[[], Any], call: Call, number: int) -> Parts:
        """Run an operation that yields pieces, and send each; return its answer, if it has one."""
        with contextlib.ExitStack() as stack:
            with self._working():
                pieces = iter(work())
            stack.callback(getattr(pieces, "close", lambda: None))  # an iterator need not be a generator
            while True:
                with self._working():
                    try:
                        piece = next(pieces)
                    except StopIteration as stop:
                        return to_parts(stop.value, operation.returns) if operation.returns else ()
                for part in split(piece) if operation.yields is Audio else (piece,):
                    call.raise_if_cancelled()
                    self._send(Kind.CHUNK, call=number, parts=to_parts(part, operation.yields))

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._worked_s += time.monotonic() - began

    def _report(self) -> dict[str, Any]:
        """Return what each answer reports about the engine."""
        memory = None
        try:
            if self._engine is not None and not self._lost and (held := self._engine.memory()) is not None:
                memory = [int(held.allocated_bytes), int(held.reserved_bytes)]
        except Exception as error:  # noqa: BLE001  # it must not fail the request
            traceback.print_exc()
            if device_is_lost(error):
                self._lost = failures.name(error)
        return {"work_s": self._worked_s, "memory": memory, "lost": self._lost}

    def _progress(self, number: int) -> Callable[[float], None]:
        last = -PROGRESS_INTERVAL_S

        def report(fraction: float) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= PROGRESS_INTERVAL_S and number in self._cancels:
                last = now
                self._send(
                    Kind.PROGRESS, call=number, fields={"fraction": min(max(float(fraction), 0.0), 1.0)}
                )

        return report

    def _send(
        self, kind: Kind, *, call: int = 0, fields: dict[str, Any] | None = None, parts: Parts = ()
    ) -> None:
        frame = Frame(kind=kind, call=call, epoch=self._epoch, fields=fields or {}, parts=parts)
        try:
            with self._sending:
                write_frame(self._sock, frame, max_payload_bytes=MAX_PAYLOAD_TO_HUB_BYTES)
        except OSError:
            end_group()


def end_group() -> NoReturn:
    """End this process and all that it started: the hub is gone."""
    if os.getpgrp() == os.getpid():  # otherwise, started by hand, we would kill the shell's other jobs
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
