"""Runs models on this machine: leases from the manager, and another try where that may help."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import TypeVar

import structlog

from speechhub.engine import Audio, SynthesizeRequest, TranscribeRequest, Transcript, Voice
from speechhub.errors import EngineCrashedError, EngineDeviceError, SpeechhubError
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.shared_call import Part
from speechhub.lifecycle.timing import timed
from speechhub.metrics import Metrics
from speechhub.worker.host import Worker

log = structlog.get_logger()
T = TypeVar("T")

RETRIED = (EngineCrashedError, EngineDeviceError)
"""What a worker fails with where another one may do the work; see `_Attempts`."""


class _Attempts:
    """How often one request was tried, for its life; each further attempt goes before all others.

    It is tried once more if its worker crashed, since a second crash is its own fault; and once more if the
    model moves to another device, because it cannot compute on the one where it was.
    """

    def __init__(self, model: str, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics
        self._crashed = self._moved = False

    @property
    def front(self) -> bool:
        """Whether the next attempt is not the first one."""
        return self._crashed or self._moved

    def failed(self, error: SpeechhubError, *, began: bool = False) -> None:
        """Return if the request is to be tried again; *began* says that a part of the answer was given.

        Raises:
            SpeechhubError: *error*, if it is not.
        """
        if isinstance(error, EngineDeviceError):
            if began or self._moved or not error.again:
                raise error
            self._moved = True
            return
        if self._crashed and not began:
            self._metrics.poisoned()
            log.error("gave up a request that crashed its worker twice", model=self._model)
        else:
            log.warning("a request's worker crashed", model=self._model)
        if self._crashed or began:
            raise error
        self._crashed = True


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
        attempts = _Attempts(model, self._metrics)
        while True:
            part = Part(recordings=batch, on_progress=on_progress)
            try:
                heard = await self._manager.transcribe(
                    model, part, front=attempts.front, begun=begun, deadline=deadline
                )
            except RETRIED as error:
                attempts.failed(error)
            except asyncio.CancelledError:
                if part.begun:
                    self._metrics.cancelled("running")
                raise
            else:
                self._metrics.ran(model, audio_s=part.audio_s, took_s=heard.took_s)
                return heard.transcripts

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
        attempts, began = _Attempts(model, self._metrics), False
        while True:
            try:
                async with (
                    lease(front=attempts.front) as worker,
                    aclosing(timed(work(worker), self._metrics, model, audio_s)) as pieces,
                ):
                    async for piece in pieces:
                        began = True
                        yield piece
            except RETRIED as error:
                attempts.failed(error, began=began)
            else:
                return

    async def voices(self, model: str) -> Sequence[Voice]:
        """Return the model's voices; see `Runner`."""
        return self._manager.voices(model)

    async def switch_to(self, model: str, *, deadline: float = math.inf) -> None:
        """Make the model ready; see `Runner`."""
        await self._manager.switch_to(model, deadline=deadline)
