"""Finals: the transcripts of a session's committed utterances, each as soon as all before it are out."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import structlog

from speechhub.errors import SpeechhubError
from speechhub.metrics import Metrics
from speechhub.pools import Pool
from speechhub.services.catalog import Catalog
from speechhub.services.deadline import Deadline
from speechhub.services.live.events import LiveEvent, TranscriptCompleted, TranscriptDelta, TranscriptFailed
from speechhub.services.live.item import Item
from speechhub.services.live.partials import Partials
from speechhub.services.live.utterance import Utterance
from speechhub.services.transcript_join import JoinedTranscript
from speechhub.services.transcription import WHAT, TranscriptionService

log = structlog.get_logger()

AT_ONCE: Final = 4
"""Utterances of one session that are transcribed at the same time; more of them wait."""
AHEAD_S: Final = 600.0
"""How much may wait for its transcript, in seconds; then a session takes no more audio."""
FAILED: Final = "The server had an error while transcribing the utterance. Its log has the details."


@dataclass(slots=True, kw_only=True)
class FinalsCount:
    """How many utterances of all sessions have no transcript yet."""

    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTools:
    """What transcripts are made with."""

    catalog: Catalog
    transcription: TranscriptionService
    pool: Pool
    metrics: Metrics
    request_timeout_s: float
    count: FinalsCount = field(default_factory=FinalsCount)


class Finals:
    """The transcripts of one session; close them when it ends."""

    def __init__(
        self, tools: FinalTools, emit: Callable[[LiveEvent], None], freed: Callable[[], None]
    ) -> None:
        """Begin without utterances.

        Args:
            tools: What transcripts are made with.
            emit: Takes the events.
            freed: Told when the audio of an utterance is free.
        """
        self._tools = tools
        self._freed = freed
        self._emit = emit
        self._semaphore = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: asyncio.Task[None] | None = None
        self._shrunk = asyncio.Event()
        self.waiting_s = 0.0
        """Length of the utterances without a transcript, in seconds."""
        self.waiting_bytes = 0
        """Size of their audio."""

    def __bool__(self) -> bool:
        """Whether any transcript is still to come."""
        return bool(self._tasks)

    def add(self, item: Item, utterance: Utterance, partials: Partials | None) -> None:
        """Transcribe an utterance, which *partials* has heard until now; they are closed with it."""
        self.waiting_s += utterance.duration_s
        self.waiting_bytes += 2 * utterance.length
        self._tools.count.waiting += 1
        task = asyncio.create_task(self._work(item, utterance, partials, self._last))
        self._last = task
        self._tasks.add(task)

        def over(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self.waiting_s -= utterance.duration_s
            self.waiting_bytes -= 2 * utterance.length
            self._tools.count.waiting -= 1
            self._shrunk.set()
            self._freed()
            if self._last is task:
                self._last = None

        task.add_done_callback(over)

    @property
    def full(self) -> bool:
        """Whether so much has no transcript that no more should come."""
        return self.waiting_s > AHEAD_S

    async def shrunk(self) -> None:
        """Wait for the next transcript."""
        self._shrunk.clear()
        await self._shrunk.wait()

    async def settled(self) -> None:
        """Wait until every transcript is out."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Give up what is not done."""
        for task in self._tasks:
            task.cancel()
        await self.settled()

    async def _work(
        self,
        item: Item,
        utterance: Utterance,
        partials: Partials | None,
        before: asyncio.Task[None] | None,
    ) -> None:
        began = _now()
        deadline = began + self._tools.request_timeout_s
        try:
            async with self._semaphore:
                alone = before is None or before.done()
                transcript = await self._transcribe(item, utterance, partials, deadline, alone=alone)
            event: LiveEvent = TranscriptCompleted(item.id, transcript, utterance.duration_s)
        except SpeechhubError as error:
            log.warning("an utterance has no transcript", error=error.code, reason=error.message)
            event = TranscriptFailed(item.id, error)
        except Exception:
            log.exception("a live transcription failed")
            event = TranscriptFailed(item.id, SpeechhubError(FAILED))
        finally:
            if partials is not None:
                await partials.aclose()
        if before is not None:
            await asyncio.wait([before])
        outcome = "failed"
        if isinstance(event, TranscriptCompleted):
            outcome = "completed" if utterance.parts else "silent"
            if rest := item.agreement.finish(event.transcript.text):
                self._emit(TranscriptDelta(item.id, rest))
        self._emit(event)
        self._tools.metrics.live_utterance(outcome, _now() - began)

    async def _transcribe(
        self,
        item: Item,
        utterance: Utterance,
        partials: Partials | None,
        deadline: float,
        *,
        alone: bool,
    ) -> JoinedTranscript:
        tools = self._tools
        if not utterance.parts:
            return JoinedTranscript(text="", duration_s=utterance.duration_s)
        if partials is not None:
            left = Deadline(limit_s=tools.request_timeout_s, at=deadline)
            async with left.kept(WHAT):
                await partials.ended()
                heard = await partials.finish(utterance, deadline)
            if heard is not None:
                return heard
        model = tools.catalog.stt(utterance.settings.model)
        recording = await tools.pool.run(utterance.wav, model.capabilities.sample_rate)
        job = utterance.settings.job(max(0.0, deadline - _now()))
        stream = model.capabilities.streaming and not item.agreement.said
        if not (stream and alone and tools.count.waiting == 1):
            return await tools.transcription.transcribe(recording, job)
        async with aclosing(await tools.transcription.stream(recording, job)) as events:
            async for event in events:
                if isinstance(event, JoinedTranscript):
                    return event
                self._emit(TranscriptDelta(item.id, item.agreement.say(event)))
        raise AssertionError("unreachable")


def _now() -> float:
    return asyncio.get_running_loop().time()
