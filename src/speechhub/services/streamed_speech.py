"""Speech from a text that is still being written: text comes in parts, sound leaves sentence by sentence."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from speechhub.engine import Voice
from speechhub.services.deadline import Deadline
from speechhub.services.models import TtsModel
from speechhub.services.pieces import TextPiece
from speechhub.services.prefetched import PrefetchedStream
from speechhub.services.speaker import Speaker
from speechhub.services.speaking import Speaking
from speechhub.services.speech import SpeechService
from speechhub.services.speech_job import SpeechJob
from speechhub.services.text_rules import TextRules
from speechhub.services.text_source import Boundary, TextSource
from speechhub.services.written_text import WrittenText
from speechhub.speakable import Normalization, has_words

PATIENCE_S: Final = 0.5
"""How long after the end of a sentence its successor is waited for, in seconds."""
QUICK_CHARS: Final = 100
"""Longest text that is read on the event loop: within some milliseconds, whatever its markup. A list of 400
characters takes up to 100."""

T = TypeVar("T")
FoundSpeaker = tuple[Sequence[Voice], Speaker]
"""The model's own voices, and the one that speaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenSentence:
    """A stretch of a speech, as its listener hears it."""

    text: str
    start_s: float
    end_s: float
    """In seconds since the speech began; the silence of joins belongs to what follows."""


class StreamedSpeech(PrefetchedStream[bytes]):
    """One speech: write text, iterate encoded audio; close it when the listener leaves.

    At most one sentence is spoken ahead of what the listener has taken.
    """

    def __init__(
        self, service: SpeechService, job: SpeechJob, model: TtsModel, speaker: FoundSpeaker | None
    ) -> None:
        """Begin without text; the *job* is checked, the *speaker* found unless that takes a loaded model."""
        self.sentences: list[SpokenSentence] = []
        """What was spoken so far."""
        self._service = service
        self._job = job
        self._model = model
        self._found = speaker
        self._backlog = service.backlog()
        self._source = TextSource()
        self._wrote_at: float | None = None
        self._heard = False
        super().__init__(self._backlog, self._fill, what="streamed speech")

    @property
    def lines(self) -> list[str]:
        """What was spoken so far, sentence by sentence."""
        return [sentence.text for sentence in self.sentences]

    async def write(self, text: str) -> None:
        """Add what comes next; waits while too much waits. After the end, or a failure, it is dropped."""
        if self._wrote_at is None and text:
            self._wrote_at = time.perf_counter()
        await self._source.write(text)

    def flush(self) -> None:
        """Have all that was written be spoken now, whole sentence or not."""
        self._source.flush()

    def end(self) -> None:
        """Say that no more text comes."""
        self._source.end()

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async for data in super().__aiter__():
            if not self._heard and self._wrote_at is not None:
                self._heard = True
                self._service.metrics.first_audio(self._model.id, time.perf_counter() - self._wrote_at)
            yield data

    async def aclose(self) -> None:
        """Stop at once; return when the engine's call is over or abandoned."""
        self._source.close()
        await super().aclose()

    async def _fill(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                await self._speak(stack)
        finally:
            self._source.close()

    async def _speak(self, stack: AsyncExitStack) -> None:
        await self._source.wait()
        deadline = self._deadline()
        async with deadline.kept("The speech"):
            own, speaker = self._found or await self._service.find_speaker(
                self._job, self._model, deadline=deadline.at
            )
        rules = self._service.rules(self._job, self._model)
        text = written(rules, rules.words_in(own, speaker.voice))
        speaking: Speaking | None = None
        ends = [0, 0]
        """Where the bytes of the last two sentences end."""
        async with aclosing(self._pieces(text, lambda: speaking)) as pieces:
            async for piece in pieces:
                await self._backlog.taken(ends[0])
                speaking = speaking or await self._begun(stack, speaker, piece.text)
                await self._say(speaking, piece)
                ends = [ends[1], self._backlog.put_bytes]
        if speaking is None and self._source.has_text:
            speaking = await self._begun(stack, speaker, "")
        if speaking is not None:
            await speaking.finish(has_words=any(map(has_words, self.lines)))

    async def _begun(self, stack: AsyncExitStack, speaker: Speaker, opening: str) -> Speaking:
        job = replace(self._job, text=opening)  # it sets the mood
        return await stack.enter_async_context(
            self._service.speaking(job, self._model, speaker, self._backlog, alone=False)
        )

    async def _say(self, speaking: Speaking, piece: TextPiece) -> None:
        await self._service.turns.take()
        start_s, deadline = speaking.delivered_s, self._deadline()
        async with deadline.kept("The speech"):
            await speaking.say(piece, deadline=deadline.at)
        if piece.text:
            self.sentences.append(
                SpokenSentence(text=piece.text, start_s=start_s, end_s=speaking.delivered_s)
            )

    def _deadline(self) -> Deadline:
        """Return the deadline of one sentence: the time that a client takes to write does not count."""
        return Deadline.within(self._job.timeout_s, self._service.request_timeout_s)

    async def _pieces(
        self, text: WrittenText, speaking: Callable[[], Speaking | None]
    ) -> AsyncGenerator[TextPiece, None]:
        """Yield the sentences of *text* while it is written."""
        while True:
            for piece in await self._read(text, text.ready):
                yield piece
            if (part := self._source.next()) is None:
                if (late := speaking()) is not None:
                    await late.settle()
                patience_s = PATIENCE_S if await self._read(text, text.ends) else None
                if not await self._source.wait(patience_s):
                    part = Boundary.FLUSH
            if isinstance(part, str):
                text.write(part)
            elif part is not None:
                for piece in await self._read(text, partial(text.rest, at_end=part is Boundary.END)):
                    yield piece
            if part is Boundary.END:
                return

    async def _read(self, text: WrittenText, what: Callable[[], T]) -> T:
        if text.waiting_chars <= QUICK_CHARS:
            return what()
        return await self._service.pools.encoding.run(what)


class StreamedSpeechService:
    """Speaks texts while they are written; one for the life of the server."""

    def __init__(self, speech: SpeechService) -> None:
        self._speech = speech

    async def open(self, job: SpeechJob) -> StreamedSpeech:
        """Begin a speech; its text, and not that of *job*, is what is written to it.

        Raises:
            RequestError: The job is at fault.
        """
        job, model = self._speech.admitted(job)
        known = model.capabilities.cloning or await self._speech.known_voices(model)
        speaker = await self._speech.find_speaker(job, model) if known else None
        return StreamedSpeech(self._speech, job, model, speaker)


def written(rules: TextRules, words_in: str | None) -> WrittenText:
    """Return a text that is read by *rules*, with numbers and the like in words of a language."""

    def read(text: str) -> list[TextPiece]:
        lines = rules.lines(text)
        if words_in is not None:
            lines = rules.worded(lines, words_in)
        return list(rules.pieces(text, lines, each_alone=True))

    return WrittenText(read, has_markup=rules.mode is not Normalization.NONE)
