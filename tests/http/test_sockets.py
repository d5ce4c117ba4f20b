"""WebSockets through the edges: keys, pages, limits, paths, the log and the metrics."""

import pytest

from speechhub.http import app as routes
from speechhub.settings import Secret, Settings
from tests.fakes.echo_route import PATH, EchoController
from tests.fakes.sockets import ClosedError, connected

KEY = "right-key"
ORIGIN = "https://a.example"
SUBPROTOCOL = "openai-insecure-api-key."


@pytest.fixture
def keys():
    return ()


@pytest.fixture
def settings(tmp_path, keys):
    return Settings(
        home=tmp_path,
        api_keys=tuple(map(Secret, keys)),
        cors_origins=(ORIGIN,),
        realtime_sessions=2,
        concurrency_limit=3,
        rate_limit_per_minute=2,
    )


@pytest.fixture
async def app(hub, monkeypatch):
    monkeypatch.setattr(routes, "CONTROLLERS", [*routes.CONTROLLERS, EchoController])
    async with hub:
        yield routes.create_app(hub)


@pytest.fixture
def secrets(app):
    """The application's client secrets."""
    return app.state[routes.SECRETS]


async def refusal(app, path=PATH, **facts):
    """Return the status of a handshake that is refused."""
    with pytest.raises(ClosedError) as refused:
        async with connected(app, path, **facts):
            pass
    return refused.value.code


async def test_what_is_said_comes_back(app):
    async with connected(app, PATH, subprotocols=["realtime", SUBPROTOCOL + "any"]) as client:
        assert client.subprotocol == "realtime"
        assert await client.receive() == "hello"
        await client.send("text")
        await client.send(b"bytes")

        assert [await client.receive(), await client.receive()] == ["text", b"bytes"]


@pytest.mark.parametrize("offered", [[SUBPROTOCOL + "realtime"], ["other"], []])
async def test_no_other_subprotocol_is_answered(app, offered):
    """Above all not the one with the key."""
    async with connected(app, PATH, subprotocols=offered) as client:
        assert client.subprotocol is None


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/models", "/"])
async def test_a_path_without_a_socket_is_refused(app, path):
    assert await refusal(app, path) == 404


async def test_a_plain_request_for_a_socket_says_what_is_missing(http):
    """So looks the handshake behind a proxy that does not pass it on."""
    answer = await http.get(PATH)

    assert answer.status_code == 405
    assert "Upgrade" in answer.json()["error"]["message"]


@pytest.mark.parametrize("keys", [(KEY,)])
@pytest.mark.parametrize(
    "facts",
    [
        {"headers": {"authorization": f"Bearer {KEY}"}},
        {"headers": {"api-key": KEY}},
        {"headers": {"xi-api-key": KEY}},
        {"subprotocols": ["realtime", SUBPROTOCOL + KEY]},
        {"subprotocols": ["realtime", SUBPROTOCOL + KEY], "headers": {"origin": "https://evil.example"}},
        {"headers": {"authorization": f"Bearer {KEY}", "origin": "https://evil.example"}},
    ],
)
async def test_a_right_key_opens(app, facts, capsys):
    """In each place, and also for a foreign page: it could not have the key from the browser."""
    async with connected(app, PATH, **facts) as client:
        assert await client.receive() == "hello"
        await client.send("whose")
        assert await client.receive() == "key 1, secret None"

    log = capsys.readouterr().out
    assert KEY not in log
    assert "key=1" in log


@pytest.mark.scenario("socket-no-key")
@pytest.mark.parametrize("keys", [(KEY,)])
@pytest.mark.parametrize(
    "facts",
    [{}, {"headers": {"api-key": "wrong-one"}}, {"subprotocols": ["realtime", SUBPROTOCOL + "wrong-one"]}],
)
async def test_without_a_right_key_the_protocol_says_so(app, facts, capsys):
    async with connected(app, PATH, **facts) as client:
        closed, before = await client.closed()

    assert (closed.code, before) == (3000, ["no key"])
    assert "wrong-one" not in capsys.readouterr().out


@pytest.mark.parametrize("keys", [(KEY,)])
async def test_strangers_cannot_explore(app):
    """Without a key, paths without a WebSocket are not told from others."""
    assert await refusal(app, "/v1/nothing") == 401
    assert await refusal(app, "/v1/nothing", headers={"api-key": KEY}) == 404


@pytest.mark.parametrize("keys", [(), (KEY,)])
@pytest.mark.parametrize(
    ("origin", "known"),
    [
        (None, True),
        ("http://127.0.0.1:8000", True),
        (ORIGIN, True),
        ("tauri://localhost", True),
        ("https://evil.example", False),
        ("http://localhost:3000", False),
        ("null", False),
    ],
)
async def test_foreign_pages_are_refused(app, origin, known):
    """A page needs a key that it knows itself, or the operator's leave."""
    headers = {"origin": origin} if origin else {}
    if known:
        async with connected(app, PATH, headers=headers) as client:
            assert await client.receive() in ("hello", "no key")
    else:
        assert await refusal(app, headers=headers) == 403
        facts = {"subprotocols": ["realtime", SUBPROTOCOL + "wrong"]}
        assert await refusal(app, headers=headers, **facts) == 403


