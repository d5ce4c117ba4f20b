"""Every client event in every state of a session: what it gets, row by row."""

import base64

import numpy as np
import pytest

from speechhub.http.realtime.client_events import BY_TYPE
from tests.fakes.babble import babble, talk
from tests.fakes.realtime import pcm16, realtime

pytestmark = pytest.mark.lengthy

RATE = 24_000
HALF_S = np.zeros(RATE // 2, np.int16)
TEXT = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Good morning."}]}
ITEM = TEXT | {"id": "item_mine"}
STARTED = "input_audio_buffer.speech_started"
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
ADDED = ["conversation.item.added", "conversation.item.done"]
COMMIT = ["input_audio_buffer.committed", *ADDED]
SPOKEN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


# ── States ───────────────────────────────────────────────────────────────────


async def fresh(session, runner):
    """Nothing has happened."""


async def manual(session, runner):
    """Turn detection is off, and nothing was appended."""
    await update(session, {"audio": {"input": {"turn_detection": None}}})


async def collecting(session, runner):
    """Turn detection is off, and half a second was appended."""
    await manual(session, runner)
    await session.append(HALF_S)


async def quiet(session, runner):
    """Turn detection is on, and there was half a second of silence."""
    await session.append(HALF_S)


async def speaking(session, runner):
    """Turn detection is on, and somebody speaks, with pauses for breath."""
    turns = {"type": "server_vad", "silence_duration_ms": 10_000}
    await update(session, {"audio": {"input": {"turn_detection": turns}}})
    await session.append(pcm16(np.concatenate([talk(0, 0.5, rate=RATE), babble(1, RATE)])))
    await session.until(STARTED)


async def with_item(session, runner):
    """The client has created an item."""
    await session.send("conversation.item.create", item=ITEM)
    await session.until("conversation.item.done")


async def answering(session, runner):
    """A response has begun, and the engine is not ready."""
    runner.gate.clear()
    await session.send("response.create", response={"input": [TEXT]})
    await session.until("response.created")


async def answered(session, runner):
    """A response is over."""
    await session.send("response.create", response={"input": [TEXT]})
    await session.until("response.done")


async def heard(session):
    """Return the next event that is not the text of somebody who still speaks."""
    while (event := await session.receive())["type"] == DELTA:
        pass
    return event


async def update(session, changes):
    kind = session.created["type"]
    await session.send("session.update", session={"type": kind} | changes)
    assert (await session.receive())["type"] == "session.updated"


# ── The table ────────────────────────────────────────────────────────────────

TRANSCRIPTION = "/v1/realtime?intent=transcription"
SPEECH = "/v1/realtime?model=gpt-realtime"
ALL = ["fresh", "manual", "collecting", "quiet", "speaking", "with_item"]

APPEND = ("input_audio_buffer.append", {"audio": base64.b64encode(HALF_S.tobytes()).decode()})
NO_BASE64 = ("input_audio_buffer.append", {"audio": "#"})
COMMIT_NOW = ("input_audio_buffer.commit", {})
CLEAR = ("input_audio_buffer.clear", {})
CREATE = ("response.create", {"response": {"input": [TEXT]}})
CREATE_BARE = ("response.create", {})
CANCEL = ("response.cancel", {})
CREATE_ITEM = ("conversation.item.create", {"item": TEXT})
DELETE = ("conversation.item.delete", {"item_id": "item_mine"})
RETRIEVE = ("conversation.item.retrieve", {"item_id": "item_mine"})
TRUNCATE = (
    "conversation.item.truncate",
    {"item_id": "item_mine", "content_index": 0, "audio_end_ms": 10},
)
UNKNOWN = ("output_audio_buffer.clear", {})
NO_TYPE = ("session.update", {"session": {"audio": {}}})
BETA = ("transcription_session.update", {"session": {"input_audio_format": "g711_ulaw"}})


def updating(kind):
    return ("session.update", {"session": {"type": kind, "audio": {"input": {"noise_reduction": None}}}})


def rows():
    """Yield path, state, event, what comes: types of events, or the code and the param of an error."""
    for path, kind, other in (
        (TRANSCRIPTION, "transcription", "realtime"),
        (SPEECH, "realtime", "transcription"),
    ):
        for state in ALL:
            item = state == "with_item"
            yield path, state, updating(kind), ["session.updated"]
            yield path, state, NO_TYPE, ("missing_required_parameter", "session.type")
            yield path, state, NO_BASE64, ("invalid_value", "audio")
            yield path, state, UNKNOWN, ("invalid_value", "type")
            yield path, state, CANCEL, ("response_cancel_not_active", None)
            yield path, state, CREATE_ITEM, ADDED
            yield path, state, CLEAR, ["input_audio_buffer.cleared"]
            yield path, state, APPEND, []
            yield path, state, DELETE, ["conversation.item.deleted"] if item else NOT_FOUND
            yield path, state, RETRIEVE, ["conversation.item.retrieved"] if item else NOT_FOUND
            yield path, state, TRUNCATE, ["conversation.item.truncated"] if item else NOT_FOUND
            unused = state in ("fresh", "manual", "with_item")
            yield path, state, updating(other), ["session.updated"] if unused else SWITCHED
            yield path, state, COMMIT_NOW, EMPTY if unused else COMMIT
            if kind == "transcription":
                yield path, state, CREATE, ("invalid_parameter", "type")
                yield path, state, BETA, ["transcription_session.updated"]
            else:
                yield path, state, CREATE, SPOKEN
                yield path, state, CREATE_BARE, SPOKEN if item else ("invalid_value", "response.input")
                yield path, state, BETA, ["transcription_session.updated"] if unused else SWITCHED
    for state in ("answering", "answered"):
        active = state == "answering"
        busy = ("conversation_already_has_active_response", None)
        yield SPEECH, state, CREATE, busy if active else SPOKEN
        yield SPEECH, state, CANCEL, ["response.done"] if active else ("response_cancel_not_active", None)
        yield SPEECH, state, updating("realtime"), ["session.updated"]
        yield SPEECH, state, updating("transcription"), SWITCHED
        yield SPEECH, state, APPEND, []
        yield SPEECH, state, COMMIT_NOW, EMPTY
        yield SPEECH, state, CLEAR, ["input_audio_buffer.cleared"]
        yield SPEECH, state, CREATE_ITEM, ADDED
        yield SPEECH, state, UNKNOWN, ("invalid_value", "type")


NOT_FOUND = ("item_not_found", "item_id")
SWITCHED = ("invalid_parameter", "session.type")
EMPTY = ("input_audio_buffer_commit_empty", None)
STATES = {
    state.__name__: state
    for state in (fresh, manual, collecting, quiet, speaking, with_item, answering, answered)
}


def name(row):
    path, state, (event, _), _ = row
    return f"{path.partition('?')[2].partition('=')[2]}-{state}-{event}"


ROWS = list(rows())


def test_the_table_has_every_event_in_every_state():
    """No state and no event is missing."""
    assert {row[1] for row in ROWS} == set(STATES)
    assert {row[2][0] for row in ROWS} == {*BY_TYPE, UNKNOWN[0]}


@pytest.mark.parametrize(("path", "state", "event", "expected"), ROWS, ids=map(name, ROWS))
async def test_row(app, runner, path, state, event, expected):
    """The event gets what the table says, and nothing else; the session goes on."""
    kind, fields = event
    async with realtime(app, path) as session:
        await STATES[state](session, runner)
        before = len(session.seen)
        await session.send(kind, event_id="mine", **fields)

        if isinstance(expected, tuple):
            error = (await heard(session))["error"]
            assert (error["code"], error["param"], error["event_id"]) == (*expected, "mine")
            assert error["type"] == "invalid_request_error"
        else:
            wanted = list(expected)
            while wanted:
                found = await heard(session)
                if found["type"] == "response.output_audio.delta" != wanted[0]:
                    continue  # there are as many as the speech is long
                assert found["type"] == wanted.pop(0), session.types()[before:]
        await session.send("no such event", event_id="last")
        last = await heard(session)
        if last["type"] == COMPLETED:  # of what was committed
            last = await heard(session)
        assert last["error"]["event_id"] == "last"
        runner.gate.set()
