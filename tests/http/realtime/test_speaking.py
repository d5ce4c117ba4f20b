"""Speech out: the events of a response, what it sounds like, and how it ends."""

import asyncio
import base64
import itertools

import numpy as np
import pytest

from speechhub.codecs import g711
from speechhub.errors import EngineCrashedError
from speechhub.http.realtime.client_events import MAX_EVENT_CHARS
from speechhub.http.realtime.response import ResponsePlan, SpokenResponse
from speechhub.http.realtime.server_events import ResponseCreated, ResponseDone
from speechhub.http.realtime.session_object import Pcm
from speechhub.http.sockets.socket import Socket
from speechhub.settings import Settings
from tests.fakes.babble import talk
from tests.fakes.realtime import pcm16, realtime, settled

PATH = "/v1/realtime?model=mouth"
DELTA = "response.output_audio.delta"
TEXT = "Good morning. It is **8** o'clock, and the coffee is ready."
EVENTS = [
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.done",
]


def said(text=TEXT, **more):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]} | more


async def update(session, **changes):
    answer = await session.ask("session.update", session={"type": "realtime"} | changes)
    assert answer["type"] == "session.updated", answer
    return answer["session"]


async def spoken(session, **wish):
    """Have a response made; return its `response.done` and its sound."""
    await session.send("response.create", response={"input": [said()]} | wish)
    done = (await session.until("response.done"))["response"]
    deltas = [event["delta"] for event in session.seen if event["type"] == DELTA]
    return done, b"".join(map(base64.b64decode, deltas))


async def test_the_events_of_a_response(app):
    """Each once and in OpenAI's order, with the same ids; the text is the client's own, word for word."""
    async with realtime(app, PATH) as session:
        done, _ = await spoken(session, conversation="none", metadata={"a": "b"})

    events = session.seen[1:]
    types = [kind for kind, _ in itertools.groupby(event["type"] for event in events)]
    item = done["output"][0]
    assert types == EVENTS
    assert done["status"] == "completed"
    assert done["metadata"] == {"a": "b"}
    assert done["conversation_id"] is None
    assert item["status"] == "completed"
    assert item["content"] == [{"type": "output_audio", "transcript": TEXT}]
    assert {event["response_id"] for event in events if "response_id" in event} == {done["id"]}
    assert {event["item_id"] for event in events if "item_id" in event} == {item["id"]}
    assert len({event["event_id"] for event in session.seen}) == len(session.seen)


