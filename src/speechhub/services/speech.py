"""Text to speech: from a text to a stream of encoded audio."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from speechhub.codecs.encode import OUTPUT_RATE, Encoder, SpeechFormat
from speechhub.codecs.stretch import Stretcher
from speechhub.engine import Audio, Slot, SynthesizeRequest, Voice
from speechhub.errors import (
    InvalidValueError,
    MissingValueError,
    RequestTimeoutError,
    SpeechhubError,
    UnsupportedValueError,
)
from speechhub.lifecycle.placement import Placement
from speechhub.lifecycle.runner import Runner
from speechhub.metrics import Metrics
from speechhub.services.casting import Casting, EmotionWish
from speechhub.services.catalog import Catalog, tts_capabilities
from speechhub.services.segmentation import PIECE_CHARS, split_text
from speechhub.services.voices import VoiceService

log = structlog.get_logger()

MIN_SPEED, MAX_SPEED = 0.25, 4.0
"""Source: OpenAI's openapi.yaml, CreateSpeechRequest.speed."""


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
    speed: float = 1.0
    """0.25 to 4."""
    instructions: str | None = None
    emotion: EmotionWish | None = None
    """None leaves it to the voice, or to the instructions."""
    seed: int | None = None
    """0 to `MAX_SEED`; None means chance."""
    silence_interval_ms: int | None = None
    """Pause between sentences, in milliseconds; None leaves it to the voice."""


class SpeechStream:
    """Encoded speech on its way to one listener; close it when the listener leaves.

    The engine runs ahead of a slow listener, so that no listener ever holds it. What waits here is not
    without limit: it is at most the speech of one text of limited length.
    """

    def __init__(self, chunks: asyncio.Queue[bytes | None], producer: asyncio.Task[float]) -> None:
        """Take over *producer*, which fills *chunks*, ends with None and returns the seconds it spoke."""
        self._chunks = chunks
        self._producer = producer
        self._first: bytes | None = None
        self.spoken_s = 0.0
        """Length of the speech, in seconds, once the stream has ended."""

    async def begin(self) -> None:
        """Wait for the first bytes; raise what went wrong if there are none."""
        self._first = await self._chunks.get()
        if self._first is None:
            await self._producer

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        data = self._first
        while data is not None:
            yield data
            data = await self._chunks.get()
        try:
            self.spoken_s = await self._producer
        except SpeechhubError as error:
            log.error("speech broke off", error=type(error).__name__, reason=str(error))
            raise  # a failure after the first byte must break the response, not end it well

    async def aclose(self) -> None:
        """Stop speaking; return when the engine's call is over or abandoned."""
        self._producer.cancel()
        await asyncio.gather(self._producer, return_exceptions=True)


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
        metrics: Metrics | None = None,
    ) -> None:
        self._catalog = catalog
        self._casting = Casting(catalog, voices)
        self._cache = voices.cache
        self._runner = runner
        self._max_input_chars = max_input_chars
        self._request_timeout_s = request_timeout_s
        self._metrics = metrics or Metrics()

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
        self._check(job, placement)
        self._casting.check(job.voice, job.emotion, placement)
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        stream = SpeechStream(chunks, asyncio.create_task(self._produce(job, placement, chunks)))
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
        if job.seed is not None and not tts_capabilities(placement).seed:
            raise UnsupportedValueError(
                f"Model {placement.target!r} knows no seed; leave it out.", param="seed"
            )

    async def voices(self, placement: Placement) -> Sequence[Voice]:
        """Return a model's voices; loads it where only the engine knows them, unless it clones voices.

        A model that clones needs none of its own: to ask for them must not cost a switch each time.

        Raises:
            UnavailableError, ModelFilesError, EngineError: It cannot be loaded.
        """
        if not await self._runner.voices(placement.target) and not tts_capabilities(placement).cloning:
            await self._runner.switch_to(placement.target)
        return await self._runner.voices(placement.target)

    async def _produce(
        self, job: SpeechJob, placement: Placement, chunks: asyncio.Queue[bytes | None]
    ) -> float:
        try:
            async with asyncio.timeout(self._request_timeout_s):
                return await self._speak(job, placement, chunks)
        except TimeoutError as error:
            raise RequestTimeoutError(
                f"The speech was not done after {self._request_timeout_s:.0f} s."
            ) from error
        finally:
            chunks.put_nowait(None)

    async def _speak(
        self, job: SpeechJob, placement: Placement, chunks: asyncio.Queue[bytes | None]
    ) -> float:
        capabilities = tts_capabilities(placement)
        part = await self._casting.cast(
            job.voice,
            job.emotion,
            job.instructions,
            own=await self.voices(placement),
            placement=placement,
        )
        if part.stored:
            await asyncio.to_thread(self._cache.used, placement.target, part.stored)
        request = SynthesizeRequest(
            text=job.text,
            voice=part.voice,
            speed=job.speed if capabilities.native_speed else 1.0,
            instructions=part.instructions,
            reference=part.reference,
            emotion=part.emotion,
            seed=job.seed,
            silence_interval_ms=job.silence_interval_ms if capabilities.silence_interval else None,
        )
        stretch = 1.0 if capabilities.native_speed else job.speed
        pieces = split_text(
            job.text,
            limit_chars=min(capabilities.longest_input_chars or PIECE_CHARS, PIECE_CHARS),
            first_alone=not capabilities.streaming,
        )
        pipeline: _Pipeline | None = None
        spoken_s = 0.0
        for text in pieces:
            one = replace(request, text=text)
            async with aclosing(self._runner.synthesize(placement.target, one)) as speech:
                async for audio in speech:
                    spoken_s += audio.duration_s / stretch
                    if pipeline is None:
                        pipeline = _Pipeline(job.format, audio.sample_rate, stretch)
                    if data := await asyncio.to_thread(pipeline.feed, audio):
                        chunks.put_nowait(data)
        if pipeline is None:  # an engine that had nothing to say; an empty file is still a valid one
            pipeline = _Pipeline(job.format, OUTPUT_RATE, 1.0)
        if data := await asyncio.to_thread(pipeline.finish):
            chunks.put_nowait(data)
        if part.stored:  # the engine may have written something
            await asyncio.to_thread(self._cache.sweep)
        return spoken_s


class _Pipeline:
    """Audio in, bytes out; one for each response, used by one thread at a time."""

    def __init__(self, speech_format: SpeechFormat, sample_rate: int, speed: float) -> None:
        self._encoder = Encoder(speech_format, source_rate=sample_rate)
        self._stretcher = Stretcher(speed, sample_rate) if speed != 1.0 else None

    def feed(self, audio: Audio) -> bytes:
        samples = self._stretcher.process(audio.samples) if self._stretcher else audio.samples
        return self._encoder.encode(samples)

    def finish(self) -> bytes:
        rest = self._encoder.encode(self._stretcher.finish()) if self._stretcher else b""
        return rest + self._encoder.finish()
