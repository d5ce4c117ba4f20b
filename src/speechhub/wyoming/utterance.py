"""Utterance: what one client says from ``audio-start`` to ``audio-stop``, and its transcript."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop

from speechhub.codecs.decode import MIN_DURATION_S
from speechhub.errors import AudioTooShortError, SpeechhubError
from speechhub.hub import Hub
from speechhub.services.spool import Spool
from speechhub.services.transcription import TranscriptionJob
from speechhub.wyoming.client_events import AudioChunk, Transcribe
from speechhub.wyoming.connection import Send
from speechhub.wyoming.directory import Directory
from speechhub.wyoming.exchange import Notes
from speechhub.wyoming.recording import UtteranceRecording

log = structlog.get_logger()

MAX_HOTWORDS: Final = 1000
"""Most words that an engine is asked to expect; further ones are left out. HTTP refuses more."""
MAX_HOTWORD_CHARS: Final = 256
"""Longest of them; longer ones are left out. HTTP refuses them."""


class HeardUtterance:
    """One utterance: add its audio, answer it once, and close it in any case.

    Its audio is transcribed as an upload is, with the same limits, so that the same audio has the same text.
    """

    def __init__(self, hub: Hub, directory: Directory, wanted: Transcribe) -> None:
        """Begin without audio; a model that is not ready is loaded while the client still speaks.

        Raises:
            RequestError: There is no such model, or it cannot do what the client wants.
        """
        self._hub = hub
        self._job = TranscriptionJob(
            model=directory.stt_model(wanted.name, wanted.language),
            language=wanted.language,
            hotwords=_hotwords(wanted),
        )
        checked = hub.transcription.check(self._job)
        self._model, self._language = checked.model.id, checked.language
        self._holding = hub.account.open()
        self._spool = Spool(self._holding)
        self._recording = UtteranceRecording(
            self._spool, longest_s=hub.settings.max_audio_s, most_bytes=hub.settings.max_upload_bytes
        )
        self._presence: asyncio.Task[None] | None = None
        if not hub.runner.is_ready(self._model):
            self._presence = asyncio.create_task(self._make_ready())

    async def add(self, chunk: AudioChunk) -> None:
        """Take what comes next, in its own format.

        Raises:
            UnsupportedAudioError, UtteranceTooLongError: The client is at fault.
            ServerFullError, OSError: There is no room.
        """
        self._recording.add(chunk)

    async def answer(self, send: Send, notes: Notes) -> None:
        """Transcribe the audio, and send the text; less than 0.1 s has no text, and uses no engine.

        Raises:
            SpeechhubError: As for `TranscriptionService.stream`; some of the text may have been sent.
        """
        notes["model"] = self._model
        notes["audio_s"] = round(self._recording.duration_s, 2)
        if self._recording.duration_s < MIN_DURATION_S:
            await self._answer_nothing(send, notes)
            return
        try:
            stream = await self._hub.transcription.stream(self._recording.finish(), self._job)
        except AudioTooShortError:  # by a rounding
            await self._answer_nothing(send, notes)
            return
        try:
            await send(TranscriptStart(language=self._language))
            async for event in stream:
                if isinstance(event, str):
                    await send(TranscriptChunk(text=event))
                    continue
                notes["chars"] = len(event.text)
                # Together: Home Assistant hangs up when it has the text.
                await send(Transcript(text=event.text, language=event.language), TranscriptStop())
        finally:
            await stream.aclose()

    def close(self) -> None:
        """Free everything; call it once `answer` is over."""
        if self._presence is not None:
            self._presence.cancel()
        self._spool.close()
        self._holding.close()

    async def _answer_nothing(self, send: Send, notes: Notes) -> None:
        notes["chars"] = 0
        language = self._language
        await send(
            TranscriptStart(language=language), Transcript(text="", language=language), TranscriptStop()
        )

    async def _make_ready(self) -> None:
        """Load the model early; if this fails, the transcription tries again and reports why."""
        deadline = asyncio.get_running_loop().time() + self._hub.settings.request_timeout_s
        try:
            await self._hub.runner.switch_to(self._model, deadline=deadline)
        except SpeechhubError as error:
            log.debug("a model is not ready for an utterance", model=self._model, error=error.code)
        except Exception as error:
            log.exception("a model is not ready for an utterance", error=type(error).__name__)


def _hotwords(wanted: Transcribe) -> tuple[str, ...]:
    """Return the words to expect, each once, the names before the terms."""
    said: Iterable[str] = (*(wanted.transcript_names or ()), *(wanted.transcript_terms or ()))
    words = dict.fromkeys(word for term in said if 0 < len(word := term.strip()) <= MAX_HOTWORD_CHARS)
    return tuple(words)[:MAX_HOTWORDS]
