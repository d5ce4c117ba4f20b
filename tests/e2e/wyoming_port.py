"""A server with a Wyoming port, and clients of it that send what a test says and leave as it says."""

import asyncio
import contextlib
import io
import socket
import struct
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeVoice

from tests.e2e.server import Server, free_port, serving

PATIENCE_S = 30.0
"""How long an answer may take that no test observes the time of."""
RATE = 16_000


@contextlib.contextmanager
def serving_wyoming(home: Path, **env: str) -> Iterator[Server]:
    """Serve for a while, also on a Wyoming port."""
    with serving(home, SPEECHHUB_WYOMING_PORT=str(free_port()), **env) as server:
        yield server


class Visitor:
    """One connection, by hand: nothing is read or answered unasked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *events: Eventable) -> None:
        """Send events as `wyoming` writes them."""
        for event in events:
            await async_write_event(event.event(), self._writer)

    async def write(self, data: bytes) -> None:
        """Send bytes, whether or not they are events."""
        self._writer.write(data)
        await self._writer.drain()

    async def until(self, kind: str) -> list[Event]:
        """Return what comes, up to the first event of a type; fail if the connection ends before."""
        events: list[Event] = []
        async with asyncio.timeout(PATIENCE_S):
            while not (events and events[-1].type == kind):
                event = await async_read_event(self._reader)
                assert event is not None, f"the connection ended after {[it.type for it in events]}"
                assert kind == "error" or event.type != "error", event.data
                events.append(event)
        return events

    async def rest(self) -> list[Event]:
        """Return what comes until the server ends the connection."""
        events = []
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while event := await async_read_event(self._reader):
                    events.append(event)
        return events

    async def info(self) -> Info:
        """Ask what the server has."""
        await self.send(Describe())
        return Info.from_event((await self.until("info"))[-1])

    async def hear(self, *events: Eventable, language: str | None = None) -> str:
        """Send an utterance; return its text."""
        await self.send(Transcribe(language=language), *events)
        return Transcript.from_event((await self.until("transcript"))[-1]).text

    async def speak(self, text: str, voice: str | None = None) -> "Spoken":
        """Ask for the speech of a whole text."""
        await self.send(Synthesize(text=text, voice=SynthesizeVoice(name=voice) if voice else None))
        return spoken(await self.until("audio-stop"))

    async def refused(self) -> Error:
        """Return the error that comes; the server ends the connection after it."""
        error = Error.from_event((await self.until("error"))[-1])
        assert await self.rest() == []
        return error

    async def leave(self, *, rudely: bool = False) -> None:
        """Close the connection; *rudely* is a reset, as a program that was killed causes it."""
        if rudely:
            raw = self._writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def joined(port: int) -> AsyncIterator[Visitor]:
    """Connect, and leave at the end."""
    visitor = Visitor(*await asyncio.open_connection("127.0.0.1", port, limit=2**24))
    try:
        yield visitor
    finally:
        await visitor.leave()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A speech as it came; each payload is a whole number of samples."""

    rate: int
    samples: np.ndarray
    """int16, mono."""

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate

    def wav(self) -> bytes:
        """Return it as a file."""
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setframerate(self.rate)
            writer.setsampwidth(2)
            writer.setnchannels(1)
            writer.writeframes(self.samples.tobytes())
        return file.getvalue()


def spoken(events: Sequence[Event]) -> Spoken:
    """Return the speech in events: one start, chunks in the start's format, and one stop.

    Also checks what users heard as static: a header in the samples, half a sample at the end of a payload.
    """
    events = [event for event in events if event.type.startswith("audio-")]
    assert [event.type for event in events if event.type != "audio-chunk"] == ["audio-start", "audio-stop"]
    assert (events[0].type, events[-1].type) == ("audio-start", "audio-stop")
    start, payloads = AudioStart.from_event(events[0]), []
    assert (start.width, start.channels) == (2, 1)
    for event in events[1:-1]:
        chunk = AudioChunk.from_event(event)
        assert (chunk.rate, chunk.width, chunk.channels) == (start.rate, start.width, start.channels)
        assert len(chunk.audio) > 0
        assert len(chunk.audio) % 2 == 0
        payloads.append(chunk.audio)
    data = b"".join(payloads)
    assert b"RIFF" not in data[:64]
    return Spoken(rate=start.rate, samples=np.frombuffer(data, "<i2"))


def utterance(samples: np.ndarray, *, rate: int = RATE, piece: int = 1024) -> list[Eventable]:
    """Return the events of an utterance: float32 samples, range [-1, 1], sent as PCM16, mono."""
    pcm = (samples * 32767).astype("<i2").tobytes()
    return utterance_of(pcm, rate=rate, width=2, channels=1, piece=piece)


def utterance_of(pcm: bytes, *, rate: int, width: int, channels: int, piece: int = 1024) -> list[Eventable]:
    """Return the events of an utterance; a chunk has *piece* samples of each channel."""
    step = piece * width * channels
    shape = {"rate": rate, "width": width, "channels": channels}
    chunks = [AudioChunk(audio=pcm[at : at + step], **shape) for at in range(0, len(pcm), step)]
    return [AudioStart(**shape), *chunks, AudioStop()]


def text_stream(*texts: str, voice: str | None = None) -> list[Eventable]:
    """Return the events of a streamed text, with the whole text inside, as Home Assistant sends it."""
    wish = SynthesizeVoice(name=voice) if voice else None
    whole = Synthesize(text="".join(texts), voice=wish)
    chunks = [SynthesizeChunk(text=text) for text in texts]
    return [SynthesizeStart(voice=wish), *chunks, whole, SynthesizeStop()]
