"""OpenAI's client for Python: the Realtime API, and its beta. Each event has to be of a known type."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from calls import (
    KEY,
    LIMIT_S,
    SOCKET_URL,
    TEXT,
    URL,
    UTTERANCES,
    WRONG_KEY,
    UnexpectedAnswerError,
    call,
    check,
    spoken,
)
from calls import refused as refused_call
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.exceptions import ConnectionClosed

RATE = 24_000
TRANSCRIPTION = "conversation.item.input_audio_transcription"
LONG_TEXT = " ".join(TEXT for _ in range(40))
EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

Event = dict[str, Any]


class Session:
    """An open connection, and all events that came over it."""

    def __init__(self, connection: Any, *, beta: bool = False) -> None:
        self.connection: AsyncRealtimeConnection = connection
        self.beta = beta
        self.events: list[Event] = []

    async def until(self, kind: str, *, times: int = 1, error: str = "") -> Event:
        """Return the event of a type that makes up its number; only an *error* of that code may come before.

        Raises:
            UnexpectedAnswerError: Another error came, or a transcription failed.
        """
        seen, event = 0, {}
        async with asyncio.timeout(LIMIT_S):
            while seen < times:
                event = await self._next()
                told = event.get("error") or {}
                if told and not (error and told.get("code") == error):
                    raise UnexpectedAnswerError(f"{event['type']}: {told}")
                seen += event["type"] == kind
        return event

    async def _next(self) -> Event:
        data = await self.connection.recv_bytes()
        event: Event = json.loads(data)
        if not self.beta:
            EVENT.validate_json(data, strict=True)
        self.events.append(event)
        return event

    async def listen(self, turn_detection: Event | None, *, model: str = "gpt-4o-transcribe") -> Event:
        """Make this a session for transcription; return it as the server has it."""
        audio: Any = {
            "format": {"type": "audio/pcm", "rate": RATE},
            "transcription": {"model": model, "language": "en"},
            "turn_detection": turn_detection,
        }
        await self.update({"type": "transcription", "audio": {"input": audio}})
        return dict((await self.until("session.updated"))["session"])

    async def update(self, session: Any) -> None:
        """Ask for a change of the session, which need not be one that OpenAI would make."""
        await self.connection.session.update(session=session)

    async def say(self) -> None:
        """Append what the microphone hears."""
        async for piece in spoken():
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())

    def of(self, kind: str) -> list[Event]:
        """Return the events of one type that came so far."""
        return [event for event in self.events if event["type"] == kind]


@asynccontextmanager
async def connected(*, key: str = KEY, model: str = "") -> AsyncIterator[Session]:
    """Open a session for speech if there is a *model*, for transcription otherwise."""
    options: Event = {"model": model} if model else {"extra_query": {"intent": "transcription"}}
    async with (
        AsyncOpenAI(base_url=URL, api_key=key, max_retries=0) as client,
        client.realtime.connect(**options) as connection,
    ):
        yield Session(connection)


async def transcripts() -> list[str]:
    """Return the text of each utterance that the server tells apart."""
    return [event["transcript"] for event in (await heard()).of(f"{TRANSCRIPTION}.completed")]


async def heard() -> Session:
    """Let the server tell the utterances apart; return the session with all that came of it."""
    async with connected() as session:
        created = await session.until("session.created")
        check(created["session"]["type"] == "transcription", created)
        updated = await session.listen({"type": "server_vad", "silence_duration_ms": 500})
        check(updated["audio"]["input"]["turn_detection"]["type"] == "server_vad", updated)
        speaking = asyncio.create_task(session.say())
        await session.until(f"{TRANSCRIPTION}.completed", times=UTTERANCES)
        await speaking
        return session


async def server_vad() -> None:
    """The events of each utterance come in the order of OpenAI's."""
    session = await heard()
    committed = session.of("input_audio_buffer.committed")
    items = [event["item_id"] for event in committed]
    check([event.get("previous_item_id") for event in committed] == [None, *items[:-1]], committed)
    for item in items:
        check_order(session, item)
    starts = [event["audio_start_ms"] for event in session.of("input_audio_buffer.speech_started")]
    ends = [event["audio_end_ms"] for event in session.of("input_audio_buffer.speech_stopped")]
    times = [time for pair in zip(starts, ends, strict=True) for time in pair]
    check(times == sorted(times) and len(times) == 2 * UTTERANCES, times)


