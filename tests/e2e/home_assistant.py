"""Home Assistant as a client of Wyoming: what its integration reads, writes and waits for, event by event.

Source: homeassistant 2026.11.0, components/wyoming: data.py, coordinator.py, stt.py, tts.py, config_flow.py.
Each function names the one that it replays; like those, they use `wyoming` 1.10.2.
"""

import asyncio
import contextlib
import io
import wave
from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

INFO_LIMIT_S = 5
"""How long it waits for `info`; data.py, ``_INFO_TIMEOUT``."""
RATE, WIDTH, CHANNELS = 16_000, 2, 1
"""Format of all speech that it sends; const.py."""


PATIENCE_S = 30
"""How long the tests wait for an event; Home Assistant waits for ever, and so does its user."""


class ServiceError(Exception):
    """The server sent an `error`; Home Assistant shows its text to the user."""


class ConnectionLostError(Exception):
    """The server closed the connection without an answer; Home Assistant shows no cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice in the list of a pipeline's settings."""

    voice_id: str
    """What the pipeline stores and sends."""
    name: str
    """What the user sees."""


class Entry:
    """A config entry: the host and port that the user typed."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def _client(self) -> AsyncTcpClient:
        return AsyncTcpClient(self._host, self._port, read_timeout=PATIENCE_S)

    async def info(self) -> Info:
        """Ask what the server has, once; the coordinator does so every 30 s (``load_wyoming_info``).

        Raises:
            ConnectionLostError: The entities become unavailable.
            TimeoutError: The same, after `INFO_LIMIT_S`.
        """
        async with self._client() as client, asyncio.timeout(INFO_LIMIT_S):
            await client.write_event(Describe().event())
            while event := await client.read_event():
                if Info.is_type(event.type):
                    return Info.from_event(event)
        raise ConnectionLostError

    # ── stt.py ───────────────────────────────────────────────────────────────

    async def hear(self, speech: AsyncIterable[bytes], language: str) -> str:
        """Send speech while it is spoken, and return the text (``async_process_audio_stream``).

        A result that comes before the speech has ended stops the upload; the connection is closed as soon as
        there is a result, and also when this call is cancelled.

        Raises:
            ServiceError: ``stt-stream-failed``, with the server's text in Home Assistant's log.
            ConnectionLostError: The same, with nothing in the log.
        """
        async with self._client() as client:
            await client.write_event(Transcribe(language=language).event())
            await client.write_event(AudioStart(rate=RATE, width=WIDTH, channels=CHANNELS).event())
            upload = asyncio.create_task(_upload(client, speech))
            receive = asyncio.create_task(_transcript(client))
            try:
                done, _ = await asyncio.wait((upload, receive), return_when=asyncio.FIRST_COMPLETED)
                if receive in done:
                    return receive.result()
                upload.result()
                return await receive
            finally:
                for task in (upload, receive):
                    task.cancel()
                await asyncio.gather(upload, receive, return_exceptions=True)

    # ── tts.py ───────────────────────────────────────────────────────────────

    async def speak(self, text: str, voice: str | None = None) -> bytes:
        """Return the speech of a whole text as WAV (``async_get_tts_audio``).

        Raises:
            ServiceError: The server sent an `error`.
            ConnectionLostError: The server closed the connection before `audio-stop`.
        """
        async with self._client() as client:
            await client.write_event(Synthesize(text=text, voice=_wish(voice)).event())
            with io.BytesIO() as file:
                writer: wave.Wave_write | None = None
                while event := await client.read_event():
                    _raise_error(event)
                    if AudioStop.is_type(event.type):
                        if writer is not None:
                            writer.close()
                        return file.getvalue()
                    if AudioChunk.is_type(event.type):
                        chunk = AudioChunk.from_event(event)
                        if writer is None:
                            writer = wave.open(file, "wb")  # noqa: SIM115 - closed when the speech has ended
                            writer.setframerate(chunk.rate)
                            writer.setsampwidth(chunk.width)
                            writer.setnchannels(chunk.channels)
                        writer.writeframes(chunk.audio)
        raise ConnectionLostError

    async def stream(self, texts: AsyncIterable[str], voice: str | None = None) -> AsyncIterator[bytes]:
        """Yield a WAV header without a length, then PCM, while texts come (``async_stream_tts_audio``).

        It ends at `synthesize-stopped`, or without a word when the server closes the connection. Closing
        the iterator closes the connection; a task goes on writing until it finds that out.

        Raises:
            ServiceError: The server sent an `error`.
        """
        client = self._client()
        await client.connect()
        writing = asyncio.create_task(_write(client, texts, _wish(voice)))
        try:
            header_sent = False
            while event := await client.read_event():
                _raise_error(event)
                if header_sent and AudioChunk.is_type(event.type):
                    yield AudioChunk.from_event(event).audio
                elif not header_sent and AudioStart.is_type(event.type):
                    yield _header(AudioStart.from_event(event))
                    header_sent = True
                elif SynthesizeStopped.is_type(event.type):
                    break
        finally:
            await client.disconnect()
            writing.cancel()
            # After `disconnect`, the package fails an assertion of its own instead of telling of the end.
            with contextlib.suppress(asyncio.CancelledError, OSError, AssertionError):
                await writing


async def _upload(client: AsyncTcpClient, speech: AsyncIterable[bytes]) -> None:
    async for piece in speech:
        chunk = AudioChunk(rate=RATE, width=WIDTH, channels=CHANNELS, audio=piece)
        await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())


async def _transcript(client: AsyncTcpClient) -> str:
    while event := await client.read_event():
        _raise_error(event)
        if Transcript.is_type(event.type):
            return Transcript.from_event(event).text
    raise ConnectionLostError


async def _write(client: AsyncTcpClient, texts: AsyncIterable[str], voice: SynthesizeVoice | None) -> None:
    await client.write_event(SynthesizeStart(voice=voice).event())
    message = ""
    async for text in texts:
        message += text
        await client.write_event(SynthesizeChunk(text=text).event())
    # For servers that do not stream; those that do must not say it a second time.
    await client.write_event(Synthesize(text=message, voice=voice).event())
    await client.write_event(SynthesizeStop().event())


def _wish(voice: str | None) -> SynthesizeVoice | None:
    return None if voice is None else SynthesizeVoice(name=voice, speaker=None)


def _raise_error(event) -> None:
    if Error.is_type(event.type):
        error = Error.from_event(event)
        raise ServiceError(error.text if error.code is None else f"{error.text} (code: {error.code})")


def _header(start: AudioStart) -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as writer:
            writer.setframerate(start.rate)
            writer.setsampwidth(start.width)
            writer.setnchannels(start.channels)
        return file.getvalue()


# ── What the entities offer ──────────────────────────────────────────────────


def platforms(info: Info) -> list[str]:
    """Return the kinds of entities that an entry gets (``WyomingService.__init__``)."""
    if info.satellite is not None and info.satellite.installed:
        return []
    kinds = {"stt": info.asr, "tts": info.tts, "wake_word": info.wake}
    return [name for name, programs in kinds.items() if any(it.installed for it in programs)]


def title(info: Info) -> str | None:
    """Return the name of an entry; without one, the flow ends with ``no_services`` (``get_name``)."""
    programs = [it for it in (*info.asr, *info.tts) if it.installed]
    return programs[0].name if programs else None


def unique_id(instance: str, info: Info) -> str:
    """Return what makes an entry that was announced unique (``async_step_zeroconf``)."""
    return f"{instance}_{title(info)}"


def stt_languages(info: Info) -> set[str]:
    """Return the languages of the STT entity: those of the first program (``WyomingSttProvider``)."""
    return {language for model in info.asr[0].models if model.installed for language in model.languages}


def needs_external_vad(info: Info) -> bool:
    """Return whether Home Assistant finds the end of an utterance (``WyomingSttProvider``)."""
    return info.asr[0].requires_external_vad


def tts_voices(info: Info) -> dict[str, list[Voice]]:
    """Return the voices of the TTS entity by language, as users see them (``_rebuild_voices``)."""
    program = next(it for it in info.tts if it.installed)
    voices: dict[str, list[Voice]] = defaultdict(list)
    for voice in program.voices:
        for language in voice.languages if voice.installed else ():
            voices[language].append(Voice(voice_id=voice.name, name=voice.description or voice.name))
    return {language: sorted(found, key=lambda it: it.name) for language, found in voices.items()}


def default_language(voices: dict[str, list[Voice]]) -> str:
    """Return the language that a new TTS entity begins with (``_rebuild_voices``)."""
    return min(voices)


def streams(info: Info) -> bool:
    """Return whether texts are sent while they come (``async_supports_streaming_input``)."""
    return next(it for it in info.tts if it.installed).supports_synthesize_streaming
