"""What services know of engines: something that runs them. It says nothing of processes or machines."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import Protocol, TypeVar

import structlog

from speechhub.engine import Audio, SynthesizeRequest, TranscribeRequest, Transcript, Voice
from speechhub.errors import EngineCrashedError
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.sharing import Part
from speechhub.lifecycle.timing import timed
from speechhub.metrics import Metrics
from speechhub.worker.host import Worker

log = structlog.get_logger()
T = TypeVar("T")

ATTEMPTS = 2
"""Work whose worker crashed is tried once more, before all others; a second crash is its own fault."""


class Runner(Protocol):
    """Runs models by id; waits for their engines, and raises what `Manager.lease` raises.

    A *deadline* is a time of the event loop's clock, at which a request that still waits is refused.
    What has *begun* goes on with a request that had its turn before, and is not refused because many wait.
    """

    async def transcribe(
        self,
        model: str,
        batch: Sequence[TranscribeRequest],
        *,
        begun: bool = False,
        deadline: float = math.inf,
        on_progress: Callable[[float], None] | None = None,
    ) -> list[Transcript]:
        """Return one transcript for each request, in order."""
        ...

    def stream(
        self, model: str, request: TranscribeRequest, *, begun: bool = False, deadline: float = math.inf
    ) -> AsyncGenerator[str | Transcript, None]:
        """Yield pieces of text as they become final, and at last the transcript."""
        ...

    def synthesize(
        self, model: str, request: SynthesizeRequest, *, begun: bool = False, deadline: float = math.inf
    ) -> AsyncGenerator[Audio, None]:
        """Yield speech piece by piece."""
        ...

    async def voices(self, model: str) -> Sequence[Voice]:
        """Return the model's voices, as far as they are known without loading it."""
        ...

    async def switch_to(self, model: str, *, deadline: float = math.inf) -> None:
        """Make the model ready."""
        ...


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
        deadline: float = math.inf,
        on_progress: Callable[[float], None] | None = None,
    ) -> list[Transcript]:
        """Return one transcript for each request, in order; see `Runner`."""
        for attempt in range(1, ATTEMPTS + 1):
            part = Part(recordings=batch, on_progress=on_progress)
            try:
                heard = await self._manager.transcribe(
                    model, part, front=attempt > 1, begun=begun, deadline=deadline
                )
            except EngineCrashedError:
                self._crashed(model, last=attempt == ATTEMPTS)
                if attempt == ATTEMPTS:
                    raise
            except asyncio.CancelledError:
                if part.begun:
                    self._metrics.cancelled("running")
                raise
            else:
                self._metrics.ran(model, audio_s=part.audio_s, took_s=heard.took_s)
                return heard.transcripts
        raise AssertionError("unreachable")

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
        """Yield what *work* yields on a worker; on a second one if the first crashes before it has begun."""
        for attempt in range(1, ATTEMPTS + 1):
            began = False
            try:
                async with (
                    lease(front=attempt > 1) as worker,
                    aclosing(timed(work(worker), self._metrics, model, audio_s)) as pieces,
                ):
                    async for piece in pieces:
                        began = True
                        yield piece
            except EngineCrashedError:
                self._crashed(model, last=attempt == ATTEMPTS and not began)
                if began or attempt == ATTEMPTS:
                    raise
            else:
                return

    def _crashed(self, model: str, *, last: bool) -> None:
        if last:
            self._metrics.poisoned()
            log.error("gave up a request that crashed its worker twice", model=model)
        else:
            log.warning("a request's worker crashed", model=model)

    async def voices(self, model: str) -> Sequence[Voice]:
        """Return the model's voices; see `Runner`."""
        return self._manager.voices(model)

    async def switch_to(self, model: str, *, deadline: float = math.inf) -> None:
        """Make the model ready; see `Runner`."""
        await self._manager.switch_to(model, deadline=deadline)
