"""Text to speech: from a text to a stream of encoded audio."""

import itertools
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Self

from speechhub.codecs.encode import SpeechFormat
from speechhub.engine import Voice
from speechhub.errors import InvalidValueError, MissingValueError, SpeechTooLongError
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
from speechhub.services.speaker import Speaker, Speakers
from speechhub.services.speaking import Speaking
from speechhub.services.speech_job import SpeechJob, request_of
from speechhub.services.spoken_text import SpokenText
from speechhub.services.text_rules import TextRules
from speechhub.services.voices import VoiceService
from speechhub.speakable import Normalization
from speechhub.turns import Turns

SHORT_CHARS: Final = 200
"""Longest text whose speech, some 13 s, is a WAV within 15 ms and FLAC within 45; MP3 takes half a second."""


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
        self.pools = voices.pools
        """The threads that read and encode."""
        self._runner = runner
        self._max_input_chars = max_input_chars
        self.request_timeout_s = request_timeout_s
        """How long any request may take, in seconds."""
        self._max_speech_s = max_speech_s
        self._normalization = text_normalization
        self._account = account or Account()
        self.metrics = metrics or Metrics()
        self.turns = Turns()
        """Of pieces of work that begin."""

    async def open(self, job: SpeechJob) -> SpeechStream:
        """Start to speak; return the encoded audio, which flows before synthesis ends.

        When this returns, the first bytes exist: whatever can be refused was refused.

        Raises:
            RequestError: The job is at fault.
            UnavailableError: The engine is not available in time.
            EngineError, ModelFilesError: The engine failed before its first audio.
        """
        began = time.perf_counter()
        self.check_text(job)
        job, model = self.admitted(job)
        backlog = self.backlog()
        stream = await SpeechStream(backlog, partial(self._produce, job, model, backlog)).opened()
        if not job.whole:
            self.metrics.first_audio(model.id, time.perf_counter() - began)
        return stream

    def check_text(self, job: SpeechJob) -> None:
        """Check the text of *job*.

        Raises:
            InvalidValueError, MissingValueError: It is too long, or blank.
        """
        if not job.text.strip():
            raise MissingValueError("input", "Send some text to speak in this field.")
        if len(job.text) > self._max_input_chars:
            raise InvalidValueError(
                f"input has {len(job.text)} characters, the limit is {self._max_input_chars}: split it.",
                param="input",
            )

    def admitted(self, job: SpeechJob) -> tuple[SpeechJob, TtsModel]:
        """Return *job* as `SpeechJob.checked` does, and its model; the text is left unchecked.

        Raises:
            RequestError: The job is at fault.
        """
        model = self._catalog.tts(job.model)
        job = job.checked(model)
        self._speakers.check(job.voice, job.emotion, model)
        return job, model

    def rules(self, job: SpeechJob, model: TtsModel) -> TextRules:
        """Return how texts of *job* are read."""
        return TextRules(
            model=model,
            language=job.language,
            interval_ms=job.silence_interval_ms,
            normalization=job.text_normalization or self._normalization,
        )

    async def preview(self, job: SpeechJob) -> Sequence[TextPiece]:
        """Return what the engine would get for *job*, one text for each call; loads nothing.

        Raises:
            RequestError: The job is at fault.
        """
        self.check_text(job)
        model = self._catalog.tts(job.model)
        job = job.checked(model)
        own = await self._runner.voices(model.id)
        text = self._text(job, model)
        await text.read()
        await text.put_into_words(own, None)
        return await self.pools.encoding.run(lambda: list(text.pieces()))

    def _text(self, job: SpeechJob, model: TtsModel) -> SpokenText:
        return SpokenText(job.text, self.rules(job, model), pool=self.pools.encoding)

    async def _check_pauses(self, job: SpeechJob, text: SpokenText) -> None:
        """Refuse a text whose pauses alone are too long, before anything is loaded or spoken for it.

        Raises:
            SpeechTooLongError: They are.
        """
        if text.asked_pauses_s > self._max_speech_s:
            raise SpeechTooLongError(self._max_speech_s, param="input")
        if job.silence_interval_ms is None:
            return
        if await self.pools.encoding.run(text.pauses_s) > self._max_speech_s:
            raise SpeechTooLongError(self._max_speech_s, param="silence_interval_ms")

    async def voices(self, model: TtsModel, *, deadline: float = math.inf) -> Sequence[Voice]:
        """Return a model's voices; loads it where only the engine knows them, unless it clones voices.

        A model that clones needs none of its own: to ask for them must not cost a switch each time.

        Raises:
            UnavailableError, ModelFilesError, EngineError: It cannot be loaded.
        """
        if not await self.known_voices(model) and not model.capabilities.cloning:
            await self._runner.switch_to(model.id, deadline=deadline)
        return await self.known_voices(model)

    async def known_voices(self, model: TtsModel) -> Sequence[Voice]:
        """Return a model's voices, as far as they are known without loading it."""
        return await self._runner.voices(model.id)

    async def _produce(self, job: SpeechJob, model: TtsModel, backlog: Backlog, stream: SpeechStream) -> None:
        deadline = Deadline.within(job.timeout_s, self.request_timeout_s)
        async with deadline.kept("The speech"):
            stream.spoken_s = await self._speak(job, model, backlog, stream.lines, deadline.at)

    async def _speak(
        self, job: SpeechJob, model: TtsModel, backlog: Backlog, said: list[str], deadline: float
    ) -> float:
        await self.turns.take()
        text = self._text(job, model)
        await text.read()
        await self._check_pauses(job, text)
        own, speaker = await self.find_speaker(job, model, deadline=deadline)
        await text.put_into_words(own, speaker.voice)
        said += [line.text for line in text.lines if line.text]
        cut = text.pieces()
        opening = list(itertools.islice(cut, 2))
        async with self.speaking(
            job,
            model,
            speaker,
            backlog,
            alone=len(opening) == 1,
            whole=_is_whole(job, model, text) if job.whole is None else job.whole,
        ) as speaking:
            for piece in itertools.chain(opening, cut):
                await speaking.say(piece, deadline=deadline)
            await speaking.finish(has_words=text.has_words)
        return speaking.spoken_s

    def backlog(self) -> Backlog:
        """Return where the bytes of a new speech wait; close it when the listener leaves."""
        return Backlog(self._account.open(), self.pools.disk)

    async def find_speaker(
        self, job: SpeechJob, model: TtsModel, *, deadline: float = math.inf
    ) -> tuple[Sequence[Voice], Speaker]:
        """Return the model's own voices, and the speaker of *job*.

        Raises:
            RequestError: There is no such voice, or the model cannot speak in it.
            UnavailableError, ModelFilesError, EngineError: The model has to be loaded for it, and cannot be.
        """
        own = await self.voices(model, deadline=deadline)
        return own, await self._speakers.find(job.voice, job.emotion, job.instructions, own=own, model=model)

    @asynccontextmanager
    async def speaking(
        self,
        job: SpeechJob,
        model: TtsModel,
        speaker: Speaker,
        backlog: Backlog,
        *,
        alone: bool,
        whole: bool | None = False,
    ) -> AsyncIterator[Speaking]:
        """Begin a speech into *backlog*; when the block ends well, the engine has learned the voice.

        Args:
            job: What the client wants; its text, or the beginning of it, may set the mood.
            model: What speaks.
            speaker: Who speaks.
            backlog: Takes the bytes.
            alone: Whether the whole text is one call.
            whole: As for `Delivery`.
        """
        if speaker.stored:
            await self.pools.disk.run(self._cache.used, model.id, speaker.stored)
        stretch = job.stretch(model.capabilities)
        delivery = Delivery(
            backlog,
            self.pools.encoding,
            speech_format=job.format,
            output_rate=job.sample_rate,
            bit_rate=job.bit_rate,
            speed=stretch,
            longest_s=self._max_speech_s,
            whole=whole,
        )
        request = request_of(job, speaker, model.capabilities, alone=alone)
        yield Speaking(self._runner, model.id, request, delivery, stretch=stretch)
        if speaker.stored:  # the engine may have written something
            await self.pools.disk.run(self._cache.sweep)


def _is_whole(job: SpeechJob, model: TtsModel, text: SpokenText) -> bool | None:
    """Tell whether all of the speech is there with its first audio, and is encoded in no time.

    None is a text of one sentence for an engine that streams, most of which say a sentence at once.
    """
    if job.format not in (SpeechFormat.WAV, SpeechFormat.FLAC) or len(job.text) > SHORT_CHARS:
        return False
    if not text.is_one_sentence():
        return False
    return None if model.capabilities.streaming else True
