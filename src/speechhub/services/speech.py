"""Text to speech: from a text to a stream of encoded audio."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from speechhub.codecs.encode import MAX_RATE, MIN_RATE, OUTPUT_RATE, SpeechFormat
from speechhub.codecs.pipeline import SpeechPipeline
from speechhub.codecs.seams import Pause
from speechhub.domain.language import parse_language
from speechhub.engine import Emotion, EmotionMode, Slot, SynthesizeRequest, TtsCapabilities, Voice
from speechhub.errors import (
    InvalidValueError,
    MissingValueError,
    SpeechTooLongError,
    UnsupportedValueError,
)
from speechhub.errors.excerpt import quoted
from speechhub.lifecycle.placement import Placement
from speechhub.lifecycle.runner import Runner
from speechhub.metrics import Metrics
from speechhub.services.account import Account
from speechhub.services.backlog import Backlog
from speechhub.services.casting import Casting, EmotionWish, Part
from speechhub.services.catalog import Catalog, tts_capabilities
from speechhub.services.deadline import Deadline
from speechhub.services.segmentation import (
    PIECE_CHARS,
    ends_sentence,
    language_of,
    piece_chars,
    split_text,
)
from speechhub.services.speech_stream import SpeechStream
from speechhub.services.spoken import Spoken, has_words
from speechhub.services.voices import VoiceService
from speechhub.turns import Turns

log = structlog.get_logger()

MIN_SPEED, MAX_SPEED = 0.25, 4.0
"""Source: OpenAI's openapi.yaml, CreateSpeechRequest.speed."""
SOON_S: Final = 0.3
"""How much of the speech, in seconds, is encoded and sent before the rest of the engine's first piece.

That piece is a whole sentence, whose MP3 takes 60 ms. Less than this fills no packet of some formats."""
BETWEEN_SENTENCES: Final = Pause(shortest_s=0.15, longest_s=0.7)
"""What a voice makes of the end of a sentence is left alone within these bounds."""
WITHIN_SENTENCE: Final = Pause(shortest_s=0.0, longest_s=0.3)
"""Where a sentence is too long for one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechJob:
    """What a client wants to hear."""

    text: str
    model: str | None = None
    """A model id or alias; None means the default."""
    voice: str | None = None
    """A voice of the model, an alias, one of OpenAI's names, a custom voice, or a clip in base64; None means
    the model's first."""
    format: SpeechFormat
    sample_rate: int | None = None
    """Of the encoded audio, in hertz; `MIN_RATE` to `MAX_RATE`. None means `OUTPUT_RATE`."""
    speed: float = 1.0
    """0.25 to 4."""
    instructions: str | None = None
    emotion: EmotionWish | None = None
    """None leaves it to the voice, or to the instructions."""
    seed: int | None = None
    """0 to `MAX_SEED`; None means chance."""
    silence_interval_ms: int | None = None
    """Pause between sentences, in milliseconds; None leaves it to the voice."""
    timeout_s: float | None = None
    """How long the client will wait; None if it does not say."""
    language: str | None = None
    """Of the text, as a code or an English name; None leaves it to the engine."""


