"""A client of the Realtime API in front of an application; it accepts no event that OpenAI's types refuse."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import numpy as np
from openai.types.beta.realtime import TranscriptionSessionUpdatedEvent
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.fakes.sockets import connected

EVENTS = TypeAdapter(RealtimeServerEvent)
BETA = TypeAdapter(TranscriptionSessionUpdatedEvent)
NO_SECRET = {"value": "", "expires_at": 0}
"""The beta's type wants a secret where OpenAI's own sockets had null."""


def checked(text):
    """Return an event, which OpenAI's types accept to the letter.

    Where a session has a sample rate that OpenAI does not, 24000 stands in for it.
    """
    event = json.loads(text)
    if event["type"] == "transcription_session.updated":
        assert event["session"]["client_secret"] is None
        session = event["session"] | {"client_secret": NO_SECRET}
        BETA.validate_json(json.dumps(event | {"session": session}), strict=True)
        return event
    EVENTS.validate_json(json.dumps(_at_24_khz(event)), strict=True)
    return event


def _at_24_khz(value):
    match value:
        case {"type": "audio/pcm", "rate": int(rate)}:
            assert 8_000 <= rate <= 48_000
            return value | {"rate": 24_000}
        case dict():
            return {name: _at_24_khz(part) for name, part in value.items()}
        case list():
            return list(map(_at_24_khz, value))
        case _:
            return value


class RealtimeClient:
    """One connection; every event that arrives is validated."""

    def __init__(self, client):
        self.client = client
        self.seen = []
        """All events so far."""

    async def send(self, kind, **fields):
        """Send one event."""
        await self.client.send(json.dumps({"type": kind} | fields))

    async def append(self, pcm16):
        """Send samples (int16) or bytes."""
        data = pcm16 if isinstance(pcm16, bytes) else np.asarray(pcm16, "<i2").tobytes()
        await self.send("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    async def receive(self):
        """Return the next event."""
        event = checked(await self.client.receive())
        self.seen.append(event)
        return event

    async def until(self, kind):
        """Return the next event of a type, reading over others."""
        while (event := await self.receive())["type"] != kind:
            pass
        return event

    async def ask(self, kind, **fields):
        """Send an event and return the next that comes back."""
        await self.send(kind, **fields)
        return await self.receive()

    async def error(self, kind, **fields):
        """Send an event and return the error that it gets."""
        answer = await self.ask(kind, **fields)
        assert answer["type"] == "error", answer
        return answer["error"]

    async def closed(self):
        """Read until the server closes; return how, and the events before it."""
        closed, texts = await self.client.closed()
        return closed, list(map(checked, texts))

    def types(self):
        """Return the types of all events so far."""
        return [event["type"] for event in self.seen]


@asynccontextmanager
async def realtime(app, path="/v1/realtime?intent=transcription", **facts):
    """Have a session with *app*, whose `session.created` was read."""
    async with connected(app, path, **facts) as client:
        session = RealtimeClient(client)
        created = await session.receive()
        assert created["type"] == "session.created"
        session.created = created["session"]
        yield session


def pcm16(samples):
    """Return float samples as int16."""
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)


async def settled(count=20):
    """Let whatever can run do so."""
    for _ in range(count):
        await asyncio.sleep(0)
