"""A client of `/v1/realtime` that sees every event with its time, and how the connection ended.

It speaks JSON over the `websockets` library and knows nothing of sessions, so it can also send what no real
client sends; what it receives must fit OpenAI's types, unless it has another `decode`. Everything runs on one
event loop; wait for the server with `eventually`, not with `until`.
"""

import asyncio
import base64
import contextlib
import json
import socket
import struct
import time
from contextlib import asynccontextmanager

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.realtime import checked

RATE = 24_000
"""Sample rate of a session that has not said otherwise, in hertz."""
PIECE_S = 0.1
"""Length of the pieces that `Session.play` sends, in seconds."""
DEADLINE_S = 30.0

STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"
CLEARED = "input_audio_buffer.cleared"
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
AUDIO = "response.output_audio.delta"
"""Names of events, for those that tests wait for most."""

TRANSCRIPTION, SPEECH = "intent=transcription", "model=gpt-realtime"
"""Queries for the two kinds of session."""
MANUAL = {"input": {"turn_detection": None}}
"""``audio`` of a session whose client commits."""


async def eventually(condition, what, deadline_s=DEADLINE_S):
    """Return the first true value of *condition*, while the loop and its sessions go on."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if value := condition():
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {deadline_s} s: {what}")


def pcm16(samples):
    """Return float32 samples as PCM16."""
    return (np.asarray(samples) * 32767).astype("<i2").tobytes()


class Event(dict):
    """One event of the server, as it was decoded."""

    at_s: float
    """When it arrived, by `time.monotonic`."""


class Session:
    """One connection; enter `joined` to have one."""

    def __init__(self, connection, *, reading=True, decode=checked):
        self.connection = connection
        self._decode = decode
        self.events = []
        """All events that have arrived."""
        self.sent_at_s = []
        """When each piece of `play` was handed to the socket, by `time.monotonic`."""
        self._over = False
        self._news = asyncio.Condition()
        self._reader = None
        if reading:
            self.read()

    def read(self):
        """Begin to read, if the session did not from the start."""
        self._reader = asyncio.create_task(self._read())

    async def send(self, kind, **fields):
        """Send one event."""
        await self.connection.send(json.dumps({"type": kind} | fields))

    async def update(self, kind="transcription", **session):
        """Change the session; return what the server made of it."""
        count = len(self.all("session.updated"))
        await self.send("session.update", session={"type": kind} | session)
        return (await self.until("session.updated", count + 1))["session"]

    async def append(self, audio):
        """Send PCM16 or samples."""
        data = audio if isinstance(audio, bytes) else pcm16(audio)
        await self.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    async def play(self, samples, *, rate=RATE, real_time=True):
        """Append *samples* piece by piece, in real time like a microphone, or as fast as the server reads."""
        began, length = time.monotonic(), round(PIECE_S * rate)
        for number, start in enumerate(range(0, len(samples), length), 1):
            if real_time:  # a piece can be sent when its last sample has been spoken
                await asyncio.sleep(began + number * PIECE_S - time.monotonic())
            self.sent_at_s.append(time.monotonic())
            await self.append(samples[start : start + length])

    async def speak(self, text, **response):
        """Ask for speech, as a response."""
        message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.send("response.create", response={"conversation": "none", "input": [message]} | response)

    def all(self, kind, **fields):
        """Return the events of a kind so far, in their order; *fields* select some."""
        wanted = {"type": kind} | fields
        return [event for event in self.events if wanted.items() <= event.items()]

    def text(self, item_id):
        """Return the deltas of an item, joined."""
        return "".join(event["delta"] for event in self.all(DELTA, item_id=item_id))

    async def until(self, kind, count=1, deadline_s=DEADLINE_S, **fields):
        """Wait for the event of a kind that is this one in number, counted over the whole session.

        Raises:
            AssertionError: The connection ended, an ``error`` came instead, or nothing did.
        """
        seen = len(self.events)
        try:
            async with asyncio.timeout(deadline_s), self._news:
                while len(found := self.all(kind, **fields)) < count:
                    errors = [event for event in self.events[seen:] if event["type"] == "error"]
                    assert not errors, f"{errors} while waiting for {kind}"
                    assert not self._over, f"closed with {self.close_code}, without {kind}: {self._kinds()}"
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind} within {deadline_s} s, only {self._kinds()}") from None
        return found[count - 1]

    async def error(self, count=1):
        """Return what the server says is wrong."""
        return (await self.until("error", count))["error"]

    async def closed(self, deadline_s=DEADLINE_S):
        """Wait for the end of the connection; return its close code, 1006 if there was none."""
        async with asyncio.timeout(deadline_s):
            await asyncio.wait([self._reader])
        return self.close_code

    @property
    def close_code(self):
        return self.connection.close_code

    @property
    def close_reason(self):
        return self.connection.close_reason

    async def leave(self):
        """Close the connection as a well-behaved client does."""
        await self.connection.close()
        await self._ended()

    async def hang_up(self):
        """End the connection without a close frame."""
        self.connection.transport.abort()
        await self._ended()

    async def reset(self):
        """End the connection as the system does for a program that was killed."""
        linger = struct.pack("ii", 1, 0)
        tcp = self.connection.transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self.hang_up()

    async def babble(self):
        """Send what no frame begins with, and end the connection."""
        self.connection.transport.write(b"\xff\xff\xff\xff")
        await self.hang_up()

    async def _ended(self):
        if self._reader:
            await self._reader

    def _kinds(self):
        return [event["type"] for event in self.events]

    async def _read(self):
        try:
            with contextlib.suppress(ConnectionClosed):
                async for message in self.connection:
                    event = Event(self._decode(message))
                    event.at_s = time.monotonic()
                    self.events.append(event)
                    async with self._news:
                        self._news.notify_all()
        finally:
            self._over = True
            async with self._news:
                self._news.notify_all()


def address(url, path="/v1/realtime", query=TRANSCRIPTION):
    """Return the WebSocket's address at a server's *url*."""
    return f"ws{url.removeprefix('http')}{path}?{query}"


@asynccontextmanager
async def joined(url, query=TRANSCRIPTION, *, path="/v1/realtime", reading=True, decode=checked, **options):
    """Connect to the server at *url*, with the options of `websockets`; leave at the end of the block."""
    defaults = {"compression": None, "proxy": None, "max_size": None}
    async with connect(address(url, path, query), **(defaults | options)) as connection:
        session = Session(connection, reading=reading, decode=decode)
        try:
            yield session
        finally:
            await session.leave()


@asynccontextmanager
async def ready(url, query=TRANSCRIPTION, **options):
    """Connect, and wait for ``session.created``."""
    async with joined(url, query, **options) as session:
        await session.until("session.created")
        yield session
