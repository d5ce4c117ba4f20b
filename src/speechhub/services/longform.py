"""Transcribes one recording, of whatever length, passage by passage."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import structlog

from speechhub.codecs.passages import Passage
from speechhub.engine import Audio, Task, TranscribeRequest, Transcript
from speechhub.errors import EngineOutOfMemoryError
from speechhub.runner import Runner
from speechhub.services.chinese import LANGUAGES, Convert, ScriptedDeltas, convert_transcript
from speechhub.services.models import SttModel
from speechhub.services.passages import Passages
from speechhub.services.recording_languages import HeardPassage, RecordingLanguages
from speechhub.services.transcript_join import JoinedTranscript, Joiner

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageOptions:
    """What is asked for alike of every passage of a recording, as far as the model can do it."""

    task: Task
    prompt: str | None
    """Goes with every passage: engines know nothing of earlier passages, and its words can occur in each."""
    hotwords: tuple[str, ...]
    temperature: float | None
    word_timestamps: bool

    def request(self, audio: Audio, language: str | None, languages: tuple[str, ...]) -> TranscribeRequest:
        """Return the request for one passage; the arguments are those of `TranscribeRequest`."""
        return TranscribeRequest(
            audio=audio,
            task=self.task,
            language=language,
            languages=languages,
            prompt=self.prompt,
            hotwords=self.hotwords,
            temperature=self.temperature,
            word_timestamps=self.word_timestamps,
        )


class Longform:
    """The work for one recording; lives as long as its request.

    Every call of the engine has its own lease, so that others get their turn in between. Until the language
    is certain, passages go one by one; then as many together as the engine takes.

    A passage whose language is doubtful is transcribed once more: see `RecordingLanguages`.
    """

    def __init__(
        self,
        passages: Passages,
        runner: Runner,
        model: SttModel,
        options: PassageOptions,
        *,
        language: str | None,
        languages: Sequence[str] = (),
        script: Callable[[], Awaitable[Convert]] | None = None,
        deadline: float,
    ) -> None:
        self._passages = passages
        self._deadline = deadline
        self._runner = runner
        self._model = model.id
        self._capabilities = model.capabilities
        self._options = options
        self._languages = RecordingLanguages(
            named=language,
            allowed=languages,
            known=model.languages,
            each_passage=self._capabilities.detects_per_passage,
        )
        self._script = script
        self._convert: Convert | None = None
        """Writes Chinese in the script that was asked for; None leaves the engine's."""
        self._before: HeardPassage | None = None
        """What was heard in the last passage that is done."""
        self._doubtful: tuple[Passage, HeardPassage] | None = None
        """A passage that is done as soon as the next one is heard."""
        self._most = self._capabilities.max_batch
        self._joiner = Joiner()
        self.done_s = 0.0
        """How much of the recording is transcribed, in seconds."""

    @property
    def language(self) -> str | None:
        """The language of the recording, as soon as it is certain."""
        return self._languages.prevailing

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
        # What was sent cannot be taken back, and a language that may not be spoken is decoded again.
        live = live and self._capabilities.streaming and not self._languages.allowed
        async with aclosing(self._passages):
            self._convert = await self._script() if self._script is not None else None
            while passages := await self._take(live=live):
                if self._capabilities.invents_words and not await self._passages.may_be_speech(passages[0]):
                    continue  # it is the whole recording
                work = self._streamed(passages[0]) if live else self._together(passages)
                del passages  # or this audio would stay until the next is there
                async with aclosing(work) as deltas:
                    async for delta in deltas:
                        if delta:
                            yield delta
            if self._doubtful is not None:  # the last one
                yield self._add(*self._doubtful)
            self.done_s = self._passages.duration_s
            warnings = self._passages.warnings
            if warnings:
                log.warning("recording is damaged", model=self._model, warnings=warnings)
            yield self._joiner.finish(
                duration_s=self._passages.duration_s,
                language=self._languages.prevailing,
                languages=self._languages.all,
                warnings=warnings,
            )

    async def _take(self, *, live: bool) -> list[Passage]:
        if live:
            return await self._passages.take(1, ahead=1)
        uncertain = self._languages.prevailing is None and self._capabilities.language_detection
        return await self._passages.take(1 if uncertain else self._most, ahead=self._most)

    async def _streamed(self, passage: Passage) -> AsyncGenerator[str, None]:
        asked = self._languages.to_ask(passage.audio.duration_s)
        work = self._runner.stream(
            self._model, self._request_for(passage, asked), begun=self.done_s > 0, deadline=self._deadline
        )
        scripted = ScriptedDeltas(self._convert) if self._convert else None
        async with aclosing(work) as pieces:
            async for piece in pieces:
                if isinstance(piece, Transcript):
                    yield self._add(passage, self._found(passage, piece, asked))
                else:
                    yield self._joiner.feed(scripted.feed(piece) if scripted else piece)

    async def _together(self, passages: Sequence[Passage]) -> AsyncGenerator[str, None]:
        asked = [self._languages.to_ask(passage.audio.duration_s) for passage in passages]
        transcripts = await self._transcribe(passages, asked)
        for passage, transcript, language in zip(passages, transcripts, asked, strict=True):
            found = self._found(passage, transcript, language)
            if self._doubtful is not None:
                doubtful, self._doubtful = self._doubtful, None
                yield self._add(doubtful[0], await self._improved(*doubtful, after=found))
            found = await self._improved(passage, found, after=None)
            if self._languages.waits(found, self._before):
                self._doubtful = passage, found
            else:
                yield self._add(passage, found)

    async def _improved(
        self, passage: Passage, found: HeardPassage, *, after: HeardPassage | None
    ) -> HeardPassage:
        """Return what is heard in a passage: if that is doubtful, in another language."""
        language = self._languages.better(found, self._before, after)
        if language is None:
            return found
        [transcript] = await self._transcribe([passage], [language])
        return self._found(passage, transcript, language)

    async def _transcribe(
        self, passages: Sequence[Passage], languages: Sequence[str | None]
    ) -> list[Transcript]:
        """Transcribe passages in one call; in several where they do not fit together."""
        transcripts: list[Transcript] = []
        while len(transcripts) < len(passages):
            part = passages[len(transcripts) :][: self._most]
            asked = languages[len(transcripts) :][: self._most]
            try:
                transcripts += await self._runner.transcribe(
                    self._model,
                    list(map(self._request_for, part, asked)),
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

    def _request_for(self, passage: Passage, language: str | None) -> TranscribeRequest:
        allowed = () if language else self._languages.allowed
        return self._options.request(passage.audio, language, allowed)

    def _found(self, passage: Passage, transcript: Transcript, asked: str | None) -> HeardPassage:
        if self._convert is not None and (transcript.language or asked) in LANGUAGES:
            transcript = convert_transcript(transcript, self._convert)
        return HeardPassage(transcript=transcript, length_s=passage.audio.duration_s, asked=asked)

    def _report(self, passages: Sequence[Passage], fraction: float) -> None:
        first, last = passages[0], passages[-1]
        length_s = last.start_s + last.audio.duration_s - first.start_s
        self.done_s = max(self.done_s, first.start_s + fraction * length_s)

    def _add(self, passage: Passage, found: HeardPassage) -> str:
        delta = self._joiner.add(found.transcript, passage.start_s)
        self._report([passage], 1.0)
        self._languages.heard(found)
        self._before = found
        return delta
