"""Text to speech: from a text to a stream of encoded audio."""

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Self

import structlog

from speechhub.codecs.encode import MAX_RATE, MIN_RATE, SpeechFormat
from speechhub.domain.language import parse_language
from speechhub.engine import Emotion, EmotionMode, SynthesizeRequest, TtsCapabilities, Voice
from speechhub.errors import (
    InvalidValueError,
    MissingValueError,
    SpeechTooLongError,
    UnsupportedValueError,
)
from speechhub.errors.excerpt import quoted
from speechhub.metrics import Metrics
from speechhub.runner import Runner
from speechhub.services.account import Account
from speechhub.services.backlog import Backlog
from speechhub.services.catalog import Catalog
from speechhub.services.deadline import Deadline
from speechhub.services.delivery import Delivery
from speechhub.services.models import TtsModel
from speechhub.services.pieces import TextPiece
from speechhub.services.prefetched import PrefetchedStream
from speechhub.services.segmentation import PIECE_CHARS
from speechhub.services.speaker import EmotionWish, Speaker, Speakers
from speechhub.services.spoken import Spoken
from speechhub.services.spoken_text import SpokenText
from speechhub.services.voices import VoiceService
from speechhub.speakable import Normalization
from speechhub.turns import Turns

log = structlog.get_logger()

MIN_SPEED, MAX_SPEED = 0.25, 4.0
"""Source: OpenAI's openapi.yaml, CreateSpeechRequest.speed."""
SHORT_CHARS: Final = 200
"""Longest text whose speech, some 13 s, is a WAV within 15 ms and FLAC within 45; MP3 takes half a second."""


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
    text_normalization: Normalization | None = None
    """What is taken for markup in the text; None is the server's setting."""
    whole: bool | None = None
    """Whether the first byte waits for the last, so that headers tell the length; None means where that
    costs no time."""


class SpeechStream(PrefetchedStream[bytes]):
    """Encoded speech on its way to one listener.

    At most the speech of one answer waits here, and all but a little of it in a file.
    """

    def __init__(self, backlog: Backlog, produce: Callable[[Self], Awaitable[None]]) -> None:
        """Start *produce*, which fills *backlog*, `lines` and `spoken_s`."""
        self.lines: list[str] = []
        """The text that is spoken, line by line; set before the first bytes are ready."""
        self.spoken_s = 0.0
        """Length of the speech, in seconds, once the stream has ended."""
        super().__init__(backlog, partial(produce, self), what="speech")
        self._backlog = backlog

    @property
    def text(self) -> str:
        """What is said; known once the stream has begun."""
        return "\n".join(self.lines)

    @property
    def size_bytes(self) -> int | None:
        """How many bytes the speech has, where all of it was there before the first could be read."""
        return self._backlog.whole_bytes


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
        text_normalization: Normalization = Normalization.AUTO,
        account: Account | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._catalog = catalog
        self._speakers = Speakers(catalog, voices)
        self._cache = voices.cache
        self._pools = voices.pools
        self._runner = runner
        self._max_input_chars = max_input_chars
        self._request_timeout_s = request_timeout_s
        self._max_speech_s = max_speech_s
        self._normalization = text_normalization
        self._account = account or Account()
        self._metrics = metrics or Metrics()
        self._turns = Turns()

    async def open(self, job: SpeechJob) -> SpeechStream:
        """Start to speak; return the encoded audio, which flows before synthesis ends.

        When this returns, the first bytes exist: whatever can be refused was refused.

        Raises:
            RequestError: The job is at fault.
            UnavailableError: The engine is not available in time.
            EngineError, ModelFilesError: The engine failed before its first audio.
        """
        began = time.perf_counter()
        model = self._catalog.tts(job.model)
        job = replace(job, language=parse_language(job.language))
        self._check(job, model)
        self._speakers.check(job.voice, job.emotion, model)
        backlog = Backlog(self._account.open(), self._pools.disk)
        stream = await SpeechStream(backlog, partial(self._produce, job, model, backlog)).opened()
        if not job.whole:
            self._metrics.first_audio(model.id, time.perf_counter() - began)
        return stream

    def _check(self, job: SpeechJob, model: TtsModel) -> None:
        if not job.text.strip():
            raise MissingValueError("input", "Send some text to speak in this field.")
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
        if job.seed is not None and not model.capabilities.seed:
            raise UnsupportedValueError(f"Model {model.id!r} does not support `seed`; omit it.", param="seed")
        if job.language is not None and model.languages and job.language not in model.languages:
            raise UnsupportedValueError(
                f"Model {model.id!r} does not speak {quoted(job.language)}; it speaks: "
                f"{', '.join(model.languages)}.",
                param="language",
            )

    async def preview(self, job: SpeechJob) -> Sequence[TextPiece]:
        """Return what the engine would get for *job*, one text for each call; loads nothing.

        Raises:
            RequestError: The job is at fault.
        """
        model = self._catalog.tts(job.model)
        job = replace(job, language=parse_language(job.language))
        self._check(job, model)
        own = await self._runner.voices(model.id)
        text = self._text(job, model)
        await text.read()
        await text.put_into_words(own, None)
        return await self._pools.encoding.run(lambda: list(text.pieces()))

    def _text(self, job: SpeechJob, model: TtsModel) -> SpokenText:
        return SpokenText(
            job.text,
            model,
            language=job.language,
            interval_ms=job.silence_interval_ms,
            normalization=job.text_normalization or self._normalization,
            pool=self._pools.encoding,
        )

    async def _check_pauses(self, job: SpeechJob, text: SpokenText) -> None:
        """Refuse a text whose pauses alone are too long, before anything is loaded or spoken for it.

        Raises:
            SpeechTooLongError: They are.
        """
        if text.asked_pauses_s > self._max_speech_s:
            raise SpeechTooLongError(self._max_speech_s, param="input")
        if job.silence_interval_ms is None:
            return
        if await self._pools.encoding.run(text.pauses_s) > self._max_speech_s:
            raise SpeechTooLongError(self._max_speech_s, param="silence_interval_ms")

    async def voices(self, model: TtsModel, *, deadline: float = math.inf) -> Sequence[Voice]:
        """Return a model's voices; loads it where only the engine knows them, unless it clones voices.

        A model that clones needs none of its own: to ask for them must not cost a switch each time.

        Raises:
            UnavailableError, ModelFilesError, EngineError: It cannot be loaded.
        """
        if not await self._runner.voices(model.id) and not model.capabilities.cloning:
            await self._runner.switch_to(model.id, deadline=deadline)
        return await self._runner.voices(model.id)

    async def _produce(self, job: SpeechJob, model: TtsModel, backlog: Backlog, stream: SpeechStream) -> None:
        deadline = Deadline.within(job.timeout_s, self._request_timeout_s)
        async with deadline.kept("The speech"):
            stream.spoken_s = await self._speak(job, model, backlog, stream.lines, deadline.at)

    async def _speak(
        self, job: SpeechJob, model: TtsModel, backlog: Backlog, said: list[str], deadline: float
    ) -> float:
        await self._turns.take()
        text = self._text(job, model)
        await text.read()
        await self._check_pauses(job, text)
        own = await self.voices(model, deadline=deadline)
        speaker = await self._speakers.find(job.voice, job.emotion, job.instructions, own=own, model=model)
        await text.put_into_words(own, speaker.voice)
        said += [line.text for line in text.lines if line.text]
        cut = text.pieces()
        opening = list(itertools.islice(cut, 2))
        if speaker.stored:
            await self._pools.disk.run(self._cache.used, model.id, speaker.stored)
        request = _request(job, speaker, model.capabilities, alone=len(opening) == 1)
        stretch = 1.0 if model.capabilities.native_speed else job.speed
        spoken = Spoken(model.id)
        delivery = Delivery(
            backlog,
            self._pools.encoding,
            speech_format=job.format,
            output_rate=job.sample_rate,
            speed=stretch,
            longest_s=self._max_speech_s,
            whole=_is_whole(job, model, text) if job.whole is None else job.whole,
        )
        for piece in itertools.chain(opening, cut):
            await delivery.begin(piece)
            if piece.text:
                one = replace(request, text=piece.text)
                begun = spoken.duration_s > 0
                work = self._runner.synthesize(model.id, one, begun=begun, deadline=deadline)
                async with aclosing(work) as speech:
                    await delivery.take(speech, spoken)
        if not delivery.has_begun and not text.has_words:
            await delivery.be_silent(spoken.add_silence())
        spoken.finish()
        await delivery.finish()
        if speaker.stored:  # the engine may have written something
            await self._pools.disk.run(self._cache.sweep)
        return spoken.duration_s / stretch


