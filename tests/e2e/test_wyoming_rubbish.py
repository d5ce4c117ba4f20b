"""Events that were damaged on their way, in their lengths, their JSON, their types and their order."""

import asyncio
import contextlib
import json
import logging
import random

import pytest
from wyoming.asr import Transcribe
from wyoming.event import Event, async_read_event
from wyoming.info import Describe
from wyoming.ping import Ping
from wyoming.tts import Synthesize

from tests.e2e.conftest import echo_env
from tests.e2e.live import metric
from tests.e2e.realtime import eventually
from tests.e2e.wyoming_port import RATE, joined, serving_wyoming, text_stream, utterance
from tests.fakes.babble import babble
from tests.fuzz.leaving import is_idle
from tests.fuzz.mixture import Watch, memory_bytes

pytestmark = pytest.mark.unhurried

log = logging.getLogger(__name__)

STREAMS = 2000
WARM_UP = 300
"""Streams before the memory is looked at for the first time."""
AT_A_TIME = 16
GROWTH_BYTES = 10 * 2**20
PATIENCE_S = 30
SPEECH = utterance(babble(0.3, RATE), piece=2400)
GOOD = [
    [Describe()],
    [Ping(text="hello")],
    [Transcribe(name="echo-stt", language="en"), *SPEECH],
    [*SPEECH, *SPEECH],
    [Synthesize(text="Yes.")],
    text_stream("It is ", "warm. ", "Yes."),
    [*text_stream("Yes."), Describe(), *SPEECH],
]
STRANGE = (
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**70,
    1e308,
    "",
    "x",
    "\x00",
    "\ud800",
    [],
    [[]],
    {},
    {"a": {}},
)


def encoded(event: Event, dice: random.Random) -> bytes:
    """Return an event as bytes, with its data inline or behind."""
    head = {"type": event.type, "version": "1.10.2"}
    data, payload = json.dumps(event.data).encode(), event.payload or b""
    if dice.random() < 0.3:
        head["data"], data = event.data, b""
    if data:
        head["data_length"] = len(data)
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + data + payload


def wrong_lengths(event, dice):
    """Lie about a length."""
    line, _, rest = encoded(event, dice).partition(b"\n")
    head = json.loads(line)
    head[dice.choice(("data_length", "payload_length"))] = dice.choice((*STRANGE, 7, 4096, 10**6, 2**20 + 1))
    return json.dumps(head).encode() + b"\n" + rest


def wrong_fields(event, dice):
    """Put something strange into a field, or leave the field out."""
    data = dict(event.data) or {"x": 1}
    name = dice.choice(sorted(data))
    if dice.random() < 0.3:
        del data[name]
    else:
        data[name] = dice.choice(STRANGE)
    return encoded(Event(type=event.type, data=data, payload=event.payload), dice)


def wrong_type(event, dice):
    """Give the event another type."""
    head, _, rest = encoded(event, dice).partition(b"\n")
    return (
        json.dumps(json.loads(head) | {"type": dice.choice((*STRANGE, "info", "audio-stop"))}).encode()
        + b"\n"
        + rest
    )


def wrong_bytes(event, dice):
    """Change, drop or add bytes anywhere."""
    data = bytearray(encoded(event, dice))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        match dice.randrange(3):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                del data[at : at + dice.randint(1, 9)]
            case _:
                data[at:at] = dice.randbytes(dice.randint(1, 9))
        if not data:
            break
    return bytes(data)


def deep(event, dice):
    """Nest deeper than any parser should follow."""
    return b'{"type": "describe", "data": ' + b'{"a":' * dice.choice((100, 5000)) + b"\n"


HARM = (wrong_lengths, wrong_fields, wrong_type, wrong_bytes, deep)


def stream(number: int) -> bytes:
    """Return stream *number*: the same on every machine."""
    dice = random.Random(f"stream {number}")
    events = [it.event() for it in dice.choice(GOOD)]
    if dice.random() < 0.3:
        dice.shuffle(events)
    harmed = {dice.randrange(len(events)) for _ in range(dice.randint(1, 2))}
    parts = []
    for at, event in enumerate(events):
        parts.append(dice.choice(HARM)(event, dice) if at in harmed else encoded(event, dice))
    data = b"".join(parts)
    return data[: dice.randrange(len(data))] if dice.random() < 0.2 else data


async def play(port: int, number: int) -> None:
    """Send a stream and end it; read until the server has ended the connection, which it must."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(stream(number))
            writer.write_eof()
            await writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while event := await async_read_event(reader):
                    if event.type == "error":
                        assert event.data["text"], number
                        assert event.data.get("code") != "internal_error", (number, event.data)
                        assert not await reader.read(1), f"stream {number}: something came after the error"
                        break
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def play_all(port, numbers):
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(number):
        async with places:
            await play(port, number)

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number))


@pytest.mark.scenario("wyoming-unreadable")
async def test_two_thousand_damaged_streams(tmp_path):
    """Each ends in an error or in the end of the connection, and harms the server in no way."""
    env = echo_env() | {"SPEECHHUB_CONCURRENCY_LIMIT": "1000"}
    with serving_wyoming(tmp_path, **env) as server:

        async def quiet():
            await eventually(
                lambda: is_idle(server) and not metric(server, "speechhub_wyoming_connections"), "all is over"
            )

        async with joined(server.wyoming_port) as visitor:
            await visitor.hear(*SPEECH)
            await visitor.speak("Yes.")
        await play_all(server.wyoming_port, range(-WARM_UP, 0))
        await quiet()
        watch, before_bytes = Watch(server), memory_bytes(server.pid)

        await play_all(server.wyoming_port, range(STREAMS))

        await quiet()
        log.info("grew by %.1f MB", (memory_bytes(server.pid) - before_bytes) / 2**20)
        await asyncio.to_thread(watch.check, GROWTH_BYTES)
        async with joined(server.wyoming_port) as visitor:
            assert await visitor.hear(*SPEECH)
            assert (await visitor.speak("Yes.")).duration_s > 0
        assert "never retrieved" not in server.log_text()
        assert "Traceback" not in server.log_text()
