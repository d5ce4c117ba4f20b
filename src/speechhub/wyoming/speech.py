"""Speech: the text of one client, whole or while it is written, and its sound."""

import asyncio
import time
from contextlib import aclosing
from typing import Final, Self

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.tts import SynthesizeStopped

from speechhub.codecs.encode import OUTPUT_RATE, SpeechFormat
from speechhub.errors import InvalidValueError
from speechhub.hub import Hub
from speechhub.services.speech_job import SpeechJob
from speechhub.services.streamed_speech import StreamedSpeech
from speechhub.speakable import Normalization, has_words
from speechhub.wyoming.client_events import VoiceWish
from speechhub.wyoming.connection import Send
from speechhub.wyoming.directory import Directory
from speechhub.wyoming.exchange import Notes

SSML: Final = "ssml"
"""Value of ``text_format``; any other is plain text."""
WIDTH: Final = 2
"""Size of a sample that is sent, in bytes."""
MAX_PAYLOAD_BYTES: Final = OUTPUT_RATE * WIDTH // 10
"""Most audio in one event: 0.1 s."""


class Speech:
    """One speech: write its text, end it, answer it once, and close it in any case.

    A whole text is one that is written and ended at once: both have the same pauses.
    All of the sound is mono PCM16 at `OUTPUT_RATE`, whatever rate the engine has: clients make one header
    of the first ``audio-start``, and an engine's rate is not known before its first sound.
    """

    def __init__(self, hub: Hub, stream: StreamedSpeech, *, model: str, streamed: bool) -> None:
        """Begin without text; call `open` instead."""
        self._stream = stream
        self._model = model
        self._streamed = streamed
        self._max_chars = hub.settings.max_input_chars
        self._chars = 0
        self._wordless = ""
        """Text before the first word."""
        self._has_words = self._ended = False
        self._decided = asyncio.Event()
        """Set once it is known whether the text has words."""
        self._wrote_at = 0.0

    @classmethod
    async def open(
        cls,
        hub: Hub,
        directory: Directory,
        wish: VoiceWish | None,
        *,
        text_format: str | None,
        streamed: bool,
    ) -> Self:
        """Begin a speech; no engine is used before the text has words.

        Args:
            hub: Speaks.
            directory: Finds the voice.
            wish: The voice that the client wants; None for the default one.
            text_format: What the client says of its text: ``ssml`` or ``text``.
            streamed: Whether the client sends the text while it is written, and waits for
                ``synthesize-stopped``.

        Raises:
            RequestError: There is no such voice, or it does not speak the language.
        """
        chosen = directory.voice(wish)
        model = hub.catalog.tts(chosen.model)
        job = SpeechJob(
            text="",
            model=model.id,
            voice=chosen.voice,
            language=chosen.language,
            format=SpeechFormat.PCM,
            sample_rate=OUTPUT_RATE,
            text_normalization=Normalization.AUTO if text_format == SSML else None,
        )
        stream = await hub.streamed_speech.open(job)
        return cls(hub, stream, model=model.id, streamed=streamed)

    async def write(self, text: str) -> None:
        """Add what comes next; waits while too much waits. After the end, or a failure, it is dropped.

        Raises:
            InvalidValueError: The text is longer than the server speaks.
        """
        if self._ended:
            return
        self._chars += len(text)
        if self._chars > self._max_chars:
            raise InvalidValueError(
                f"The text has more than {self._max_chars} characters, the limit of this server (setting "
                "max_input_chars): split it.",
                param="text",
            )
        if not self._has_words:
            if not has_words(text):
                self._wordless += text
                return
            text, self._wordless = self._wordless + text, ""
            self._has_words, self._wrote_at = True, time.perf_counter()
            self._decided.set()
        await self._stream.write(text)

    def end(self) -> None:
        """Say that no more text comes."""
        self._ended = True
        if self._has_words:
            self._stream.end()
        self._decided.set()

    async def answer(self, send: Send, notes: Notes) -> None:
        """Send the sound while the text is written, then its end; a text without words has no sound.

        Raises:
            SpeechhubError: As for `SpeechService.open`; some of the sound may have been sent.
        """
        notes["model"] = self._model
        sent_bytes = 0
        try:
            await self._decided.wait()
            if self._has_words:
                async with aclosing(aiter(self._stream)) as pieces:
                    async for pcm16 in pieces:
                        if not sent_bytes:
                            await send(_start())
                            notes["first_audio_ms"] = round(1000 * (time.perf_counter() - self._wrote_at))
                        for place in range(0, len(pcm16), MAX_PAYLOAD_BYTES):
                            payload = pcm16[place : place + MAX_PAYLOAD_BYTES]
                            await send(_chunk(payload, _ms(sent_bytes)))
                            sent_bytes += len(payload)
            end = [AudioStop(timestamp=_ms(sent_bytes)), *([SynthesizeStopped()] if self._streamed else [])]
            await send(*(end if sent_bytes else [_start(), *end]))
        finally:
            notes["chars"] = self._chars
            notes["audio_s"] = round(sent_bytes / WIDTH / OUTPUT_RATE, 2)

    async def aclose(self) -> None:
        """Stop at once; return when the engine's call is over or abandoned. Call it once `answer` is over."""
        self._ended = True
        await self._stream.aclose()


def _start() -> AudioStart:
    return AudioStart(rate=OUTPUT_RATE, width=WIDTH, channels=1, timestamp=0)


def _chunk(pcm16: bytes, timestamp: int) -> AudioChunk:
    return AudioChunk(rate=OUTPUT_RATE, width=WIDTH, channels=1, audio=pcm16, timestamp=timestamp)


def _ms(size_bytes: int) -> int:
    """Return the length of so many bytes of sound, in milliseconds."""
    return 1000 * (size_bytes // WIDTH) // OUTPUT_RATE
