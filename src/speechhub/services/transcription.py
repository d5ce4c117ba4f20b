"""Speech to text: from an uploaded recording to a transcript."""

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, Final

from speechhub.codecs.tracks import TrackTaken
from speechhub.domain.language import language_name, parse_language
from speechhub.domain.script import is_of_hong_kong, parse_script
from speechhub.engine import Audio, Task, TranscribeRequest, Transcript
from speechhub.errors import InvalidLanguageError, InvalidValueError, UnsupportedValueError
from speechhub.pools import Pools
from speechhub.runner import Runner
from speechhub.services.catalog import Catalog
from speechhub.services.chinese import LANGUAGES, Convert, Scripts, convert_transcript
from speechhub.services.deadline import Deadline
from speechhub.services.longform import Longform, PassageOptions
from speechhub.services.models import SttModel
from speechhub.services.passages import DecodingPlaces, Passages
from speechhub.services.prefetched import MemoryBuffer, PrefetchedStream
from speechhub.services.transcript_join import JoinedTranscript

WHAT: Final = "The transcription"
DETECTION_S: Final = 30.0
"""Longest passage, in seconds, in which a language is looked for; Whisper hears as much at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionJob:
    """What a client asks for, beside the recording itself."""

    model: str | None = None
    """A model id or alias; None means the default."""
    task: Task = Task.TRANSCRIBE
    language: str | None = None
    """ISO code, region and case ignored, or English name; None, empty or ``auto`` means detect it."""
    languages: tuple[str, ...] = ()
    """Languages that may be spoken, written like `language`, where that names none; empty means any."""
    prompt: str | None = None
    hotwords: tuple[str, ...] = ()
    temperature: float | None = None
    """0 to 1."""
    segments: bool = False
    """Whether the answer cannot do without segment times."""
    words: bool = False
    """Whether the answer cannot do without word times."""
    words_if_possible: bool = False
    """Whether word times make the answer better, as they do subtitles."""
    speakers: bool = False
    """Whether the answer must tell who speaks."""
    logprobs: bool = False
    """Whether the answer must have the probability of each token."""
    audio_track: str | None = None
    """Which of the recording's audio tracks: a number, counted from 1, or a language; None, empty or ``auto``
    leaves the choice to the recording."""
    on_track: Callable[[TrackTaken], None] | None = None
    """Told which track is heard, of a recording that has several."""
    timeout_s: float | None = None
    """How long the client will wait; None if it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedJob:
    """A job that its model can do, and what engines are asked for it."""

    model: SttModel
    options: PassageOptions
    language: str | None
    """Code of the language that is spoken; None if it is not known."""
    languages: tuple[str, ...]
    """Codes of those that may be spoken; empty means any."""
    script: Callable[[], Awaitable[Convert]] | None
    """Gives what writes Chinese in the script that was asked for; None leaves the engine's."""

    def request(self, audio: Audio, *, before: str = "") -> TranscribeRequest:
        """Return the request for audio that one call can carry.

        Args:
            audio: At the model's rate.
            before: Text that was said before it, for models that take it as a prompt.
        """
        options = self.options
        if before and self.model.capabilities.prompt:
            options = replace(options, prompt=f"{options.prompt or ''} {before}".strip())
        return options.request(audio, self.language, () if self.language else self.languages)

    async def written(self, transcript: Transcript) -> Transcript:
        """Return a transcript in the script that was asked for."""
        if self.script is None or (transcript.language or self.language) not in LANGUAGES:
            return transcript
        return convert_transcript(transcript, await self.script())


class TranscriptStream(PrefetchedStream[str | JoinedTranscript]):
    """Pieces of text, which join to the transcript's text exactly, and at last the transcript.

    All of it may wait in memory: it is no more text than one recording has.
    """

    def __init__(self, work: Longform, limit: AbstractAsyncContextManager[object]) -> None:
        """Start the work, within *limit*."""
        events: MemoryBuffer[str | JoinedTranscript] = MemoryBuffer()
        super().__init__(events, partial(self._transcribe, events, limit), what="transcript")
        self._work = work

    @property
    def done_s(self) -> float:
        """How much of the recording is transcribed, in seconds."""
        return self._work.done_s

    async def _transcribe(
        self, events: MemoryBuffer[str | JoinedTranscript], limit: AbstractAsyncContextManager[object]
    ) -> None:
        async with limit, aclosing(self._work.events(live=True)) as made:
            async for event in made:
                events.put(event)


