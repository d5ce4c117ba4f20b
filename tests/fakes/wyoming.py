"""A client of Wyoming's without a socket, and what a connection does for it."""

import asyncio
import json
from types import SimpleNamespace

from wyoming.asr import Transcript, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.tts import SynthesizeStopped

from speechhub.metrics import Metrics
from speechhub.services.callers import Callers
from speechhub.wyoming.connection import Connection, Offer
from speechhub.wyoming.exchange import Exchange
from speechhub.wyoming.wire import MAX_LINE_BYTES, WyomingWire


def event(kind, data=None, payload=b"", *, inline=False):
    """Return an event's bytes, its data behind the line, as the library writes it, or in the line."""
    head = {"type": kind, "version": "1.10.2"}
    behind = b""
    if data is not None and inline:
        head["data"] = data
    elif data is not None:
        behind = json.dumps(data).encode()
        head["data_length"] = len(behind)
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + behind + payload


def chunk(payload=b"\1\0" * 160):
    """Return the bytes of some audio."""
    return event("audio-chunk", {"rate": 16_000, "width": 2, "channels": 1}, payload)


class Pipe:
    """The writer of a connection, whose other end reads everything, or nothing while it is `stalled`."""

    def __init__(self):
        self.written = bytearray()
        self.closed = self.aborted = self.ended = self.stalled = False
        self.transport = SimpleNamespace(abort=self._abort)
        self.peer = ("192.0.2.7", 4711)

    def _abort(self):
        self.aborted = True

    def is_closing(self):
        return self.closed or self.aborted

    def write(self, data):
        if self.is_closing():
            raise RuntimeError("uvloop does not write any more")
        self.written += data

    def writelines(self, parts):
        self.write(b"".join(parts))

    async def drain(self):
        if self.stalled:
            await asyncio.get_running_loop().create_future()

    def write_eof(self):
        self.ended = True

    def close(self):
        self.closed = True

    async def wait_closed(self):
        if self.stalled:
            await asyncio.get_running_loop().create_future()

    def events(self):
        """Return what was sent: type, data and payload of each event."""
        left, found = bytes(self.written), []
        while left:
            line, _, left = left.partition(b"\n")
            head = json.loads(line)
            size = head.get("data_length", 0)
            data, left = json.loads(left[:size] or b"{}"), left[size:]
            size = head.get("payload_length", 0)
            found.append((head["type"], data, left[:size]))
            left = left[size:]
        return found

    def types(self):
        """Return the types of the events that were sent."""
        return [kind for kind, _, _ in self.events()]


class FakeUtterance:
    """An utterance whose transcript says how much audio came; `hold` keeps it back."""

    def __init__(self, wanted, *, hold=None, fault=None, at="answer"):
        self.wanted, self.hold, self.fault, self.at = wanted, hold, fault, at
        self.chunks = []
        self.closed = 0
        if at == "open" and fault:
            raise fault

    async def add(self, piece):
        if self.at == "add" and self.fault:
            raise self.fault
        self.chunks.append(piece)

    async def answer(self, send, notes):
        notes["model"] = "fake"
        if self.hold:
            await self.hold.wait()
        if self.fault:
            raise self.fault
        await send(Transcript(text=f"{sum(len(it.payload) for it in self.chunks)} bytes"), TranscriptStop())

    def close(self):
        self.closed += 1


class FakeSpeech:
    """A speech that says each piece of text when it comes."""

    def __init__(self, wish, streamed, *, hold=None, fault=None, at="answer"):
        self.wish, self.streamed, self.hold, self.fault, self.at = wish, streamed, hold, fault, at
        self.said = []
        self.pieces = asyncio.Queue()
        self.closed = 0

    async def write(self, text):
        if self.at == "write" and self.fault:
            raise self.fault
        self.pieces.put_nowait(text)

    def end(self):
        self.pieces.put_nowait(None)

    async def answer(self, send, notes):
        notes["model"] = "fake"
        await send(AudioStart(rate=24_000, width=2, channels=1))
        while (text := await self.pieces.get()) is not None:
            self.said.append(text)
            await send(AudioChunk(rate=24_000, width=2, channels=1, audio=b"\1\0"))
        if self.hold:
            await self.hold.wait()
        if self.fault and self.at == "answer":
            raise self.fault
        await send(AudioStop(), *([SynthesizeStopped()] if self.streamed else []))

    async def aclose(self):
        self.closed += 1


class Conversation:
    """A connection, the client at its other end, and the work that it began."""

    def __init__(self, *, per_minute=0, **behaviour):
        """Begin; *behaviour* is that of each utterance and speech. Needs a running loop."""
        self.hub = SimpleNamespace(
            stopping=False, callers=Callers(per_minute=per_minute, at_a_time=1), metrics=Metrics()
        )
        self.behaviour = behaviour
        self.utterances, self.speeches = [], []
        self.reader, self.pipe = asyncio.StreamReader(limit=MAX_LINE_BYTES), Pipe()
        self.connection = Connection(
            WyomingWire(self.reader, self.pipe),
            Offer(
                info=lambda: Event("info", {"asr": []}),
                hear=self._hear,
                speak=self._speak,
                exchange=lambda route: Exchange(self.hub, route=route, caller="192.0.2.7"),
            ),
        )
        self.serving = asyncio.create_task(self.connection.serve())

    def _hear(self, wanted):
        self.utterances.append(FakeUtterance(wanted, **self.behaviour))
        return self.utterances[-1]

    async def _speak(self, wish, *, text_format, streamed):
        if self.behaviour.get("at") == "open":
            raise self.behaviour["fault"]
        self.speeches.append(FakeSpeech(wish, streamed, **self.behaviour))
        return self.speeches[-1]

    async def say(self, *sent):
        """Send bytes at once, and let the server do what it can without waiting."""
        self.reader.feed_data(b"".join(sent))
        await self.settle()

    async def settle(self):
        """Let everything run that does not wait for time to pass."""
        for _ in range(40):
            await asyncio.sleep(0)

    async def leave(self):
        """Close the client's end; return when the server has closed its own."""
        self.reader.feed_eof()
        await self.serving

    @property
    def types(self):
        return self.pipe.types()
