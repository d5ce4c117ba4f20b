"""Session of live transcription: what a client appends, what is heard in it, and the events of that."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from speechhub.codecs.turns import Started, TurnDetector, TurnRules
from speechhub.errors import BufferTooSmallError, SpeechhubError
from speechhub.runner import Runner
from speechhub.services.account import Account
from speechhub.services.live.events import (
    BufferFull,
    Cleared,
    Committed,
    LiveEvent,
    SpeechStarted,
    SpeechStopped,
)
from speechhub.services.live.feeding import Feeding
from speechhub.services.live.finals import Finals, FinalTools
from speechhub.services.live.item import Item
from speechhub.services.live.partials import LONGEST_S, Partials, PartialTools
from speechhub.services.live.redecoding import Redecoding
from speechhub.services.live.settings import LiveSettings
from speechhub.services.live.speech_buffer import Judged, SpeechBuffer
from speechhub.services.live.utterance import utterance

log = structlog.get_logger()

MIN_COMMIT_MS: Final = 100
"""Shortest audio that a client may commit."""
LONGEST_TURN_MS: Final = round(1000 * LONGEST_S)
"""Longest turn that the server finds, for engines that would take longer ones."""
BUFFER_MS: Final = 600_000
"""Longest audio that waits for the client's commit."""
BEFORE_MS: Final = 1000
"""How much silence is kept beyond the prefix of a turn."""
SLICE_S: Final = 10
"""How much is judged at once, in seconds."""
OWN_BYTES: Final = 4 * 1024**2
"""What each session may hold whether or not there is room: more than any turn that the server finds."""
MOST_EVENTS: Final = 1000
"""How many events may wait for their reader before nothing more is appended, committed and cleared."""
REST_S: Final = 30.0
"""After so long without audio, in seconds, the voice detector is given back."""