async def test_usage(app):
    """It is an estimate, and adds up."""
    async with realtime(app, PATH) as session:
        done, sound = await spoken(session)

    usage = done["usage"]
    assert usage["input_tokens"] == -(-len(TEXT) // 4)
    assert usage["output_tokens"] == usage["output_token_details"]["audio_tokens"]
    assert usage["output_tokens"] == pytest.approx(len(sound) / 48_000 * 20, abs=1)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


async def test_the_sound_is_that_of_an_upload(app, client):
    """`/v1/audio/speech` with `pcm` gives the same bytes."""
    async with realtime(app, PATH) as session:
        _, sound = await spoken(session)
    whole = await client.audio.speech.create(input=TEXT, model="mouth", voice="anna", response_format="pcm")

    assert sound == whole.content


@pytest.mark.parametrize("law", list(g711.Law))
async def test_telephones_get_g711(app, client, law):
    """The session's output format is what comes: 8 kHz, one byte a sample."""
    async with realtime(app, PATH) as session:
        await update(session, audio={"output": {"format": {"type": f"audio/{law}"}}})
        done, sound = await spoken(session)
    whole = await client.audio.speech.create(
        input=TEXT, model="mouth", voice="anna", response_format="pcm", extra_body={"sample_rate": 8000}
    )

    assert sound == g711.encode(np.frombuffer(whole.content, "<i2"), law)
    assert done["audio"]["output"]["format"] == {"type": f"audio/{law}"}


async def test_what_the_engine_is_asked_for(app, runner):
    """Voice, speed and rate are the session's, or the response's where it has its own."""
    async with realtime(app, PATH) as session:
        await update(
            session,
            instructions="Be calm.",
            audio={
                "output": {
                    "voice": {"id": "bert"},
                    "speed": 2,
                    "format": {"type": "audio/pcm", "rate": 16_000},
                }
            },
        )
        _, slow = await spoken(session, audio={"output": {"speed": 0.5, "voice": "anna"}})
        session.seen.clear()
        done, fast = await spoken(session)

    voices = [request.voice for _, request in runner.requests]
    assert (voices[0], voices[-1]) == ("anna", "bert")
    assert done["audio"]["output"]["voice"] == "bert"
    assert len(slow) == pytest.approx(4 * len(fast), rel=0.1)
    assert all("calm" not in request.text for _, request in runner.requests)


async def test_a_response_without_input_speaks_the_last_item(app, runner):
    """What the client has created last is spoken, and the speech is an item that follows it."""
    async with realtime(app, PATH) as session:
        await session.send("conversation.item.create", item=said("First.", id="one"))
        await session.send("conversation.item.create", item=said("Second.", id="two"))
        await session.send("response.create")
        done = (await session.until("response.done"))["response"]
        item = await session.ask("conversation.item.retrieve", item_id=done["output"][0]["id"])
        again = await session.ask("conversation.item.retrieve", item_id="one")

    added = [event for event in session.seen if event["type"] == "conversation.item.added"]
    assert [request.text for _, request in runner.requests] == ["Second."]
    assert [event["previous_item_id"] for event in added] == [None, "one", "two"]
    assert item["item"]["content"] == [{"type": "output_audio", "transcript": "Second."}]
    assert again["item"]["content"] == [{"type": "input_text", "text": "First."}]
    assert done["conversation_id"].startswith("conv_")


async def test_a_reference_is_spoken(app, runner):
    """An input can be an item that is there already."""
    async with realtime(app, PATH) as session:
        await session.send("conversation.item.create", item=said("Stored.", id="stored"))
        await spoken(session, input=[{"type": "item_reference", "id": "stored"}, said("New.")])
        error = await session.error(
            "response.create", response={"input": [{"type": "item_reference", "id": "gone"}]}
        )

    assert runner.requests[0][1].text.split() == ["Stored.", "New."]
    assert (error["code"], error["param"]) == ("item_not_found", "response.input[0].id")


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({}, "response.input"),
        ({"input": []}, "response.input"),
        ({"input": [said(" ")]}, "response.input"),
        ({"instructions": "Greet the user."}, "response.input"),
        ({"input": [said(role="system")]}, "response.input"),
        (
            {
                "input": [
                    {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": ""}]}
                ]
            },
            "response.input[0].content[0].type",
        ),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "response.input[0].type"),
        ({"input": [said(role="robot")]}, "response.input[0].role"),
        ({"input": [said()], "output_modalities": ["text"]}, "response.output_modalities"),
        ({"input": [said()], "audio": {"output": {"speed": 9}}}, "response.audio.output.speed"),
        ({"input": [said()], "audio": {"output": {"format": "mp3"}}}, "response.audio.output.format.type"),
    ],
    ids=str,
)
async def test_what_cannot_be_spoken(app, wish, param):
    """It is refused by its path, and the session goes on."""
    async with realtime(app, PATH) as session:
        error = await session.error("response.create", response=wish, event_id="mine")
        done, _ = await spoken(session)

    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", param, "mine")
    assert done["status"] == "completed"


async def test_audio_gets_no_answer(app):
    """There is no language model, and the error says so."""
    async with realtime(app, PATH) as session:
        await update(session, audio={"input": {"turn_detection": None}})
        await session.append(pcm16(talk(1, rate=24_000)))
        await session.send("input_audio_buffer.commit")
        await session.until("conversation.item.done")
        error = await session.error("response.create")

    assert (error["code"], error["param"]) == ("invalid_value", "response.input")
    assert "no language model" in error["message"]


async def test_a_failure_ends_the_response(app, runner):
    """`response.done` has the error; the next response is made."""
    async with realtime(app, PATH) as session:
        runner.error = EngineCrashedError("The engine is gone.")
        failed, sound = await spoken(session)
        runner.error = None
        done, _ = await spoken(session)

    assert failed["status"] == "failed"
    assert failed["status_details"]["type"] == "failed"
    assert failed["status_details"]["error"]["message"] == "The engine is gone."
    assert sound == b""
    assert done["status"] == "completed"
    assert "error" not in session.types()


async def test_a_failure_halfway_ends_what_has_begun(app, runner):
    """Item and part are closed, as incomplete."""
    runner.piece_s = 3.0
    runner.error_after_first = EngineCrashedError("The engine is gone.")
    async with realtime(app, PATH) as session:
        failed, _ = await spoken(session, conversation="none")

    types = [kind for kind, _ in itertools.groupby(session.types()[1:])]
    assert types == EVENTS or types == [kind for kind in EVENTS if kind != DELTA]
    assert failed["status"] == "failed"
    assert failed["output"][0]["status"] == "incomplete"


