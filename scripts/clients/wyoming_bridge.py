"""wyoming_openai, the bridge that users of Home Assistant run, asked by a client for Wyoming."""

import asyncio
import re
import socket
import sys
import tempfile
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

from calls import AUDIO, KEY, LONG_AUDIO, TEXT, URL, WRONG_KEY, call, check, refused
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop, wav_to_chunks
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

HOST = "127.0.0.1"
LIMIT_S = 30
SAMPLES_PER_CHUNK = 1024
TTS_RATE = 24_000
SENTENCES = f"{TEXT} It jumps over the dog. Then it sleeps."

MODELS = (
    *("--languages", "en", "de"),
    *("--stt-models", "whisper-1", "no-such-model"),
    *("--stt-streaming-models", "gpt-4o-transcribe"),
    *("--tts-models", "tts-1", "no-such-model"),
    *("--tts-streaming-models", "gpt-4o-mini-tts"),
    *("--tts-voices", "alloy", "no-such-voice"),
)


class BridgeError(Exception):
    """The bridge sent an error; the status that it met stands in its log alone."""

    def __init__(self, text: str, log: str) -> None:
        codes = re.findall(r"Error code: (\d{3})", log)
        super().__init__(f"{text} ({log[-200:]})")
        self.status = int(codes[-1]) if codes else None
        self.log = log


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge that runs."""

    port: int
    log: Path

    async def asked(self, *sent: Event, until: str, pause_s: float = 0) -> list[Event]:
        """Send events over a connection of their own; return what comes back, up to one of a type.

        Args:
            sent: The events.
            until: The type.
            pause_s: Time between the events, in seconds.

        Raises:
            BridgeError: An error came back, or the connection ended.
        """
        logged = self.log.stat().st_size
        events: list[Event] = []
        async with AsyncTcpClient(HOST, self.port, read_timeout=LIMIT_S) as client:
            for event in sent:
                await client.write_event(event)
                await asyncio.sleep(pause_s)
            while not (events and events[-1].type == until):
                event = await client.read_event()
                if event is None or Error.is_type(event.type):
                    text = Error.from_event(event).text if event else "the connection ended"
                    raise BridgeError(text, self.log.read_bytes()[logged:].decode())
                events.append(event)
        return events

    async def info(self) -> Info:
        """Return what the bridge offers."""
        return Info.from_event((await self.asked(Describe().event(), until="info"))[-1])

    async def transcribe(
        self, path: Path, model: str, *, language: str | None = None, speed: float = inf
    ) -> tuple[str, list[str]]:
        """Return the text of a recording, and the pieces that came before it.

        The recording is sent *speed* times as fast as it was spoken.
        """
        with wave.open(str(path)) as file:
            pause_s = SAMPLES_PER_CHUNK / file.getframerate() / speed
            audio = [
                event.event()
                for event in wav_to_chunks(file, SAMPLES_PER_CHUNK, start_event=True, stop_event=True)
            ]
        asked = Transcribe(name=model, language=language).event()
        events = await self.asked(asked, *audio, until="transcript", pause_s=pause_s)
        pieces = [
            TranscriptChunk.from_event(event).text for event in events if TranscriptChunk.is_type(event.type)
        ]
        return Transcript.from_event(events[-1]).text, pieces

    async def synthesize(self, text: str, voice: str) -> float:
        """Return the length of speech that is asked for as a whole, in seconds."""
        asked = Synthesize(text=text, voice=SynthesizeVoice(name=voice)).event()
        return length(await self.asked(asked, until="audio-stop"))

    async def stream(self, text: str, voice: str) -> float:
        """Return the length of speech whose text comes word by word, as Home Assistant sends it."""
        named = SynthesizeVoice(name=voice)
        words = [SynthesizeChunk(text=word).event() for word in re.findall(r"\S+\s*", text)]
        whole = Synthesize(text=text, voice=named).event()  # for servers that do not stream
        sent = [SynthesizeStart(voice=named).event(), *words, whole, SynthesizeStop().event()]
        events = await self.asked(*sent, until=SynthesizeStopped().event().type)
        return length(events[:-1])


def length(events: Sequence[Event]) -> float:
    """Return the length of speech in seconds; there is one start, then audio, then one stop."""
    start = AudioStart.from_event(events[0])
    check(AudioStop.is_type(events[-1].type) and start.rate == TTS_RATE, [event.type for event in events])
    audio = b"".join(AudioChunk.from_event(event).audio for event in events[1:-1])
    return len(audio) / float(start.width * start.channels * start.rate)


@asynccontextmanager
async def bridge(*options: str, key: str = KEY) -> AsyncIterator[Bridge]:
    """Run a bridge to the server.

    Raises:
        BridgeError: It ended before it listened.
    """
    with socket.create_server((HOST, 0)) as held:
        port = held.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-s", "-m", "wyoming_openai", "--uri", f"tcp://{HOST}:{port}", *options),
                *("--stt-openai-url", URL, "--stt-openai-key", key),
                *("--tts-openai-url", URL, "--tts-openai-key", key),
                stderr=file,
            )
        try:
            while not await listens(port):
                if process.returncode is not None:
                    raise BridgeError("the bridge ended", log.read_text())
                await asyncio.sleep(0.05)
            yield Bridge(port=port, log=log)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def listens(port: int) -> bool:
    """Tell whether something takes connections."""
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def main() -> None:
    """Call everything."""
    async with bridge(*MODELS) as started:
        with call("describe"):
            info = await started.info()
            check({model.name for program in info.asr for model in program.models} >= {"whisper-1"}, info.asr)
            check(any(program.supports_synthesize_streaming for program in info.tts), info.tts)
        with call("transcribe, whisper-1"):
            text, _ = await started.transcribe(AUDIO, "whisper-1")
            check(text, "no text")
        with call("transcribe, language"):
            text, _ = await started.transcribe(AUDIO, "whisper-1", language="de")
            check(text, "no text")
        with call("transcribe, stream"):
            text, pieces = await started.transcribe(AUDIO, "gpt-4o-transcribe")
            check(text and "".join(pieces) == text, (text, pieces))
        with call("synthesize, tts-1"):
            whole_s = await started.synthesize(SENTENCES, "alloy (tts-1)")
            check(whole_s > 1, whole_s)
        with call("synthesize, stream"):
            streamed_s = await started.stream(SENTENCES, "alloy (gpt-4o-mini-tts)")
            check(whole_s / 2 < streamed_s < whole_s * 1.5, (whole_s, streamed_s))
        with refused("transcribe, unknown model", 404):
            await started.transcribe(AUDIO, "no-such-model")
        with refused("transcribe, too large", 413):
            await started.transcribe(LONG_AUDIO, "whisper-1")
        with refused("synthesize, unknown model", 404):
            await started.synthesize(TEXT, "alloy (no-such-model)")
        with refused("synthesize, unknown voice", 400):
            await started.synthesize(TEXT, "no-such-voice (tts-1)")
        with refused("synthesize, unknown voice in a stream", 400):
            await started.stream(TEXT, "no-such-voice (gpt-4o-mini-tts)")
    async with bridge(*MODELS, key=WRONG_KEY) as started:
        with refused("transcribe, wrong key", 401):
            await started.transcribe(AUDIO, "whisper-1")
        with refused("synthesize, wrong key", 401):
            await started.synthesize(TEXT, "alloy (tts-1)")


if __name__ == "__main__":
    asyncio.run(main())
