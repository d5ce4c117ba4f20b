"""Partial results: what is heard of an utterance while it is spoken; they never delay other requests."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import structlog

from speechhub.errors import NotIdleError, SpeechhubError
from speechhub.metrics import Metrics
from speechhub.pools import Pool
from speechhub.runner import Runner
from speechhub.services.live.events import LiveEvent, TranscriptDelta
from speechhub.services.live.item import Item
from speechhub.services.live.settings import LiveSettings
from speechhub.services.live.speech_buffer import SpeechBuffer
from speechhub.services.live.utterance import Utterance
from speechhub.services.transcript_join import JoinedTranscript
from speechhub.services.transcription import CheckedJob

log = structlog.get_logger()

LONGEST_S: Final = 30.0
"""Longest utterance, in seconds, that is heard while it is spoken, by engines that would take longer ones."""


@dataclass(slots=True, kw_only=True)
class PartialCount:
    """The partial results of one session, one at a time."""

    made: int = 0
    skipped: int = 0
    """Those that were due while the engine was not idle."""
    took_s: float = 0.0
    """How long the last one took."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialTools:
    """What partial results of one session are made with."""

    runner: Runner
    pool: Pool
    metrics: Metrics
    interval_s: float
    """Shortest time between two hypotheses."""
    emit: Callable[[LiveEvent], None]
    waits: Callable[[], object]
    """Tells whether the session itself has better work for the engine."""
    count: PartialCount = field(default_factory=PartialCount)


class Partials(ABC):
    """Hears one utterance while it is spoken; `end` it at the commit, and close it afterwards."""

    def __init__(
        self, tools: PartialTools, job: CheckedJob, settings: LiveSettings, buffer: SpeechBuffer, item: Item
    ) -> None:
        """Begin to hear.

        Args:
            tools: What to hear with.
            job: What the client wants of the engine.
            settings: The session's.
            buffer: Where the audio is.
            item: The utterance.
        """
        self._tools = tools
        self._job = job
        self._settings = settings
        self._buffer = buffer
        self._item = item
        self._ended = asyncio.Event()
        self._dropped = False
        self._task = asyncio.create_task(self._run())

    @abstractmethod
    def pause_s(self) -> float:
        """Return how long to wait before the next hypothesis."""

    @abstractmethod
    async def hypothesis(self) -> str | None:
        """Hear once more; return the text to add to what is out; None if there is nothing new to hear.

        Raises:
            NotIdleError: The engine has other work.
            SpeechhubError: The engine failed.
        """

    async def finish(self, said: Utterance, deadline: float) -> JoinedTranscript | None:
        """Return the final text, if this knows it without a new transcription.

        Args:
            said: The whole utterance.
            deadline: Until when to wait, by the event loop's clock.

        Raises:
            UnavailableError: The engine is not available in time.
        """
        del said, deadline
        return None

    async def forget(self) -> None:  # noqa: B027  # most engines hold nothing
        """Free what the engine holds for the utterance."""

    def fits(self, said: Utterance) -> bool:
        """Tell whether one call of the engine can carry *said*; only the client's commit makes it longer."""
        longest_s = min(self._job.model.capabilities.longest_input_s or LONGEST_S, LONGEST_S)
        return said.length <= longest_s * said.settings.sample_rate

    def end(self) -> None:
        """Hear no more; what runs goes on to its end: an engine that must stop at once may be killed."""
        self._ended.set()

    def drop(self) -> None:
        """Hear no more, and say nothing more about it."""
        self._dropped = True
        self.end()

    @property
    def over(self) -> bool:
        """Whether nothing runs any more."""
        return self._task.done()

    async def ended(self) -> None:
        """Wait until nothing runs any more."""
        await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Give up what runs, and free what the engine holds for the utterance."""
        self._task.cancel()
        await self.ended()
        await self.forget()

    async def _run(self) -> None:
        try:
            while not await self._ends_within(self.pause_s()):
                await self._once()
        except SpeechhubError as error:
            log.warning("no more partial results of an utterance", error=error.code)
        except Exception:
            log.exception("no more partial results of an utterance")
        if self._dropped:
            await self.forget()

    async def _once(self) -> None:
        tools, count = self._tools, self._tools.count
        if tools.waits() or count.lock.locked() or not tools.runner.is_ready(self._job.model.id):
            self._counted("skipped")
            return
        try:
            async with count.lock:
                delta = await self.hypothesis()
        except NotIdleError:
            self._counted("skipped")
            return
        if delta is not None:
            self._counted("made")
        if delta and not self._dropped:
            tools.emit(TranscriptDelta(self._item.id, delta))

    async def _ends_within(self, pause_s: float) -> bool:
        try:
            async with asyncio.timeout(pause_s):
                await self._ended.wait()
        except TimeoutError:
            pass
        return self._ended.is_set()

    def _counted(self, outcome: Literal["made", "skipped"]) -> None:
        count = self._tools.count
        if outcome == "made":
            count.made += 1
        else:
            count.skipped += 1
        self._tools.metrics.live_partial(outcome)
