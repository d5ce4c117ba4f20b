"""What services know of engines: something that runs them. It says nothing of processes or machines."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol, TypeVar

import structlog

from speechhub.engine import Audio, SynthesizeRequest, TranscribeRequest, Transcript, Voice
from speechhub.errors import EngineCrashedError
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.timing import timed
from speechhub.metrics import Metrics
from speechhub.worker.host import Worker

log = structlog.get_logger()
T = TypeVar("T")

ATTEMPTS = 2
"""Work whose worker crashed is tried once more, before all others; a second crash is its own fault."""


class Runner(Protocol):
    """Runs models by id; waits for their engines, and raises what `Manager.lease` raises."""

    async def transcribe(
        self,
        model: str,
        batch: Sequence[TranscribeRequest],
        *,
        on_progress: Callable[[float], None] | None = None,
    ) -> list[Transcript]:
        """Return one transcript for each request, in order."""
        ...

    def stream(self, model: str, request: TranscribeRequest) -> AsyncGenerator[str | Transcript, None]:
        """Yield pieces of text as they become final, and at last the transcript."""
        ...

    def synthesize(self, model: str, request: SynthesizeRequest) -> AsyncGenerator[Audio, None]:
        """Yield speech piece by piece."""
        ...

    async def voices(self, model: str) -> Sequence[Voice]:
        """Return the model's voices, as far as they are known without loading it."""
        ...

    async def switch_to(self, model: str) -> None:
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
        on_progress: Callable[[float], None] | None = None,
    ) -> list[Transcript]:
        """Return one transcript for each request, in order; see `Runner`."""

        async def all_at_once(worker: Worker) -> AsyncGenerator[list[Transcript], None]:
            yield await worker.transcribe(batch, on_progress=on_progress)

        heard_s = sum(request.audio.duration_s for request in batch)
        answers = [answer async for answer in self._lease_and(model, all_at_once, lambda _: heard_s)]
        return answers[0]

    def stream(self, model: str, request: TranscribeRequest) -> AsyncGenerator[str | Transcript, None]:
        """Yield pieces of text, and at last the transcript; see `Runner`."""
        return self._lease_and(
            model,
            lambda worker: worker.stream(request),
            lambda piece: request.audio.duration_s if isinstance(piece, Transcript) else 0.0,
        )

    def synthesize(self, model: str, request: SynthesizeRequest) -> AsyncGenerator[Audio, None]:
        """Yield speech piece by piece; see `Runner`."""
        return self._lease_and(
            model, lambda worker: worker.synthesize(request), lambda audio: audio.duration_s
        )

    async def _lease_and(
        self,
        model: str,
        work: Callable[[Worker], AsyncGenerator[T, None]],
        audio_s: Callable[[T], float],
    ) -> AsyncGenerator[T, None]:
        """Yield what *work* yields on a worker; on a second one if the first crashes before it has begun."""
        for attempt in range(1, ATTEMPTS + 1):
            began = False
            try:
                async with (
                    self._manager.lease(model, front=attempt > 1) as worker,
                    aclosing(timed(work(worker), self._metrics, model, audio_s)) as pieces,
                ):
                    async for piece in pieces:
                        began = True
                        yield piece
            except EngineCrashedError:
                if began or attempt == ATTEMPTS:
                    raise
                log.warning("trying again after a crash", model=model)
            else:
                return

    async def voices(self, model: str) -> Sequence[Voice]:
        """Return the model's voices; see `Runner`."""
        return self._manager.voices(model)

    async def switch_to(self, model: str) -> None:
        """Make the model ready; see `Runner`."""
        await self._manager.switch_to(model)