class TranscriptionService:
    """Transcribes recordings; one for the life of the server."""

    def __init__(
        self,
        catalog: Catalog,
        runner: Runner,
        *,
        max_audio_s: float,
        request_timeout_s: float,
        pools: Pools | None = None,
    ) -> None:
        self._catalog = catalog
        self._runner = runner
        self._max_audio_s = max_audio_s
        self._request_timeout_s = request_timeout_s
        pools = pools or Pools()
        self._decoding = DecodingPlaces(pools.decoding)
        self._scripts = Scripts(pools.files)

    def check(self, job: TranscriptionJob) -> CheckedJob:
        """Check what can be checked without a recording; return what follows for the engine.

        Raises:
            RequestError: The job is at fault.
        """
        model = self._catalog.stt(job.model)
        tags = (job.language,) if job.language else job.languages
        script = next(filter(None, map(parse_script, tags)), None)
        return CheckedJob(
            model=model,
            options=self._check(job, model),
            language=_named(job, model),
            languages=_allowed(job, model),
            script=partial(self._scripts.get, script) if script is not None else None,
        )

    async def transcribe(self, recording: BinaryIO, job: TranscriptionJob) -> JoinedTranscript:
        """Transcribe, or translate, one recording.

        Args:
            recording: Seekable file with audio in any allowed container; left open.
            job: How to transcribe it.

        Raises:
            RequestError: The recording or the job is at fault.
            UnavailableError: The engine is not available in time.
            EngineError, ModelFilesError: The engine failed.
        """
        deadline = Deadline.within(job.timeout_s, self._request_timeout_s)
        work = self._work(recording, job, deadline)
        async with deadline.kept(WHAT), aclosing(work.events(live=False)) as events:
            async for event in events:
                if isinstance(event, JoinedTranscript):
                    _check_words(event, job, self._catalog.stt(job.model))
                    return event
        raise AssertionError("unreachable")

    async def detect_language(self, recording: BinaryIO, job: TranscriptionJob) -> str:
        """Return the code of the language that is spoken, from the first passage that tells it.

        The rest of the recording is not even decoded.

        Args:
            recording: As for `transcribe`.
            job: Which model to use, and for how long; a language in it is ignored.

        Raises:
            RequestError: The recording is at fault or has no speech, or the model cannot detect languages.
            UnavailableError, EngineError, ModelFilesError: As for `transcribe`.
        """
        model = self._catalog.stt(job.model)
        if not model.capabilities.language_detection:
            raise UnsupportedValueError(
                f"Model {model.id!r} cannot detect languages. Name the language instead, or have "
                "the operator choose another default model for speech to text."
            )
        deadline = Deadline.within(job.timeout_s, self._request_timeout_s)
        work = self._work(
            recording, replace(job, language=None, languages=()), deadline, longest_s=DETECTION_S
        )
        async with deadline.kept("The detection"), aclosing(work.events(live=False)) as events:
            async for event in events:
                found = event.language if isinstance(event, JoinedTranscript) else work.language
                if found:
                    return found
        raise InvalidValueError(
            "No language was detected: the recording contains no speech. Send another part of it.",
            param="file",
        )

    async def stream(self, recording: BinaryIO, job: TranscriptionJob) -> TranscriptStream:
        """Start to transcribe; return pieces of text as they become final, and the transcript after them.

        When this returns, the first of them exists: whatever can be refused was refused. A recording that is
        damaged, or too long, further on can still break the stream.

        Args:
            recording: As for `transcribe`; to be left alone until the stream is closed.
            job: How to transcribe it.

        Raises:
            RequestError, UnavailableError, EngineError, ModelFilesError: As for `transcribe`.
        """
        deadline = Deadline.within(job.timeout_s, self._request_timeout_s)
        return await TranscriptStream(self._work(recording, job, deadline), deadline.kept(WHAT)).opened()

    def _work(
        self,
        recording: BinaryIO,
        job: TranscriptionJob,
        deadline: Deadline,
        *,
        longest_s: float = math.inf,
    ) -> Longform:
        checked = self.check(job)
        capabilities = checked.model.capabilities
        passages = Passages(
            recording,
            sample_rate=capabilities.sample_rate,
            longest_s=min(capabilities.longest_input_s or math.inf, longest_s),
            max_audio_s=self._max_audio_s,
            places=self._decoding,
            audio_track=job.audio_track,
            on_track=job.on_track,
        )
        return Longform(
            passages,
            self._runner,
            checked.model,
            checked.options,
            language=checked.language,
            languages=checked.languages,
            script=checked.script,
            deadline=deadline.at,
        )

    def _check(self, job: TranscriptionJob, model: SttModel) -> PassageOptions:
        """Check the job against what the model can do; return what every passage is asked for."""
        capabilities = model.capabilities
        if job.task is Task.TRANSLATE and not capabilities.translation:
            raise UnsupportedValueError(f"Model {model.id!r} cannot translate.", param="model")
        if job.segments and not capabilities.segment_timestamps:
            raise UnsupportedValueError(
                f"Model {model.id!r} has no timestamps; choose a format without them, such as plain text.",
                param="response_format",
            )
        language = _named(job, model)
        obstacle = self._obstacle_to_words(model, language)
        if job.words and obstacle:
            raise UnsupportedValueError(obstacle, param="timestamp_granularities")
        if job.speakers and not capabilities.diarization:
            raise UnsupportedValueError(
                f"response_format 'diarized_json' is not compatible with model {model.id!r}.",
                param="response_format",
            )
        if job.logprobs:
            raise UnsupportedValueError(
                f"Model {model.id!r} does not return log probabilities; omit `include`.", param="include"
            )
        if language is not None and model.languages and language not in model.languages:
            raise InvalidValueError(
                f"Model {model.id!r} does not support {language_name(language)}; it supports: "
                f"{', '.join(model.languages)}.",
                param="language",
            )
        return PassageOptions(
            task=job.task,
            prompt=job.prompt if capabilities.prompt else None,
            hotwords=job.hotwords if capabilities.hotwords else (),
            temperature=job.temperature if capabilities.temperature else None,
            word_timestamps=(job.words or job.words_if_possible) and not obstacle,
        )

    def _obstacle_to_words(self, model: SttModel, language: str | None) -> str:
        """Say why words cannot have times; nothing if they can."""
        capabilities = model.capabilities
        if not capabilities.word_timestamps:
            return f"Model {model.id!r} has no word timestamps."
        if part := self._catalog.lacks(model.placement).get("word_timestamps"):
            return (
                f"Model {model.id!r} has no word timestamps without its part {part.name!r}: "
                f"speechhub models pull {model.id} --with {part.name}"
            )
        if language and capabilities.word_languages and language not in capabilities.word_languages:
            return (
                f"Model {model.id!r} has no word timestamps in {language_name(language)}; it has them in: "
                f"{', '.join(capabilities.word_languages)}."
            )
        return ""