def _is_whole(job: SpeechJob, model: TtsModel, text: SpokenText) -> bool | None:
    """Tell whether all of the speech is there with its first audio, and is encoded in no time.

    None is a text of one sentence for an engine that streams, most of which say a sentence at once.
    """
    if job.format not in (SpeechFormat.WAV, SpeechFormat.FLAC) or len(job.text) > SHORT_CHARS:
        return False
    if not text.is_one_sentence():
        return False
    return None if model.capabilities.streaming else True


def _check_rate(sample_rate: int, speech_format: SpeechFormat) -> None:
    rates = speech_format.sample_rates
    if not MIN_RATE <= sample_rate <= MAX_RATE or (rates and sample_rate not in rates):
        allowed = f"one of {', '.join(map(str, rates))}" if rates else f"from {MIN_RATE} to {MAX_RATE}"
        raise InvalidValueError(
            f"sample_rate must be {allowed} hertz for the format {speech_format.value!r}, not {sample_rate}.",
            param="sample_rate",
        )


def _request(
    job: SpeechJob, speaker: Speaker, capabilities: TtsCapabilities, *, alone: bool
) -> SynthesizeRequest:
    """Return what the engine is asked for, with the whole text; what it cannot do is left to the hub.

    Args:
        job: What the client wants.
        speaker: Who speaks, and how.
        capabilities: What the engine can do.
        alone: Whether the whole text is one call.
    """
    return SynthesizeRequest(
        text=job.text,
        voice=speaker.voice,
        language=job.language,
        speed=job.speed if capabilities.native_speed else 1.0,
        instructions=speaker.instructions,
        reference=speaker.reference,
        emotion=speaker.emotion if alone else _of_the_whole(speaker.emotion, job.text),
        seed=job.seed,
        silence_interval_ms=job.silence_interval_ms if capabilities.silence_interval else None,
    )


def _of_the_whole(emotion: Emotion | None, text: str) -> Emotion | None:
    """Have the beginning of a long text tell the emotion of each piece, where the pieces themselves would."""
    if emotion is None or emotion.mode is not EmotionMode.TEXT or emotion.text:
        return emotion
    return replace(emotion, text=text[:PIECE_CHARS])
