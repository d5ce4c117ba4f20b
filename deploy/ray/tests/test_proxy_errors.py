"""What Serve's proxies say for a replica that does not, message by message."""

import asyncio
import json

import pytest

from speechhub_ray.proxy_errors import AROUND, RESTARTS, readable

REPLICA = (b"speechhub-replica", b"k3f9x2ab")


def head(*headers, kind="http", path="/v1/models"):
    return {"type": kind, "path": path, "headers": list(headers)}


def told(app, scope, *received):
    """Return what a client hears of *app*, behind all middlewares."""
    heard, waiting = [], list(received)

    async def receive():
        return waiting.pop(0)

    async def send(message):
        heard.append(message)

    for middleware in AROUND:
        app = middleware(app)
    asyncio.run(app(scope, receive, send))
    return heard


def saying(*messages):
    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    return app


def error_of(heard):
    start, body = heard
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert int(headers[b"content-length"]) == len(body["body"])
    error = json.loads(body["body"])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return start["status"], error["code"], headers


@pytest.mark.parametrize(
    ("status", "shown", "code"),
    [
        (500, 500, "replica_lost"),
        (503, 503, "replica_unavailable"),
        (404, 503, "replica_unavailable"),
        (408, 408, "timeout"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_texts_of_serve_become_errors(status, shown, code, kind):
    """Serve answers in plain text, WebSockets, too, and with messages that are HTTP's."""
    serve = saying(
        {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]},
        {"type": "http.response.body", "body": b"Internal Server Error"},
    )

    heard = told(serve, head((b"x-request-id", b"mine-1"), kind=kind))

    prefix = "websocket." if kind == "websocket" else ""
    assert [part["type"] for part in heard] == [f"{prefix}http.response.start", f"{prefix}http.response.body"]
    answered, said, headers = error_of(heard)
    assert (answered, said) == (shown, code)
    assert headers[b"x-request-id"] == b"mine-1"
    assert (b"retry-after" in headers) == (shown == 503)


@pytest.mark.parametrize("status", [200, 404, 408, 500, 503])
def test_answers_of_hubs_pass_as_they_are(status):
    messages = (
        {"type": "http.response.start", "status": status, "headers": [REPLICA]},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b", "more_body": False},
    )

    assert told(saying(*messages), head()) == list(messages)


def test_serves_own_pages_pass_as_they_are():
    messages = (
        {"type": "http.response.start", "status": 503, "headers": []},
        {"type": "http.response.body", "body": b"draining"},
    )

    assert told(saying(*messages), head(path="/-/healthz")) == list(messages)


@pytest.mark.parametrize("path", ["/-/routes", "/-/healthz"])
def test_serves_own_pages_are_no_sockets(path):
    """Serve raises an exception for each, which anyone could fill its log with."""

    async def serve(scope, receive, send):
        raise AssertionError(scope)

    assert told(serve, head(kind="websocket", path=path)) == [{"type": "websocket.close"}]


def test_silence_becomes_an_error():
    """Serve says nothing where a replica dies before its answer: its HTTP server would write plain text."""
    status, code, _ = error_of(told(saying(), head()))

    assert (status, code) == (500, "replica_lost")


def test_an_exception_is_told_and_goes_on():
    async def app(scope, receive, send):
        raise ValueError("of Serve's")

    with pytest.raises(ValueError, match="of Serve's"):
        told(app, head())


def test_an_answer_that_had_begun_is_not_completed():
    """Its client must not take a part for the whole: the HTTP server closes the connection."""
    messages = (
        {"type": "http.response.start", "status": 200, "headers": [REPLICA]},
        {"type": "http.response.body", "body": b"a", "more_body": True},
    )

    assert told(saying(*messages), head()) == list(messages)


def test_a_socket_is_closed_for_its_replica():
    accepted = {"type": "websocket.accept", "headers": [REPLICA]}

    heard = told(saying(accepted), head(kind="websocket"))

    assert heard[0] == accepted
    assert (heard[1]["type"], heard[1]["code"]) == ("websocket.close", RESTARTS)
    assert 0 < len(heard[1]["reason"].encode()) <= 123, "RFC 6455, section 5.5"


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_who_has_left_is_told_nothing(kind):
    async def app(scope, receive, send):
        await receive()
        await send({"type": f"{kind}.late"})

    assert told(app, head(kind=kind), {"type": f"{kind}.disconnect", "code": 1006}) == []


def test_hubs_get_the_headers_that_errors_name():
    """One request has one id, even where no hub answers; what would command Serve arrives nowhere."""
    seen = []

    async def app(scope, receive, send):
        seen.extend(scope["headers"])

    heard = told(app, head((b"x-request-id", b"not good"), (b"x-request-disconnect-disabled", b"?1")))

    [(name, value)] = seen
    assert (name, value[:4]) == (b"x-request-id", b"req_")
    assert error_of(heard)[2][name] == value


def test_what_is_no_request_passes_as_it_is():
    """Serve's server has a life of its own, which begins and ends without a head."""
    assert told(saying({"type": "lifespan.startup.complete"}), {"type": "lifespan"}) == [
        {"type": "lifespan.startup.complete"}
    ]


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [(b"x-request-id", b"with space")],
        [(b"x-request-id", b"\xff")],
        [(b"x-request-id", b"a" * 129)],
        [(b"x-request-id", b"")],
    ],
)
def test_requests_without_a_good_id_get_one(sent):
    (name, value), *others = readable(sent)

    assert (name, others) == (b"x-request-id", [])
    assert value.startswith(b"req_")
    assert value not in {pair[1] for pair in sent}


def test_the_last_of_two_ids_counts_as_in_the_hub():
    assert readable([(b"x-request-id", b"one"), (b"x-request-id", b"two")]) == [(b"x-request-id", b"two")]


def test_clients_cannot_command_serve():
    """Serve's own headers would switch its time-out, and hang-ups, off."""
    ours = [(b"authorization", b"Bearer x"), (b"serve_multiplexed_model_id", "modèle".encode())]
    theirs = [
        (b"x-request-timeout-seconds", b"0.001"),
        (b"x-request-disconnect-disabled", b"?1"),
        (b"serve-multiplexed-model-id", b"\xff"),
    ]

    assert readable([*theirs, *ours])[:-1] == ours
