"""The protocol by which services run models; it says nothing about processes or machines."""

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from speechhub.engine import (
    Audio,
    Hypothesis,
    ListenRequest,
    SynthesizeRequest,
    TranscribeRequest,
    Transcript,
    Voice,
)


class Runner(Protocol):
    """Runs models by id; waits for their engines, and raises what `lifecycle.manager.Manager.lease` raises.

    A *deadline* is a time of the event loop's clock, at which a request that still waits is refused.
    What has *begun* goes on with a request that had its turn before, and is not refused because many wait.
    What is *spare* runs only on an idle engine: unless the model is ready and no request waits for its
    device, it is refused at once, with `NotIdleError`. It is tried once, and nothing is loaded for it.
    """

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
        """Return one transcript for each request, in order."""
        ...

    async def listen(
        self,
        model: str,
        request: ListenRequest,
        *,
        spare: bool = False,
        begun: bool = False,
        deadline: float = math.inf,
    ) -> Hypothesis:
        """Have an engine with `SttCapabilities.live_sessions` hear a piece of an utterance.

        A request that abandons its session is always spare, and returns if it was not granted, too: the
        engine forgets the session by itself.

        Raises:
            LiveSessionLostError: The engine no longer has the session: begin another one with all audio.
        """
        ...

    def is_ready(self, model: str) -> bool:
        """Return whether the model is loaded at this moment; it may be busy, and gone a moment later."""
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
