"""Runs models on this machine: leases engines from the manager, and tries again where that may help."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import structlog

from speechhub.engine import (
    Audio,
    Hypothesis,
    ListenRequest,
    SynthesizeRequest,
    TranscribeRequest,
    Transcript,
    Voice,
)
from speechhub.errors import EngineCrashedError, EngineDeviceError, NotIdleError
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.lifecycle.shared_call import CallPart
from speechhub.lifecycle.timing import timed
from speechhub.metrics import Metrics
from speechhub.worker.host import Worker

log = structlog.get_logger()
T = TypeVar("T")


class _Attempts:
    """The attempts at one request: iterate them, and make each within its context.

    A request is tried once more if its worker crashed, since a second crash is its own fault; and once more
    if the model moves to another device, because it cannot compute on the one where it was. Nothing is tried
    again once a part of the answer was given.
    """

    def __init__(self, model: str, metrics: Metrics, *, once: bool = False) -> None:
        self.began = once
        """Whether a part of the answer was given, or another attempt makes no sense."""
        self._model = model
        self._metrics = metrics
        self._crashed = self._moved = False

    @property
    def front(self) -> bool:
        """Whether the attempt goes before all other requests: it is not the first one."""
        return self._crashed or self._moved

    def __iter__(self) -> Iterator[Self]:
        while True:  # until an attempt succeeds, or its error is final
            yield self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Swallow an error after which the request is tried again."""
        if isinstance(error, EngineDeviceError):
            again = error.again and not self._moved and not self.began
            self._moved = True
        elif isinstance(error, EngineCrashedError):
            again = not self._crashed and not self.began
            if self._crashed and not self.began:
                self._metrics.poisoned()
                log.error("gave up a request that crashed its worker twice", model=self._model)
            else:
                log.warning("a request's worker crashed", model=self._model)
            self._crashed = True
        else:
            return False
        return again


class LocalRunner:
    """Runs models on this machine, through its manager."""

    def __init__(self, manager: Manager, metrics: Metrics | None = None) -> None:
        self._manager = manager
        self._metrics = metrics or Metrics()

    async def transcribe(
        self,
        model: str,
        batch: Sequence[TranscribeRequest],
        *,
        begun: bool = False,
        spare: bool = False,
        deadline: float = math.inf,
        on_progress: Callable[[float], None] | None = None,
    ) -> list[Transcript]:
        """Return one transcript for each request, in order; see `Runner`."""
        for attempt in _Attempts(model, self._metrics, once=spare):
            part = CallPart(recordings=batch, on_progress=on_progress)
            with attempt:
                try:
                    answer = await self._manager.transcribe(
                        model, part, front=attempt.front, begun=begun, spare=spare, deadline=deadline
                    )
                except asyncio.CancelledError:
                    if part.begun and not spare:
                        self._metrics.cancelled("running")
                    raise
                if not spare:  # the same audio comes again
                    self._metrics.ran(model, audio_s=part.audio_s, took_s=answer.took_s)
                return answer.transcripts
        raise AssertionError("unreachable")

    async def listen(
        self,
        model: str,
        request: ListenRequest,
        *,
        spare: bool = False,
        begun: bool = False,
        deadline: float = math.inf,
    ) -> Hypothesis:
        """Have an engine hear a piece of an utterance; see `Runner`.

        It is tried once: another worker would not have the session.
        """
        spare = spare or request.abandon
        try:
            async with self._manager.lease(model, begun=begun, spare=spare, deadline=deadline) as worker:
                began = time.perf_counter()
                heard = await worker.listen(request)
                took_s = time.perf_counter() - began
        except NotIdleError:
            if not request.abandon:
                raise
            return Hypothesis(text="")
        self._metrics.ran(model, audio_s=request.audio.duration_s, took_s=took_s)
        return heard

    def stream(
        self, model: str, request: TranscribeRequest, *, begun: bool = False, deadline: float = math.inf
    ) -> AsyncGenerator[str | Transcript, None]:
        """Yield pieces of text, and at last the transcript; see `Runner`."""
        length_s = request.audio.duration_s
        return self._lease_and(
            partial(self._manager.lease, model, begun=begun, size=length_s, deadline=deadline),
            lambda worker: worker.stream(request),
            model,
            lambda piece: length_s if isinstance(piece, Transcript) else 0.0,
        )

    def synthesize(
        self, model: str, request: SynthesizeRequest, *, begun: bool = False, deadline: float = math.inf
    ) -> AsyncGenerator[Audio, None]:
        """Yield speech piece by piece; see `Runner`."""
        return self._lease_and(
            partial(self._manager.lease, model, begun=begun, size=len(request.text), deadline=deadline),
            lambda worker: worker.synthesize(request),
            model,
            lambda audio: audio.duration_s,
        )

    async def _lease_and(
        self,
        lease: Callable[..., AbstractAsyncContextManager[Worker]],
        work: Callable[[Worker], AsyncGenerator[T, None]],
        model: str,
        audio_s: Callable[[T], float],
    ) -> AsyncGenerator[T, None]:
        """Yield what *work* yields on a worker; on another one if the first fails before it has begun."""
        for attempt in _Attempts(model, self._metrics):
            with attempt:
                async with (
                    lease(front=attempt.front) as worker,
                    aclosing(timed(work(worker), self._metrics, model, audio_s)) as pieces,
                ):
                    async for piece in pieces:
                        attempt.began = True
                        yield piece
                return

    async def voices(self, model: str) -> Sequence[Voice]:
        """Return the model's voices; see `Runner`."""
        return self._manager.voices(model)

    def is_ready(self, model: str) -> bool:
        """Return whether the model is loaded at this moment; see `Runner`."""
        return self._manager.state(model).phase is Phase.READY

    async def switch_to(self, model: str, *, deadline: float = math.inf) -> None:
        """Make the model ready; see `Runner`."""
        await self._manager.switch_to(model, deadline=deadline, for_client=True)