@pytest.mark.parametrize("keys", [(), (KEY,)])
async def test_a_client_secret_opens_sockets_alone(app, http, secrets, keys):
    """It brings its session, and the caller that it counts for; also from a foreign page."""
    value, _ = secrets.create("my session", 60, key=1)
    page = {"origin": "https://evil.example"}
    async with connected(app, PATH, subprotocols=["realtime", SUBPROTOCOL + value], headers=page) as client:
        assert await client.receive() == "hello"
        await client.send("whose")
        assert await client.receive() == "key 1, secret my session"

    answer = await http.get("/v1/engines", headers={"authorization": f"Bearer {value}"})
    assert answer.status_code == (401 if keys else 200)


@pytest.mark.parametrize("keys", [(), (KEY,)])
async def test_an_expired_client_secret_opens_nothing(app, secrets):
    """Not even where no key is needed: the session that it was made for is gone."""
    value, _ = secrets.create("my session", 60)
    secrets._clock = lambda: 1e12
    async with connected(app, PATH, headers={"authorization": f"Bearer {value}"}) as client:
        closed, _ = await client.closed()

    assert closed.code == 3000


@pytest.mark.scenario("socket-limit")
async def test_the_servers_limit_of_sessions(app):
    async with connected(app, PATH), connected(app, PATH) as second, connected(app, PATH) as third:
        closed, before = await third.closed()
        assert (closed.code, before) == (1013, ["farewell rate_limit_exceeded"])
        await second.receive()


@pytest.mark.scenario("socket-limit")
@pytest.mark.parametrize("keys", [(KEY,)])
async def test_a_socket_counts_as_a_running_request(app, http):
    """Three may run: two sessions are open, and one more is showing its key."""
    facts = {"headers": {"api-key": KEY}}
    async with connected(app, PATH, **facts), connected(app, PATH, **facts):
        async with connected(app, PATH, **facts) as third:
            closed, _ = await third.closed()
            assert closed.code == 1013
        answer = await http.post("/v1/audio/speech", json={"input": "Hi."}, **facts)
        assert answer.status_code == 200


async def test_what_is_asked_over_a_socket_counts_in_the_minute(app, http):
    async with connected(app, PATH) as client:
        await client.receive()
        await client.send("take")
        await client.send("take")
        await client.send("take")
        taken = [await client.receive() for _ in range(3)]

    assert taken[:2] == ["taken", "taken"]
    assert "2 requests per minute" in taken[2]


async def test_a_session_has_one_line_in_the_log(app, capsys):
    """With the id of its request, as every line of the session has it."""
    async with connected(app, PATH, headers={"x-request-id": "my-session"}) as client:
        await client.receive()
        await client.send("log")
        await client.receive()
        await client.leave(4002)

    lines = [line for line in capsys.readouterr().out.splitlines() if "my-session" in line]
    assert ["says something" in lines[0], len(lines)] == [True, 2]
    for fact in ("session ", "close_code=4002", "closed_by=client", "kind=echo", "seconds=", f"path={PATH}"):
        assert fact in lines[1]


@pytest.mark.scenario("socket-bug")
async def test_a_bug_is_logged_with_its_trace_and_the_requests_id(app, capsys):
    async with connected(app, PATH, headers={"x-request-id": "my-session"}) as client:
        await client.send("bug")
        closed, before = await client.closed()

    log = capsys.readouterr().out
    assert (closed.code, closed.reason) == (1011, "server_error")
    assert before == ["hello", "farewell server_error"]
    assert "ZeroDivisionError" in log
    assert log.count("my-session") == 2


async def test_sessions_are_counted(app, http):
    """Each code that a client makes up is the same to Prometheus."""
    async with connected(app, PATH) as client:
        await client.receive()
        open_now = (await http.get("/metrics")).text
        await client.leave(4002)
    async with connected(app, PATH) as client:
        await client.send("bug")
        await client.closed()
    closed = (await http.get("/metrics")).text

    assert "speechhub_sessions_open 1.0" in open_now
    assert "speechhub_sessions_open 0.0" in closed
    assert f'speechhub_sessions_closed_total{{code="other",route="{PATH}"}} 1.0' in closed
    assert f'speechhub_sessions_closed_total{{code="1011",route="{PATH}"}} 1.0' in closed
    assert f'speechhub_session_seconds_count{{route="{PATH}"}} 2.0' in closed
    assert f'speechhub_http_requests_total{{method="other",route="{PATH}"' not in closed