def _named(job: TranscriptionJob, model: SttModel) -> str | None:
    """Return the code of the language that a job names; None if it names none.

    Raises:
        InvalidLanguageError: It names something that is not a language.
    """
    code = parse_language(job.language)
    if code == "zh" and is_of_hong_kong(job.language) and "yue" in model.languages:
        return "yue"
    return code


def _allowed(job: TranscriptionJob, model: SttModel) -> tuple[str, ...]:
    """Return the codes of the languages that may be spoken, those that the model knows.

    Raises:
        InvalidLanguageError: One of the names is not a language.
    """
    try:
        codes = dict.fromkeys(code for name in job.languages if (code := parse_language(name)))
    except InvalidLanguageError as error:
        error.param = "languages"
        raise
    known = model.languages
    return tuple(code for code in codes if not known or code in known)


def _check_words(transcript: Transcript, job: TranscriptionJob, model: SttModel) -> None:
    """Check that words that must have times have them; only the model can tell their language.

    Raises:
        UnsupportedValueError: There are words, and none has times.
    """
    said = any(map(str.isalnum, transcript.text))
    if not job.words or not said or any(segment.words for segment in transcript.segments):
        return
    named = f", which is in {language_name(transcript.language)}" if transcript.language else ""
    message = f"Model {model.id!r} found no word timestamps for this recording{named}."
    if any(part.enables == "word_timestamps" for part in model.placement.model.parts):
        message += (
            " If its part was added while it was loaded, load it again: POST /v1/engines/unload, and repeat."
        )
    raise UnsupportedValueError(message, param="timestamp_granularities")
