"""The conversation between the hub and one worker: one call at a time, and pings in between."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from speechhub.engine.memory import DeviceMemory
from speechhub.errors import EngineCrashedError, EngineProtocolError, SpeechhubError
from speechhub.worker import failures
from speechhub.worker.channel import Channel
from speechhub.worker.protocol import Frame, Kind, Parts
from speechhub.worker.values import from_parts

T = TypeVar("T")

WAITING_BYTES: Final = 16 * 1024**2
"""Data that may wait for the hub's own threads before reading pauses: three minutes of speech.

An engine that produces silence can be a hundred times as fast as an encoder. A client never makes the worker
wait: encoded audio goes to a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker reported about itself with its last answer to a RUN."""

    overhead_s: float
    """How long the answer took beyond the engine's own work: the transfer both ways."""
    memory: DeviceMemory | None
    """Device memory that its engine holds; None if it does not report that."""


class PendingCall:
    """One PREPARE, LOAD or RUN, used by the one coroutine that waits for the frames of its answer."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.began = time.perf_counter()
        self.abandoned = False
        """Whether the caller has stopped waiting; later frames are dropped."""
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the engine has answered, or can no longer answer."""
        self.room = asyncio.Event()
        """Set unless so much data waits that no more may be read."""
        self.room.set()
        self._inbox: asyncio.Queue[Frame | SpeechhubError] = asyncio.Queue()
        self._waiting_bytes = 0

    def put(self, item: Frame | SpeechhubError, *, last: bool) -> None:
        """Add a frame, or the error that ends the answer."""
        if not self.abandoned:
            self._inbox.put_nowait(item)
            self._count(_size_bytes(item))
        if last and not self.settled.done():
            self.settled.set_result(None)

    async def next(self, on_progress: Callable[[float], None] | None = None) -> Frame:
        """Return the next frame of the answer, except PROGRESS, which goes to *on_progress*.

        Raises:
            SpeechhubError: The engine's error, or the reason for the worker's end.
        """
        while True:
            item = await self._inbox.get()
            self._count(-_size_bytes(item))
            if isinstance(item, SpeechhubError):
                raise item
            if item.kind is Kind.ERROR:
                raise failures.rebuild(item.fields, _traceback(item))
            if item.kind is not Kind.PROGRESS:
                return item
            if on_progress is not None:
                on_progress(number_field(item, "fraction"))

    def abandon(self) -> None:
        """Drop the rest of the answer, without holding up the worker."""
        self.abandoned = True
        self.room.set()

    def _count(self, size_bytes: int) -> None:
        self._waiting_bytes += size_bytes
        if self._waiting_bytes <= WAITING_BYTES or self.abandoned:
            self.room.set()
        else:
            self.room.clear()


def _traceback(frame: Frame) -> str:
    return b"".join(frame.parts).decode("utf-8", "replace")


def _size_bytes(item: Frame | SpeechhubError) -> int:
    return sum(map(len, item.parts)) if isinstance(item, Frame) else 0