async def test_an_unknown_voice_fails_the_response(app):
    async with realtime(app, PATH) as session:
        failed, _ = await spoken(session, audio={"output": {"voice": "caruso"}})

    assert failed["status_details"]["error"]["code"] == "invalid_value"
    assert "caruso" in failed["status_details"]["error"]["message"]


async def test_an_unknown_model_is_told(app):
    """The address may name anything; what needs the model tells it."""
    async with realtime(app, "/v1/realtime?model=nobody") as session:
        error = await session.error("response.create", response={"input": [said()]})
        worse = await session.error("session.update", session={"type": "realtime", "instructions": "x"})
        await update(session, model="mouth")
        done, _ = await spoken(session)

    assert (error["code"], error["param"]) == ("model_not_found", "session.model")
    assert (worse["code"], worse["param"]) == ("model_not_found", "session.model")
    assert done["status"] == "completed"


@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-mini", "gpt-4o-realtime-preview-2024-12-17"])
async def test_openais_names_speak(app, runner, model):
    async with realtime(app, f"/v1/realtime?model={model}") as session:
        await spoken(session)

    assert session.created["model"] == model
    assert runner.requests[0][0] == "mouth"


# ── Early ends ───────────────────────────────────────────────────────────────


async def test_a_cancel_before_the_first_sound(app, runner):
    """It is over at once, though the engine is not ready; the engine's work is withdrawn."""
    runner.gate.clear()
    async with realtime(app, PATH) as session:
        await session.send("response.create", response={"input": [said()]})
        await session.until("response.created")
        await settled(100)
        done = (await session.ask("response.cancel"))["response"]
        async with asyncio.timeout(10):
            await runner.cancelled.wait()

    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert done["output"] == []


class Watched:
    """What happens to the sound that is queued for a client."""

    def __init__(self, monkeypatch):
        self.filled = asyncio.Event()
        """Twenty pieces were queued, or wait to be."""
        self.taken_back = asyncio.Event()
        send, forget, count = Socket.send, Socket.forget, itertools.count(1)

        async def watched_send(socket, data, *, tag=None):
            if tag == "audio" and next(count) == 20:
                self.filled.set()
            await send(socket, data, tag=tag)

        def watched_forget(socket, tag):
            if forget(socket, tag):
                self.taken_back.set()

        monkeypatch.setattr(Socket, "send", watched_send)
        monkeypatch.setattr(Socket, "forget", watched_forget)


async def test_no_sound_after_a_cancel(app, runner, monkeypatch):
    """Sound that waits for a slow reader is taken back; then only what ends the response comes."""
    runner.piece_s, sound = 120.0, Watched(monkeypatch)
    async with realtime(app, PATH) as session:
        session.client.reading.clear()  # the client reads nothing more
        await session.send("response.create", response={"input": [said()], "conversation": "none"})
        async with asyncio.timeout(20):
            await sound.filled.wait()
        await session.send("response.cancel")
        async with asyncio.timeout(20):
            await sound.taken_back.wait()
        session.client.reading.set()
        done = (await session.until("response.done"))["response"]
        first = list(session.seen)
        runner.piece_s = 0.5
        again, _ = await spoken(session)

    later = session.seen[len(first) :]
    assert [event["type"] for event in first].count(DELTA) <= 1  # one may have been going out
    assert done["status"] == "cancelled"
    assert again["status"] == "completed"
    assert {event["response_id"] for event in later if "response_id" in event} == {again["id"]}


async def test_a_cancel_of_another_response(app, runner):
    """The id is compared."""
    runner.gate.clear()
    async with realtime(app, PATH) as session:
        await session.send("response.create", response={"input": [said()]})
        created = await session.until("response.created")
        error = await session.error("response.cancel", response_id="resp_other")
        done = await session.ask("response.cancel", response_id=created["response"]["id"])

    assert error["code"] == "response_cancel_not_active"
    assert done["response"]["status"] == "cancelled"


@pytest.mark.parametrize("interrupts", [True, False])
async def test_barge_in(app, runner, interrupts):
    """Somebody who begins to speak ends the response, unless the session says otherwise."""
    runner.gate.clear()
    async with realtime(app, PATH) as session:
        turns = {"type": "server_vad", "interrupt_response": interrupts}
        await update(session, audio={"input": {"turn_detection": turns}})
        await session.send("response.create", response={"input": [said()]})
        await session.until("response.created")
        await session.append(pcm16(talk(0, 0.5, 1, rate=24_000)))
        await session.until("input_audio_buffer.speech_started")
        if not interrupts:
            runner.gate.set()
        done = (await session.until("response.done"))["response"]
        runner.gate.set()

    assert done["status"] == ("cancelled" if interrupts else "completed")
    if interrupts:
        assert done["status_details"]["reason"] == "turn_detected"