class SpeechService:
    """Speaks texts; one for the life of the server."""

    def __init__(
        self,
        catalog: Catalog,
        runner: Runner,
        voices: VoiceService,
        *,
        max_input_chars: int,
        request_timeout_s: float,
        max_speech_s: float = math.inf,
        account: Account | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._catalog = catalog
        self._casting = Casting(catalog, voices)
        self._cache = voices.cache
        self._pools = voices.pools
        self._runner = runner
        self._max_input_chars = max_input_chars
        self._request_timeout_s = request_timeout_s
        self._max_speech_s = max_speech_s
        self._account = account or Account()
        self._metrics = metrics or Metrics()
        self._turns = Turns()

    async def open(self, job: SpeechJob) -> SpeechStream:
        """Start to speak; return the encoded audio, which flows before synthesis ends.

        When this returns, the first bytes exist: whatever can be refused was refused.

        Raises:
            RequestError: The job is at fault.
            UnavailableError: The engine cannot be had in time.
            EngineError, ModelFilesError: The engine failed before its first audio.
        """
        began = time.perf_counter()
        placement = self._catalog.model(job.model, Slot.TTS)
        job = replace(job, language=parse_language(job.language))
        self._check(job, placement)
        self._casting.check(job.voice, job.emotion, placement)
        backlog = Backlog(self._account.open(), self._pools.disk)
        stream = SpeechStream(backlog, asyncio.create_task(self._produce(job, placement, backlog)))
        try:
            await stream.begin()
        except BaseException:
            await stream.aclose()
            raise
        self._metrics.first_audio(placement.target, time.perf_counter() - began)
        return stream

    def _check(self, job: SpeechJob, placement: Placement) -> None:
        if not job.text.strip():
            raise MissingValueError("input", "It must hold some text to speak.")
        if len(job.text) > self._max_input_chars:
            raise InvalidValueError(
                f"input has {len(job.text)} characters, the limit is {self._max_input_chars}: split it.",
                param="input",
            )
        if not MIN_SPEED <= job.speed <= MAX_SPEED:
            raise InvalidValueError(
                f"speed must be between {MIN_SPEED} and {MAX_SPEED}, not {job.speed:g}.", param="speed"
            )
        if job.sample_rate is not None:
            _check_rate(job.sample_rate, job.format)
        if job.seed is not None and not tts_capabilities(placement).seed:
            raise UnsupportedValueError(
                f"Model {placement.target!r} knows no seed; leave it out.", param="seed"
            )
        languages = placement.model.languages
        if job.language is not None and languages and job.language not in languages:
            raise UnsupportedValueError(
                f"Model {placement.target!r} does not speak {quoted(job.language)}; it speaks: "
                f"{', '.join(languages)}.",
                param="language",
            )

    def _pieces(self, job: SpeechJob, placement: Placement) -> Iterator[str]:
        """Yield the texts that the engine gets, one for each call.

        A text is cut while it is spoken: what a client sends and then leaves is not.
        """
        capabilities, known = tts_capabilities(placement), placement.model.languages
        limit_chars = piece_chars(job.text)
        return split_text(
            job.text,
            language=job.language or language_of(job.text, known),
            limit_chars=min(capabilities.longest_input_chars or limit_chars, limit_chars),
            first_alone=not capabilities.streaming,
            each_alone=job.silence_interval_ms is not None and not capabilities.silence_interval,
        )

    async def _check_pauses(self, job: SpeechJob, placement: Placement) -> None:
        """Refuse a text whose pauses alone are too long, before anything is loaded or spoken for it.

        Raises:
            SpeechTooLongError: They are.
        """
        if job.silence_interval_ms is None:
            return
        pauses = await self._pools.encoding.run(self._pauses, job, placement)
        if pauses * job.silence_interval_ms / 1000 > self._max_speech_s:
            raise SpeechTooLongError(self._max_speech_s, param="silence_interval_ms")

    def _pauses(self, job: SpeechJob, placement: Placement) -> int:
        """Return after how many pieces, but the last, the pause that was asked for comes."""
        ends = [ends_sentence(piece) for piece in self._pieces(job, placement)]
        return sum(ends[:-1])

    def _check_length(self, pipeline: SpeechPipeline) -> None:
        if pipeline.duration_s > self._max_speech_s:
            raise SpeechTooLongError(self._max_speech_s)

    async def voices(self, placement: Placement, *, deadline: float = math.inf) -> Sequence[Voice]:
        """Return a model's voices; loads it where only the engine knows them, unless it clones voices.

        A model that clones needs none of its own: to ask for them must not cost a switch each time.

        Raises:
            UnavailableError, ModelFilesError, EngineError: It cannot be loaded.
        """
        if not await self._runner.voices(placement.target) and not tts_capabilities(placement).cloning:
            await self._runner.switch_to(placement.target, deadline=deadline)
        return await self._runner.voices(placement.target)

    async def _produce(self, job: SpeechJob, placement: Placement, backlog: Backlog) -> float:
        deadline = Deadline.within(job.timeout_s, self._request_timeout_s)
        try:
            async with deadline.kept("The speech"):
                return await self._speak(job, placement, backlog, deadline.at)
        finally:
            backlog.end()

    async def _speak(self, job: SpeechJob, placement: Placement, backlog: Backlog, deadline: float) -> float:
        capabilities = tts_capabilities(placement)
        await self._check_pauses(job, placement)
        await self._turns.take()
        pieces = self._pieces(job, placement)
        opening = list(itertools.islice(pieces, 2))
        part = await self._casting.cast(
            job.voice,
            job.emotion,
            job.instructions,
            own=await self.voices(placement, deadline=deadline),
            placement=placement,
        )
        if part.stored:
            await self._pools.disk.run(self._cache.used, placement.target, part.stored)
        request = _request(job, part, capabilities, alone=len(opening) == 1)
        stretch = 1.0 if capabilities.native_speed else job.speed
        pipeline: SpeechPipeline | None = None
        spoken, pause = Spoken(placement.target), WITHIN_SENTENCE
        for text in itertools.chain(opening, pieces):
            if pipeline is not None:
                pipeline.join(pause)
            pause = _pause_after(text, job.silence_interval_ms)
            one = replace(request, text=text)
            work = self._runner.synthesize(
                placement.target, one, begun=spoken.duration_s > 0, deadline=deadline
            )
            async with aclosing(work) as speech:
                async for audio in speech:
                    spoken.add(audio)
                    if not len(audio.samples):  # not even a header may go out for it
                        continue
                    slices = [audio]
                    if pipeline is None:
                        pipeline = _pipeline(job, audio.sample_rate, stretch)
                        slices = [audio.slice_s(0, SOON_S), audio.slice_s(SOON_S, audio.duration_s)]
                    for piece in slices:
                        await self._send(backlog, partial(pipeline.feed, piece))
                    self._check_length(pipeline)
        pipeline = pipeline or await self._silence(job, spoken, backlog)
        spoken.finish()
        if pipeline is not None:
            await self._send(backlog, pipeline.finish)
        if part.stored:  # the engine may have written something
            await self._pools.disk.run(self._cache.sweep)
        return spoken.duration_s / stretch

    async def _silence(self, job: SpeechJob, spoken: Spoken, backlog: Backlog) -> SpeechPipeline | None:
        """Send a short silence for a text without words; return None for one whose sound the engine owes."""
        if has_words(job.text):
            return None
        silence = spoken.add_silence()
        pipeline = _pipeline(job, silence.sample_rate, 1.0)
        await self._send(backlog, partial(pipeline.feed, silence))
        return pipeline

    async def _send(self, backlog: Backlog, encode: Callable[[], bytes]) -> None:
        """Put what *encode* makes, in a thread, on its way to the listener."""
        await backlog.put(await self._pools.encoding.run(encode))


def _pipeline(job: SpeechJob, sample_rate: int, speed: float) -> SpeechPipeline:
    return SpeechPipeline(
        job.format, sample_rate=sample_rate, speed=speed, output_rate=job.sample_rate or OUTPUT_RATE
    )


def _check_rate(sample_rate: int, speech_format: SpeechFormat) -> None:
    rates = speech_format.sample_rates
    if not MIN_RATE <= sample_rate <= MAX_RATE or (rates and sample_rate not in rates):
        allowed = f"one of {', '.join(map(str, rates))}" if rates else f"from {MIN_RATE} to {MAX_RATE}"
        raise InvalidValueError(
            f"sample_rate must be {allowed} hertz for the format {speech_format.value!r}, not {sample_rate}.",
            param="sample_rate",
        )


def _request(job: SpeechJob, part: Part, capabilities: TtsCapabilities, *, alone: bool) -> SynthesizeRequest:
    """Return what the engine is asked for, with the whole text; what it cannot do is left to the hub.

    Args:
        job: What the client wants.
        part: Who speaks, and how.
        capabilities: What the engine can do.
        alone: Whether the whole text is one call.
    """
    return SynthesizeRequest(
        text=job.text,
        voice=part.voice,
        language=job.language,
        speed=job.speed if capabilities.native_speed else 1.0,
        instructions=part.instructions,
        reference=part.reference,
        emotion=part.emotion if alone else _of_the_whole(part.emotion, job.text),
        seed=job.seed,
        silence_interval_ms=job.silence_interval_ms if capabilities.silence_interval else None,
    )


def _of_the_whole(emotion: Emotion | None, text: str) -> Emotion | None:
    """Have the beginning of a long text tell the emotion of each piece, where the pieces themselves would."""
    if emotion is None or emotion.mode is not EmotionMode.TEXT or emotion.text:
        return emotion
    return replace(emotion, text=text[:PIECE_CHARS])


def _pause_after(text: str, silence_interval_ms: int | None) -> Pause:
    """Return how much silence belongs between a piece of the text and the next one."""
    if not ends_sentence(text):
        return WITHIN_SENTENCE
    if silence_interval_ms is None:
        return BETWEEN_SENTENCES
    return Pause(shortest_s=silence_interval_ms / 1000, longest_s=silence_interval_ms / 1000)
