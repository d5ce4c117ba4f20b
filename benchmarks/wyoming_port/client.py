"""A client of Home Assistant's protocol that takes the time, with the library that Home Assistant uses."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

RATE = 16_000
"""Sample rate of what is sent, in hertz; Home Assistant's."""
PIECE = 1024
"""Samples of an audio-chunk that is sent."""
WORD_S = 0.1
"""Pace of a text that is being written."""
SPEAKING_S = 0.3
"""Time between an utterance's last audio and its audio-stop, in seconds: Home Assistant sends while somebody
speaks, so by then a server has taken everything."""
LIMIT_S = 120.0


@dataclass(slots=True, kw_only=True)
class Speech:
    """What a listener got."""

    first_s: float = 0.0
    """From the first event that was sent to the first audio."""
    second_s: float = 0.0
    """From that event to the first word of the second sentence, which shows that the first one has ended."""
    whole_s: float = 0.0
    """From that event to the end of the speech."""
    rate: int = 0
    pcm: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def audio_s(self) -> float:
        """Length of the speech."""
        return len(self.pcm) / 2 / self.rate

    @property
    def late_s(self) -> float:
        """From the end of the first sentence to the first audio."""
        return self.first_s - self.second_s


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[AsyncTcpClient]:
    """Connect to a server on the loopback interface, as Home Assistant does for each piece of work."""
    client = AsyncTcpClient("127.0.0.1", port, connect_timeout=LIMIT_S, read_timeout=LIMIT_S)
    async with client:
        yield client


async def events(client: AsyncTcpClient, is_last: Callable[[str], bool]) -> AsyncIterator[Event]:
    """Yield what a server sends, up to the event that ends its answer."""
    while (event := await client.read_event()) is not None:
        assert not Error.is_type(event.type), event.data
        yield event
        if is_last(event.type):
            return
    raise AssertionError("the server has closed the connection")


async def _listen(
    client: AsyncTcpClient, speech: Speech, began: float, is_last: Callable[[str], bool]
) -> None:
    async for event in events(client, is_last):
        if AudioChunk.is_type(event.type) and event.payload:
            if not speech.pcm:
                speech.first_s = time.perf_counter() - began
                speech.rate = event.data["rate"]
            speech.pcm += event.payload
    speech.whole_s = time.perf_counter() - began


async def speak(port: int, text: str) -> Speech:
    """Have a whole text spoken."""
    speech = Speech()
    async with connected(port) as client:
        began = time.perf_counter()
        await client.write_event(Synthesize(text=text).event())
        await _listen(client, speech, began, AudioStop.is_type)
    return speech


async def write(port: int, sentences: Sequence[str]) -> Speech:
    """Have a text spoken that is written a word at a time, as Home Assistant passes on a language model's."""
    speech = Speech()
    async with connected(port) as client:
        began = time.perf_counter()

        async def writing() -> None:
            await client.write_event(SynthesizeStart().event())
            for number, sentence in enumerate(sentences):
                for place, word in enumerate(sentence.split()):
                    if (number, place) == (1, 0):
                        speech.second_s = time.perf_counter() - began
                    await client.write_event(SynthesizeChunk(text=f"{word} ").event())
                    await asyncio.sleep(WORD_S)
            await client.write_event(
                Synthesize(text=" ".join(sentences)).event()
            )  # for servers before 2025.8
            await client.write_event(SynthesizeStop().event())

        async with asyncio.TaskGroup() as group:
            group.create_task(writing())
            await _listen(client, speech, began, SynthesizeStopped.is_type)
    return speech


async def transcribe(port: int, pcm: bytes, language: str = "en") -> tuple[str, float]:
    """Return what a server hears, and the seconds from audio-stop to the transcript."""
    form = {"rate": RATE, "width": 2, "channels": 1}
    async with connected(port) as client:
        await client.write_event(Transcribe(language=language).event())
        await client.write_event(AudioStart(**form).event())
        for start in range(0, len(pcm), 2 * PIECE):
            await client.write_event(AudioChunk(**form, audio=pcm[start : start + 2 * PIECE]).event())
        await asyncio.sleep(SPEAKING_S)
        began = time.perf_counter()
        await client.write_event(AudioStop().event())
        async for event in events(client, Transcript.is_type):
            text = event.data.get("text", "")
    return text, time.perf_counter() - began


async def describe(port: int) -> float:
    """Return how long a server takes to say what it offers, connecting included, in seconds."""
    began = time.perf_counter()
    async with connected(port) as client:
        await client.write_event(Describe().event())
        async for event in events(client, Info.is_type):
            assert event.data["tts"] or event.data["asr"]
        return time.perf_counter() - began


def look(port: int, seconds: float, pace_s: float = 0.02) -> list[float]:
    """Ask a server at this pace what it offers; call it in a process of its own, so that nothing delays it.

    Returns:
        How long each answer took, in seconds. A late answer delays no other question.
    """

    async def looking() -> list[float]:
        async with asyncio.TaskGroup() as group:
            asked = []
            for _ in range(round(seconds / pace_s)):
                asked.append(group.create_task(describe(port)))
                await asyncio.sleep(pace_s)
        return [task.result() for task in asked]

    return asyncio.run(looking())