class LiveTranscription:
    """One session; one task appends, commits and clears, another one reads the events."""

    def __init__(
        self,
        runner: Runner,
        tools: FinalTools,
        settings: LiveSettings,
        *,
        partial_interval_s: float | None,
        account: Account,
    ) -> None:
        """Begin without audio.

        Args:
            runner: Runs the models.
            tools: What transcripts are made with.
            settings: Checked already.
            partial_interval_s: Shortest time between two partial results; None if there shall be none.
            account: Where long audio is accounted for.
        """
        self._runner = runner
        self._tools = tools
        self._settings = settings
        self._events: asyncio.Queue[LiveEvent | None] = asyncio.Queue()
        self._read = asyncio.Event()
        """An event was read, or the session has ended."""
        self._holding = account.open()
        self._finals = Finals(tools, self._emit, self._free)
        self._partial_tools = PartialTools(
            runner=runner,
            pool=tools.pool,
            metrics=tools.metrics,
            interval_s=partial_interval_s or 0.0,
            emit=self._emit,
            waits=lambda: self._finals,
        )
        self._partials: Partials | None = None
        """Of the open item."""
        self._dropped: set[Partials] = set()
        """Of items that were forgotten, which still run."""
        self._wants_partials = partial_interval_s is not None
        self._buffer = self._new_buffer(0)
        self._open: Item | None = None
        """The item that speech began, and that is not committed."""
        self._turns = self._new_turns()
        self._floor_ms = 0
        """End of what was committed or cleared last."""
        self._previous: str | None = None
        self._presence: asyncio.Task[None] | None = None
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self.audio_s = 0.0
        """How much was appended, in seconds."""
        self.utterances = 0
        """How many items were committed."""

    @property
    def partials_made(self) -> int:
        """How many hypotheses there were while somebody spoke."""
        return self._partial_tools.count.made

    @property
    def partials_skipped(self) -> int:
        """How many there were not, because the engine had other work."""
        return self._partial_tools.count.skipped

    @property
    def now_ms(self) -> int:
        """Milliseconds of audio that were appended since the session began."""
        return self._buffer.now_ms

    @property
    def kept_bytes(self) -> int:
        """Size of the audio that is not committed."""
        return self._buffer.kept_bytes

    def update(self, settings: LiveSettings) -> None:
        """Change the settings, which `LiveService.check` has accepted.

        An item has the settings that hold when it is committed. Another sample rate drops what is not
        committed.
        """
        before, self._settings = self._settings, settings
        if settings.sample_rate != before.sample_rate:
            self._drop()
            self._buffer = self._new_buffer(self.now_ms)
        if self._turns is not None and settings.turns is not None:
            self._turns.rules = self._rules()
        elif settings.turns != before.turns:
            self._turns = self._new_turns()

    async def append(self, pcm16: NDArray[np.int16]) -> None:
        """Take the next samples; wait while ten minutes of speech have no transcript yet.

        They are dropped, and `BufferFull` says so, if the client has to commit first.

        Args:
            pcm16: int16, shape (n_samples,), at the settings' rate; kept, so do not write to it later.
        """
        rate = self._settings.sample_rate
        await self._heeded()
        if self._ended.is_set():
            return
        if self._turns is None and self.now_ms + 1000 * len(pcm16) // rate - self._floor_ms > BUFFER_MS:
            self._emit(BufferFull())
            return
        self.audio_s += len(pcm16) / rate
        self._tools.metrics.live_audio(len(pcm16) / rate)
        self._rest_later()
        for start in range(0, len(pcm16), SLICE_S * rate):
            part = pcm16[start : start + SLICE_S * rate]
            if not await self._room(part.nbytes):
                self._emit(BufferFull())
                return
            if self._ended.is_set():
                return
            self._follow(await self._buffer.append(part if len(part) == len(pcm16) else part.copy()))

    async def commit(self) -> None:
        """Make an item of what was appended since the last one.

        Raises:
            BufferTooSmallError: That is less than 0.1 s.
        """
        await self._heeded()
        self._follow(await self._buffer.append(np.empty(0, np.int16), all_of_it=True))
        length_ms = self.now_ms - self._floor_ms
        if length_ms < MIN_COMMIT_MS:
            raise BufferTooSmallError(length_ms)
        if self._ended.is_set():
            return
        item = self._open or Item(start_ms=max(self._floor_ms, self._buffer.kept_from_ms))
        self._commit(item, self.now_ms)
        if self._turns is not None:
            self._turns.end(self.now_ms)

    async def clear(self) -> None:
        """Forget what is not committed."""
        await self._heeded()
        self._drop()
        self._emit(Cleared())

    async def events(self) -> AsyncIterator[LiveEvent]:
        """Yield the events; they end after `aclose`, and after `drain`."""
        while (event := await self._events.get()) is not None:
            self._read.set()
            yield event

    async def drain(self) -> None:
        """Take no more audio; return when every committed item has its transcript, or its error."""
        self._end()
        await self._finals.settled()
        self._events.put_nowait(None)

    async def aclose(self) -> None:
        """Give up what is not done, and free everything."""
        self._end()
        await asyncio.gather(self._finals.aclose(), *(partials.aclose() for partials in self._dropped))
        if self._presence is not None:
            await asyncio.wait([self._presence])
        self._holding.close()
        self._events.put_nowait(None)

    # ── What is heard ────────────────────────────────────────────────────────

    def _follow(self, judged: Judged) -> None:
        """Do what follows from windows that were judged."""
        if self._ended.is_set():
            return
        if self._turns is None:
            if judged.is_speech:
                self._make_ready()
            return
        self._turns.seek(judged.start_ms)
        for probability in judged.probabilities:
            for turn in self._turns.add(probability):
                if isinstance(turn, Started):
                    self._start(turn.at_ms)
                else:
                    self._stop(turn.at_ms)
        self._buffer.forget(max(self._floor_ms, self._turns.needed_from_ms - BEFORE_MS))

    def _start(self, at_ms: int) -> None:
        self._open = Item(start_ms=at_ms)
        self._emit(SpeechStarted(self._open.id, at_ms))
        self._make_ready()
        if self._wants_partials and self._settings.transcribes:
            self._partials = self._hear(self._open)

    def _stop(self, at_ms: int) -> None:
        if self._open is not None:
            self._emit(SpeechStopped(self._open.id, at_ms))
            self._commit(self._open, at_ms)

    def _commit(self, item: Item, end_ms: int) -> None:
        self._emit(Committed(item.id, self._previous))
        if self._settings.transcribes:
            if self._partials is not None:
                self._partials.end()
            said = utterance(item.id, self._buffer, self._settings, item.start_ms, end_ms)
            self._finals.add(item, said, self._partials)
            self._partials = None
        else:
            self._drop_partials()
        self.utterances += 1
        self._previous, self._open, self._floor_ms = item.id, None, end_ms
        self._buffer.forget(end_ms)

    def _drop_partials(self) -> None:
        if self._partials is not None:
            self._partials.drop()
            self._dropped = {*(it for it in self._dropped if not it.over), self._partials}
        self._partials = None

    def _drop(self) -> None:
        """Forget what is not committed, and what was done for it."""
        self._drop_partials()
        self._open = None
        self._floor_ms = self.now_ms
        self._buffer.clear()
        self._free()
        if self._turns is not None:
            self._turns.end(self.now_ms)
        if self._presence is not None:
            self._presence.cancel()

    def _hear(self, item: Item) -> Partials:
        checked = self._tools.transcription.check(self._settings.job())
        kind = Feeding if checked.model.capabilities.live_sessions else Redecoding
        return kind(self._partial_tools, checked, self._settings, self._buffer, item)

    # ── What it takes ────────────────────────────────────────────────────────

    def _new_buffer(self, start_ms: int) -> SpeechBuffer:
        return SpeechBuffer(self._settings.sample_rate, start_ms=start_ms, pool=self._tools.pool)

    def _new_turns(self) -> TurnDetector | None:
        if self._settings.turns is None:
            return None
        since_ms = self._open.start_ms if self._open is not None else None
        return TurnDetector(self._rules(), now_ms=self.now_ms, speaking_since_ms=since_ms)

    def _rules(self) -> TurnRules:
        turns = self._settings.turns
        assert turns is not None  # noqa: S101  # the callers have looked
        longest_s = self._tools.catalog.stt(self._settings.model).capabilities.longest_input_s
        return TurnRules(
            threshold=turns.threshold,
            prefix_ms=turns.prefix_ms,
            silence_ms=turns.silence_ms,
            longest_ms=min(LONGEST_TURN_MS, round(1000 * longest_s)) if longest_s else LONGEST_TURN_MS,
        )

    async def _room(self, size: int) -> bool:
        """Wait for room for so many bytes; return whether it came, or can come before the next commit."""
        while self._finals.full or not self._holding.room(self._excess(size)):
            if not self._finals:
                return False
            await self._finals.shrunk()
        return True

    def _excess(self, size: int = 0) -> int:
        """Return how many bytes more than accounted for there are with so many more; may be negative."""
        held = self._buffer.kept_bytes + self._finals.waiting_bytes + size - OWN_BYTES
        return max(0, held) - self._holding.held("memory")

    def _free(self) -> None:
        self._holding.free("memory", max(0, -self._excess()))

    async def _heeded(self) -> None:
        """Wait while too many events wait: a client that reads little could have any number made."""
        while self._events.qsize() >= MOST_EVENTS and not self._ended.is_set():
            self._read.clear()
            await self._read.wait()

    def _emit(self, event: LiveEvent) -> None:
        self._events.put_nowait(event)

    def _make_ready(self) -> None:
        """Have the model loaded while somebody speaks; the commit would have it loaded anyway."""
        if not self._settings.transcribes:
            return
        model = self._tools.catalog.stt(self._settings.model).id
        if (self._presence is None or self._presence.done()) and not self._runner.is_ready(model):
            self._presence = asyncio.create_task(self._switch_to(model))

    async def _switch_to(self, model: str) -> None:
        deadline = asyncio.get_running_loop().time() + self._tools.request_timeout_s
        try:
            await self._runner.switch_to(model, deadline=deadline)
        except SpeechhubError as error:
            log.debug("a model is not ready for live speech", model=model, error=error.code)

    def _rest_later(self) -> None:
        """Give the voice detector back when no audio has come for a while, outside a turn."""
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        if self._timer is None:
            self._timer = loop.call_at(self._heard_at + REST_S, self._rest)

    def _rest(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now, due = loop.time(), self._heard_at + REST_S
        if now < due or (self._turns is not None and self._turns.speaking):
            self._timer = loop.call_at(due if now < due else now + REST_S, self._rest)
        else:
            self._buffer.rest()

    def _end(self) -> None:
        """Take no more audio, and free what is not committed."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._read.set()
        self._drop()
        if self._timer is not None:
            self._timer.cancel()