class Conversation:
    """Matches the frames of one worker to calls and pings; lives as long as its channel."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        epoch: int,
        on_breach: Callable[[EngineProtocolError], None],
        on_lost: Callable[[str, str], None],
        on_end_of_file: Callable[[], None],
    ) -> None:
        """Begin to listen.

        Args:
            sock: Connected and non-blocking; closed by `close`.
            epoch: Number that the worker must write on its frames.
            on_breach: Called when the worker breaks the protocol.
            on_lost: Called with the reason, and a traceback or nothing, when the worker ends itself because
                it can no longer use its device.
            on_end_of_file: Called when the worker has closed its end.
        """
        self.hello: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        """The worker's first frame; cancelled if it ended without one."""
        self.epoch = epoch
        """Number that the worker must write on its frames."""
        self.report: Report | None = None
        """Report of the last RUN; None before the first."""
        self.lost = False
        """Whether the worker reported that it can no longer use its device; it then ends itself."""
        self._on_breach = on_breach
        self._on_lost = on_lost
        self._on_end_of_file = on_end_of_file
        self._last_number = 0
        self._current: PendingCall | None = None
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._error: SpeechhubError | None = None
        self._channel = Channel(sock, on_frame=self._received, on_end=self._ended, room=self._room)

    @property
    def current(self) -> PendingCall | None:
        """The call that the engine has not answered yet."""
        return self._current

    @contextlib.contextmanager
    def call(self, kind: Kind, fields: Mapping[str, object], parts: Parts) -> Iterator[PendingCall]:
        """Send a PREPARE, LOAD or RUN, and a CANCEL if the block is left before the answer is complete.

        Raises:
            EngineProtocolError: The engine has not answered the previous call.
        """
        self._require_open()
        if self._current is not None:
            raise EngineProtocolError("The worker is busy with another call.")
        self._current = call = PendingCall(self._next_number())
        try:
            self.send(kind, call.number, fields, parts)
        except BaseException:
            self._current = None
            raise
        try:
            yield call
        finally:
            if self._current is call:
                call.abandon()
                self.send(Kind.CANCEL, call.number)

    @property
    def paused(self) -> bool:
        """Whether reading from the worker is paused, so that no sign of life can arrive."""
        return self._current is not None and not self._current.room.is_set()

    async def ping(self, timeout_s: float) -> float:
        """Return the seconds that a round trip takes.

        Raises:
            TimeoutError: No answer arrived in time.
        """
        self._require_open()
        started = time.perf_counter()
        pong = self.send_ping()
        async with asyncio.timeout(timeout_s):
            await pong
        self._require_open()
        return time.perf_counter() - started

    def send_ping(self) -> asyncio.Future[None]:
        """Ask for a sign of life; the future is done when it arrives, or when none can arrive any more."""
        number = self._next_number()
        pong = self._pings[number] = asyncio.get_running_loop().create_future()
        self.send(Kind.PING, number)
        return pong

    def send(
        self, kind: Kind, number: int = 0, fields: Mapping[str, object] | None = None, parts: Parts = ()
    ) -> None:
        """Send a frame; does not wait."""
        self._channel.send(Frame(kind=kind, call=number, epoch=self.epoch, fields=fields or {}, parts=parts))

    def read(self, kind: type[T], frame: Frame) -> T:
        """Return the value that *frame* carries.

        Raises:
            EngineProtocolError: It carries no such value.
        """
        try:
            return from_parts(kind, frame.parts)
        except EngineProtocolError as error:
            self._ended(error)
            raise

    async def drain(self) -> None:
        """Read what the worker sent before it ended, and close the socket."""
        await self._channel.close()

    def end(self, error: SpeechhubError) -> None:
        """End all waiting calls and pings, with the worker's breach of protocol if any, else *error*."""
        self._error = self._error or error
        if self._current is not None:
            self._current.put(self._error, last=True)
            self._current = None
        self.hello.cancel()  # has no effect if it has arrived
        for pong in self._pings.values():
            if not pong.done():
                pong.set_result(None)

    async def _room(self) -> None:
        if self._current is not None:
            await self._current.room.wait()

    def _require_open(self) -> None:
        if self._error is not None:
            raise self._error
        if self.lost:
            raise EngineCrashedError("The worker exits: it lost its device.")

    def _next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _received(self, frame: Frame) -> None:
        if frame.epoch != self.epoch or self.hello.done() is (frame.kind is Kind.HELLO):
            raise EngineProtocolError(f"The worker sent {frame.kind.name} out of turn.")
        match frame.kind:
            case Kind.HELLO:
                self.hello.set_result(frame)
            case Kind.PONG:
                if (pong := self._pings.pop(frame.call, None)) is not None and not pong.done():
                    pong.set_result(None)
            case Kind.CHUNK | Kind.PROGRESS | Kind.READY | Kind.RESULT | Kind.ERROR:
                self._answered(frame)
            case _:
                raise EngineProtocolError(f"A worker may not send {frame.kind.name}.")

    def _answered(self, frame: Frame) -> None:
        if not 0 < frame.call <= self._last_number:
            raise EngineProtocolError(f"The worker sent {frame.kind.name} for an unknown call.")
        call = self._current
        if call is None or frame.call != call.number:
            return  # late: an engine's own thread can report progress after the call's end
        last = frame.kind not in (Kind.CHUNK, Kind.PROGRESS)
        if last and (why := frame.fields.get("lost")):
            self.lost = True
            self._on_lost(str(why), _traceback(frame) if frame.kind is Kind.ERROR else "")
            if frame.kind is Kind.ERROR:
                return  # the call ends with the process, as in any other crash
        if last:
            self._current = None
            if "work_s" in frame.fields:
                self.report = _report(frame, time.perf_counter() - call.began)
        call.put(frame, last=last)

    def _ended(self, wrong: EngineProtocolError | None) -> None:
        if wrong is None:
            self._on_end_of_file()
        else:
            self._error = self._error or wrong
            self._on_breach(wrong)


def _report(frame: Frame, took_s: float) -> Report:
    memory = frame.fields.get("memory")
    if isinstance(memory, list) and len(memory) == 2 and all(isinstance(size, int) for size in memory):  # noqa: PLR2004
        held = DeviceMemory(allocated_bytes=memory[0], reserved_bytes=memory[1])
    else:
        held = None
    return Report(overhead_s=max(took_s - number_field(frame, "work_s"), 0.0), memory=held)


def number_field(frame: Frame, name: str) -> float:
    """Return a number from a frame's header.

    Raises:
        EngineProtocolError: The field is missing or not a number.
    """
    value = frame.fields.get(name)
    if not isinstance(value, (int, float)):
        raise EngineProtocolError(f"The worker sent {frame.kind.name} without {name!r}.")
    return float(value)
