"""Transcribes one recording, of whatever length, passage by passage."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

import structlog

from speechhub.codecs.passages import Passage
from speechhub.engine import SttCapabilities, TranscribeRequest, Transcript
from speechhub.errors import EngineOutOfMemoryError
from speechhub.lifecycle.placement import Placement
from speechhub.lifecycle.runner import Runner
from speechhub.services.catalog import stt_capabilities
from speechhub.services.joining import JoinedTranscript, Joiner
from speechhub.services.reading import Reading

log = structlog.get_logger()

CERTAIN_S: Final = 3.0
"""A passage of this length, in seconds, tells the language for the rest; a shorter one may be a cough."""

RequestMaker = Callable[..., TranscribeRequest]
"""Takes ``audio`` and ``language``; everything else is decided. A prompt goes with every passage: engines
know nothing of earlier passages, and its words can occur in each."""


class Longform:
    """The work for one recording; lives as long as its request.

    Every call of the engine has its own lease, so that others get their turn in between. Until the language
    is certain, passages go one by one; then as many together as the engine takes.
    """

    def __init__(
        self,
        reading: Reading,
        runner: Runner,
        placement: Placement,
        request: RequestMaker,
        *,
        language: str | None,
        deadline: float,
    ) -> None:
        self._reading = reading
        self._deadline = deadline
        self._runner = runner
        self._model = placement.target
        self._capabilities: SttCapabilities = stt_capabilities(placement)
        self._languages = placement.model.languages
        self._request = request
        self._language = language
        self._most = self._capabilities.max_batch
        self._joiner = Joiner()
        self.done_s = 0.0
        """How much of the recording is transcribed, in seconds."""

    @property
    def language(self) -> str | None:
        """The language of the recording, as soon as it is certain."""
        return self._language

    async def events(self, *, live: bool) -> AsyncGenerator[str | JoinedTranscript, None]:
        """Yield pieces of text as they become final, which join to the whole; then the transcript.

        Args:
            live: Whether to get text out of the engine before a passage is done, if it can do that; this
                way it takes one passage at a time.

        Raises:
            AudioError: The recording is at fault.
            InvalidValueError: The engine refuses a value.
            UnavailableError, EngineError, ModelFilesError: As the runner does.
        """
        live = live and self._capabilities.streaming
        async with aclosing(self._reading):
            while passages := await self._take(live=live):
                work = self._streamed(passages[0]) if live else self._together(passages)
                del passages  # or this audio would stay until the next is there
                async with aclosing(work) as deltas:
                    async for delta in deltas:
                        if delta:
                            yield delta
            self.done_s = self._reading.duration_s
            warnings = self._reading.warnings
            if warnings:
                log.warning("recording is damaged", model=self._model, warnings=warnings)
            yield self._joiner.finish(
                duration_s=self._reading.duration_s, language=self._language, warnings=warnings
            )

    async def _take(self, *, live: bool) -> list[Passage]:
        if live:
            return await self._reading.take(1, ahead=1)
        uncertain = self._language is None and self._capabilities.language_detection
        return await self._reading.take(1 if uncertain else self._most, ahead=self._most)

    async def _streamed(self, passage: Passage) -> AsyncGenerator[str, None]:
        work = self._runner.stream(
            self._model, self._request_for(passage), begun=self.done_s > 0, deadline=self._deadline
        )
        async with aclosing(work) as pieces:
            async for piece in pieces:
                if isinstance(piece, Transcript):
                    yield self._add(piece, passage)
                else:
                    yield self._joiner.feed(piece)

    async def _together(self, passages: Sequence[Passage]) -> AsyncGenerator[str, None]:
        transcripts = await self._transcribe(passages)
        for passage, transcript in zip(passages, transcripts, strict=True):
            yield self._add(transcript, passage)

    async def _transcribe(self, passages: Sequence[Passage]) -> list[Transcript]:
        """Transcribe passages in one call; in several where they do not fit together."""
        transcripts: list[Transcript] = []
        while len(transcripts) < len(passages):
            part = passages[len(transcripts) :][: self._most]
            try:
                transcripts += await self._runner.transcribe(
                    self._model,
                    [self._request_for(passage) for passage in part],
                    begun=self.done_s > 0,
                    deadline=self._deadline,
                    on_progress=partial(self._report, part),
                )
            except EngineOutOfMemoryError:
                if len(part) == 1:
                    raise
                self._most = len(part) // 2
                log.warning(
                    "batch does not fit, going on with smaller ones", model=self._model, size=self._most
                )
        return transcripts

    def _request_for(self, passage: Passage) -> TranscribeRequest:
        return self._request(audio=passage.audio, language=self._language)

    def _report(self, passages: Sequence[Passage], fraction: float) -> None:
        first, last = passages[0], passages[-1]
        length_s = last.start_s + last.audio.duration_s - first.start_s
        self.done_s = max(self.done_s, first.start_s + fraction * length_s)

    def _add(self, transcript: Transcript, passage: Passage) -> str:
        delta = self._joiner.add(transcript, passage.start_s)
        self._report([passage], 1.0)
        found, certain = transcript.language, passage.audio.duration_s >= CERTAIN_S and transcript.text
        if self._language is None and certain and (not self._languages or found in self._languages):
            self._language = found
        return delta