def check_order(session: Session, item: str) -> None:
    """Refuse an utterance whose events do not follow each other, or whose text is not there."""
    own = [event for event in session.events if item_of(event) == item]
    kinds = [event["type"] for event in own]
    steps = [kind for kind in kinds if kind != f"{TRANSCRIPTION}.delta"]
    buffer, conversation = "input_audio_buffer", "conversation.item"
    check(
        steps
        == [
            *(f"{buffer}.speech_started", f"{buffer}.speech_stopped", f"{buffer}.committed"),
            *(f"{conversation}.added", f"{conversation}.done", f"{TRANSCRIPTION}.completed"),
        ],
        kinds,
    )
    check(kinds[-1] == f"{TRANSCRIPTION}.completed" and own[-1]["transcript"], own[-1])
    check(own[-1]["usage"]["type"] == "duration", own[-1])


def item_of(event: Event) -> str:
    """Return the id of the item that an event is about."""
    return str(event.get("item_id") or (event.get("item") or {}).get("id") or "")


async def manual() -> None:
    """The program tells where an utterance ends; an error leaves the connection open."""
    async with connected() as session:
        await session.until("session.created")
        await session.listen(None)
        await session.say()
        await session.connection.input_audio_buffer.commit()
        completed = await session.until(f"{TRANSCRIPTION}.completed")
        check(completed["transcript"], completed)
        check(not session.of("input_audio_buffer.speech_started"), session.events)
        await session.connection.input_audio_buffer.commit(event_id="commit-1")
        empty = "input_audio_buffer_commit_empty"
        told = await session.until("error", error=empty)
        check(told["error"]["event_id"] == "commit-1" and "100ms" in told["error"]["message"], told)
        await session.connection.input_audio_buffer.append(audio="not base64", event_id="append-1")
        told = await session.until("error", error="invalid_value")
        check(told["error"]["event_id"] == "append-1" and told["error"]["param"] == "audio", told)
        await session.connection.input_audio_buffer.clear()
        await session.until("input_audio_buffer.cleared")


