"""Ends of sessions, keys, and what is said last; every last word fits OpenAI's types, too."""

import asyncio

import numpy as np
import pytest

from speechhub.http.sockets.open_sessions import SESSIONS
from speechhub.settings import Secret, Settings
from tests.fakes.babble import babble
from tests.fakes.realtime import RealtimeClient, pcm16, realtime
from tests.fakes.sockets import connected

PATH = "/v1/realtime?intent=transcription"
COMPLETED = "conversation.item.input_audio_transcription.completed"
KEYS = Settings(api_keys=(Secret("right"),))
TEXT = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Good morning."}]}


async def ended(app, path=PATH, **facts):
    """Connect, and return how the server closes, and the events before it."""
    async with connected(app, path, **facts) as client:
        return await RealtimeClient(client).closed()


@pytest.mark.parametrize("settings", [KEYS], ids=["keys"])
@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "You didn't provide"),
        ({"authorization": "Bearer wrong"}, "Incorrect"),
        ({"api-key": "x"}, "Incorrect"),
    ],
    ids=["none", "bearer", "azure"],
)
async def test_no_key_or_a_wrong_one(app, headers, said):
    """The handshake succeeds, so that the client learns why it is refused; the key is not repeated."""
    closed, events = await ended(app, headers=headers)

    assert [event["type"] for event in events] == ["error"]
    assert events[0]["error"]["type"] == "invalid_request_error"
    assert events[0]["error"]["code"] == "invalid_api_key"
    assert said in events[0]["error"]["message"]
    assert (closed.code, closed.reason) == (3000, "invalid_request_error.invalid_api_key")


@pytest.mark.parametrize("settings", [KEYS], ids=["keys"])
@pytest.mark.parametrize(
    ("facts", "subprotocol"),
    [
        ({"headers": {"authorization": "Bearer right"}}, None),
        ({"headers": {"api-key": "right"}}, None),
        ({"subprotocols": ["realtime", "openai-insecure-api-key.right"]}, "realtime"),
        ({"subprotocols": ["openai-insecure-api-key.right"]}, None),
    ],
    ids=["bearer", "azure", "page", "page without realtime"],
)
async def test_a_right_key(app, facts, subprotocol):
    """Each of OpenAI's ways works, and the key is never answered as the subprotocol."""
    async with realtime(app, PATH, **facts) as session:
        assert session.client.subprotocol == subprotocol


@pytest.mark.parametrize("settings", [Settings(realtime_sessions=1)], ids=["one"])
async def test_too_many_sessions(app):
    async with realtime(app):
        closed, events = await ended(app)

    assert [event["type"] for event in events] == ["error"]
    assert events[0]["error"]["code"] == "rate_limit_exceeded"
    assert closed.code == 1013


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (Settings(realtime_idle_timeout_s=0.05), "session_idle"),
        (Settings(realtime_max_s=0.05), "session_expired"),
    ],
    ids=["idle", "expired"],
)
async def test_the_end_of_a_session(app, code):
    """The client is told why, and may connect again."""
    closed, events = await ended(app)

    assert [event["type"] for event in events] == ["session.created", "error"]
    assert events[1]["error"]["code"] == code
    assert (closed.code, closed.reason) == (1001, code)


async def test_a_bug_is_told_without_its_details(app, hub, monkeypatch):
    """The client gets `server_error` and 1011, on which it connects again."""

    def broken(settings):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(hub.live, "open", broken)
    async with realtime(app) as session:
        await session.send("input_audio_buffer.commit")
        closed, events = await session.closed()

    assert events[-1]["error"]["code"] == "server_error"
    assert "secret" not in events[-1]["error"]["message"]
    assert closed.code == 1011


async def test_what_was_committed_is_transcribed_when_the_server_stops(app, runner):
    """Nothing new begins meanwhile; then 1012, on which clients connect again, and at errors some do not."""
    runner.gate.clear()
    async with realtime(app) as session:
        wish = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
        await session.ask("session.update", session=wish)
        await session.append(pcm16(babble(1, 24_000)))
        await session.send("input_audio_buffer.commit")
        await session.until("conversation.item.done")
        ending = asyncio.create_task(app.state[SESSIONS].end())
        await asyncio.sleep(0)
        await session.append(pcm16(babble(1, 24_000)))
        refused = await session.error("input_audio_buffer.commit")
        runner.gate.set()
        await session.until(COMPLETED)
        closed, events = await session.closed()
        await ending

    assert refused["code"] == "server_shutting_down"
    assert sum(event["type"] == "error" for event in [*session.seen, *events]) == 1
    assert (closed.code, closed.reason) == (1012, "server_shutting_down")


async def test_a_response_is_spoken_to_its_end_when_the_server_stops(app, runner):
    runner.gate.clear()
    async with realtime(app, "/v1/realtime?model=mouth") as session:
        await session.send("response.create", response={"input": [TEXT]})
        await session.until("response.created")
        ending = asyncio.create_task(app.state[SESSIONS].end())
        await asyncio.sleep(0)
        runner.gate.set()
        done = await session.until("response.done")
        closed, _ = await session.closed()
        await ending

    assert done["response"]["status"] == "completed"
    assert closed.code == 1012


async def test_a_burst_of_tiny_appends_lets_others_in(app):
    """While ten thousand messages that wait are read, everybody else gets a turn after each."""
    piece, turns = np.zeros(12, np.int16), 0

    async def take_turns():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with realtime(app) as session:
        for _ in range(10_000):
            await session.append(piece)
        await session.send("conversation.item.retrieve", item_id="x")
        others = asyncio.create_task(take_turns())
        error = (await session.receive())["error"]
        others.cancel()

    assert error["code"] == "item_not_found"
    assert turns > 5_000


def session_lines(capsys):
    """Return the log lines of sessions that have ended."""
    return [line for line in capsys.readouterr().out.splitlines() if "session " in line]


async def test_the_log_has_one_line_without_texts(app, capsys):
    """Id, kind, model, audio and utterances; no words and no keys."""
    async with realtime(app, "/v1/realtime?intent=transcription&model=my-ears") as session:
        wish = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
        await session.ask("session.update", session=wish)
        await session.append(pcm16(babble(1, 24_000)))
        await session.send("input_audio_buffer.commit")
        await session.until(COMPLETED)

    [line] = session_lines(capsys)
    facts = ("kind=transcription", "model=ears", "audio_s=1.0", "utterances=1", "partials=0")
    ends = ("close_code=1000", "closed_by=client", f"session={session.created['id']}", "seconds=")
    for part in (*facts, "partials_skipped=", *ends):
        assert part in line
    assert "morning" not in line


@pytest.mark.parametrize(
    ("query", "kind", "model"),
    [
        ("intent=transcription", "transcription", "ears"),
        ("intent=transcription&model=gpt-live-transcribe", "transcription", "ears"),
        ("model=gpt-realtime", "realtime", "mouth"),
        ("model=nobody", "realtime", "nobody"),
    ],
)
async def test_the_log_names_the_model_and_not_an_alias(app, capsys, query, kind, model):
    """Also of a session in which nothing was said; an unknown model stays as the client wrote it."""
    async with realtime(app, f"/v1/realtime?{query}"):
        pass

    [line] = session_lines(capsys)
    for part in (f"kind={kind}", f"model={model}", "audio_s=0.0", "utterances=0", "partials=0"):
        assert part in line