async def test_leaving_stops_the_engine(app, runner):
    runner.gate.clear()
    async with realtime(app, PATH) as session:
        await session.send("response.create", response={"input": [said()]})
        await session.until("response.created")
        await settled(100)

    assert runner.cancelled.is_set()


@pytest.mark.parametrize("settings", [Settings(rate_limit_per_minute=1)], ids=["1"])
async def test_responses_count_among_the_requests_of_a_minute(app):
    async with realtime(app, PATH) as session:
        await spoken(session)
        error = await session.error("response.create", response={"input": [said()]})

    assert error["code"] == "rate_limit_exceeded"
    assert error["type"] == "requests"


# ── The conversation ─────────────────────────────────────────────────────────


async def test_the_last_hundred_items_are_kept(app):
    async with realtime(app, PATH) as session:
        for number in range(101):
            await session.send("conversation.item.create", item=said(id=f"item_{number}"))
            await session.until("conversation.item.done")
        gone = await session.error("conversation.item.retrieve", item_id="item_0")
        kept = await session.ask("conversation.item.retrieve", item_id="item_1")

    assert gone["code"] == "item_not_found"
    assert kept["item"]["id"] == "item_1"


async def test_the_items_hold_a_bounded_text(app):
    """A hundred of the longest would be a hundred megabytes for each session; the newest stays."""
    text = "x" * 400_000
    async with realtime(app, PATH) as session:
        for number in range(4):
            await session.send("conversation.item.create", item=said(text, id=f"item_{number}"))
            await session.until("conversation.item.done")
        gone = [await session.ask("conversation.item.retrieve", item_id=f"item_{n}") for n in range(4)]

    assert ["error" in answer for answer in gone] == [True, True, False, False]


async def test_a_long_event_without_audio_is_refused(app):
    """It would be kept, merged and sent back; the session goes on."""
    async with realtime(app, PATH) as session:
        error = await session.error("conversation.item.create", item=said("x" * MAX_EVENT_CHARS))
        answer = await session.ask("conversation.item.create", item=said("x"))

    assert (error["code"], "1048576" in error["message"]) == ("invalid_value", True)
    assert answer["type"] == "conversation.item.added"


class Heedless:
    """A client that reads nothing until somebody speaks, which ends the response."""

    def __init__(self):
        self.sent = []
        self.response = None

    async def send(self, event):
        self.sent.append(event)
        if isinstance(event, ResponseCreated):
            await self.response.cancel("turn_detected")

    def forget_audio(self):
        pass


async def test_a_response_that_ends_before_it_begins_is_not_spoken():
    """Not even where the client takes the first event only after the end was queued."""
    wire = Heedless()
    plan = ResponsePlan(
        text=TEXT, model="mouth", voice=None, speed=1.0, instructions=None, audio_format=Pcm()
    )
    wire.response = SpokenResponse(plan, None, wire, on_item=lambda _: None)
    async with asyncio.TaskGroup() as tasks:
        await wire.response.start(tasks)
        await wire.response.wait()

    assert list(map(type, wire.sent)) == [ResponseCreated, ResponseDone]


async def test_items_stand_where_the_client_puts_them(app):
    async with realtime(app, PATH) as session:
        places = []
        for item_id, after in (("a", None), ("b", None), ("c", "a"), ("d", "root")):
            where = {} if after is None else {"previous_item_id": after}
            await session.send("conversation.item.create", item=said(id=item_id), **where)
            places.append((await session.until("conversation.item.done"))["previous_item_id"])
        unknown = await session.error("conversation.item.create", item=said(), previous_item_id="x")
        twice = await session.error("conversation.item.create", item=said(id="a"))

    assert places == [None, "a", "a", None]
    assert (unknown["code"], unknown["param"]) == ("item_not_found", "previous_item_id")
    assert (twice["code"], twice["param"]) == ("invalid_value", "item.id")


async def test_history_is_taken_and_not_spoken(app, runner):
    """Clients that connect again replay what was said."""
    history = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}
    async with realtime(app, PATH) as session:
        await session.send("conversation.item.create", item=said("Speak."))
        await session.send("conversation.item.create", item=history)
        await session.send("response.create")
        await session.until("response.done")

    assert runner.requests[0][1].text == "Speak."
