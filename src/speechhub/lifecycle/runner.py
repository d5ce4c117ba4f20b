"""What services know of engines: something that runs them. It says nothing of processes or machines."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

import structlog

from speechhub.engine import Audio, SynthesizeRequest, TranscribeRequest, Transcript, Voice
from speechhub.errors import EngineCrashedError
from speechhub.lifecycle.manager import Manager

log = structlog.get_logger()

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

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def transcribe(
        self,
        model: str,
        batch: Sequence[TranscribeRequest],
        *,
        on_progress: Callable[[float], None] | None = None,
    ) -> list[Transcript]:
        """Return one transcript for each request, in order; see `Runner`."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._manager.lease(model, front=attempt > 1) as worker:
                    return await worker.transcribe(batch, on_progress=on_progress)
            except EngineCrashedError:
                if attempt == ATTEMPTS:
                    raise
                log.warning("trying again after a crash", model=model)
        raise AssertionError("unreachable")

    async def stream(self, model: str, request: TranscribeRequest) -> AsyncGenerator[str | Transcript, None]:
        """Yield pieces of text, and at last the transcript; see `Runner`."""
        for attempt in range(1, ATTEMPTS + 1):
            began = False
            try:
                async with (
                    self._manager.lease(model, front=attempt > 1) as worker,
                    aclosing(worker.stream(request)) as pieces,
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

    async def synthesize(self, model: str, request: SynthesizeRequest) -> AsyncGenerator[Audio, None]:
        """Yield speech piece by piece; see `Runner`."""
        for attempt in range(1, ATTEMPTS + 1):
            began = False
            try:
                async with (
                    self._manager.lease(model, front=attempt > 1) as worker,
                    aclosing(worker.synthesize(request)) as chunks,
                ):
                    async for chunk in chunks:
                        began = True
                        yield chunk
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