async def update_keeps() -> None:
    """What an update does not mention stays; what is refused changes nothing."""
    async with connected() as session:
        await session.until("session.created")
        before = await session.listen({"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 700})
        await session.update(
            {"type": "transcription", "audio": {"input": {"turn_detection": {"threshold": 0.8}}}}
        )
        after = (await session.until("session.updated"))["session"]
        before["audio"]["input"]["turn_detection"]["threshold"] = 0.8
        check(after["audio"] == before["audio"], after)


async def beta() -> None:
    """The flat fields of the beta, as older clients and Home Assistant's integrations still send them."""
    async with (
        # Without the second address it would speak TLS.
        AsyncOpenAI(base_url=URL, websocket_base_url=SOCKET_URL, api_key=KEY, max_retries=0) as client,
        client.beta.realtime.connect(
            model="gpt-4o-transcribe", extra_query={"intent": "transcription"}
        ) as it,
    ):
        session = Session(it, beta=True)
        await it.transcription_session.update(
            session={
                "input_audio_format": "pcm16",
                "input_audio_transcription": {
                    "model": "gpt-4o-transcribe",
                    "language": "en-US",
                    "prompt": "",
                },
                "turn_detection": {"type": "server_vad"},
            }
        )
        await session.until("transcription_session.updated")
        speaking = asyncio.create_task(session.say())
        await session.until(f"{TRANSCRIPTION}.completed", times=UTTERANCES)
        await speaking


async def unknown_model() -> None:
    """The error names the field, and the session stays as it was."""
    async with connected() as session:
        await session.until("session.created")
        await session.listen(None)
        audio = {"input": {"transcription": {"model": "no-such-model"}}}
        await session.update({"type": "transcription", "audio": audio})
        told = await session.until("error", error="model_not_found")
        check(told["error"]["param"] == "session.audio.input.transcription.model", told)
        check((await session.listen(None))["audio"]["input"]["transcription"]["model"], "no model")


async def speak(*, cancel: bool = False) -> Session:
    """Let a session for speech say a text word for word; return it."""
    async with connected(model="gpt-realtime") as session:
        created = await session.until("session.created")
        check(created["session"]["type"] == "realtime", created)
        output = {"voice": "alloy", "format": {"type": "audio/pcm", "rate": RATE}}
        await session.update(
            {"type": "realtime", "output_modalities": ["audio"], "audio": {"output": output}}
        )
        await session.until("session.updated")
        text = LONG_TEXT if cancel else TEXT
        item: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await session.connection.response.create(response={"conversation": "none", "input": [item]})
        if cancel:
            await session.until("response.output_audio.delta")
            await session.connection.response.cancel()
        await session.until("response.done")
        return session


async def speech() -> None:
    """The events of a response, its sound and its text."""
    session = await speak()
    pcm = b"".join(base64.b64decode(event["delta"]) for event in session.of("response.output_audio.delta"))
    check(len(pcm) > RATE and len(pcm) % 2 == 0, len(pcm))
    [spoken] = session.of("response.output_audio_transcript.done")
    check(spoken["transcript"] == TEXT, spoken)
    kinds = [event["type"].removeprefix("response.") for event in session.events[2:]]
    check([kind for kind in kinds if not kind.endswith(".delta")] == RESPONSE, kinds)
    check(session.events[-1]["response"]["status"] == "completed", session.events[-1])


RESPONSE = [
    *("created", "output_item.added", "content_part.added"),
    *("output_audio.done", "output_audio_transcript.done", "content_part.done", "output_item.done", "done"),
]
"""What a response consists of, besides its deltas and what it leaves in the conversation."""


async def cancelled() -> None:
    """A response that is cancelled ends, and says so."""
    session = await speak(cancel=True)
    check(session.events[-1]["response"]["status"] == "cancelled", session.events[-1])


async def client_secret() -> None:
    """A secret opens a session that is set up already, and nothing else."""
    transcription: Any = {"model": "gpt-4o-transcribe", "language": "en"}
    async with AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0) as client:
        made = await client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": transcription, "turn_detection": None}},
            },
        )
    check(made.value.startswith("ek_"), "not a secret")
    async with connected(key=made.value) as session:
        created = (await session.until("session.created"))["session"]
        check(created["audio"]["input"]["transcription"]["language"] == "en", created)
        check(created["audio"]["input"]["turn_detection"] is None, created)
        await session.say()
        await session.connection.input_audio_buffer.commit()
        await session.until(f"{TRANSCRIPTION}.completed")
    with refused_call("models.list, client secret", 401):
        async with AsyncOpenAI(base_url=URL, api_key=made.value, max_retries=0) as client:
            await client.models.list()


async def wrong_key() -> None:
    """The server accepts the connection, says what is wrong, and closes."""
    async with connected(key=WRONG_KEY) as session:
        told = await session.until("error", error="invalid_api_key")
        check(told["error"]["type"] == "invalid_request_error", told)
        try:
            await session.until("session.created")
        except ConnectionClosed as closed:
            received = closed.rcvd
            check(received and received.code == 3000, received)  # noqa: PLR2004 - OpenAI's own
            check(received and received.reason == "invalid_request_error.invalid_api_key", received)


async def main() -> None:
    """Call everything."""
    for what, run in (
        ("server_vad", server_vad),
        ("manual commits and errors", manual),
        ("partial updates", update_keeps),
        ("speech", speech),
        ("response.cancel", cancelled),
        ("unknown model: error", unknown_model),
        ("wrong key: error", wrong_key),
    ):
        with call(f"realtime.connect, {what}"):
            await run()
    with call("beta.realtime.connect"):
        await beta()
    with call("realtime.client_secrets.create"):
        await client_secret()


if __name__ == "__main__":
    asyncio.run(main())
