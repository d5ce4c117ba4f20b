"""Answers that their clients do not read."""

import asyncio
import socket

import pytest

from speechhub.errors import AnswerUnreadError
from speechhub.http.context import KEY, RequestContext, context_of
from speechhub.http.edges.readers import hang_up, reading_bounded

PIECE = {"type": "http.response.body", "body": b"x", "more_body": True}


def scope():
    return {
        "type": "http",
        "http_version": "1.1",
        "state": {KEY: RequestContext(request_id="req_1", path="/")},
        "client": None,
        "server": None,
    }


async def test_a_piece_that_is_not_taken_is_an_error():
    """The answer ends where the client stopped to read, and the log's line says why."""
    asked, sent = scope(), []

    async def app(scope, receive, send):
        await send(PIECE)
        await send(PIECE)

    async def send(message):
        sent.append(message)
        if len(sent) == 2:
            await asyncio.Event().wait()

    with pytest.raises(AnswerUnreadError):
        await reading_bounded(app, 0.05)(asked, None, send)

    assert context_of(asked).error == "AnswerUnreadError"


async def test_an_answer_may_take_longer_than_the_limit_in_all():
    """Each piece has the time for itself, and the engine's own time does not count."""
    sent = []

    async def app(scope, receive, send):
        for _ in range(4):
            await asyncio.wait_for(asyncio.sleep(0), 1)
            await send(PIECE)

    async def send(message):
        sent.append(message)

    await reading_bounded(app, 5.0)(scope(), None, send)

    assert len(sent) == 4


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("listens", ["127.0.0.1", "0.0.0.0", "::"])
def test_only_the_connection_between_the_two_is_ended(listens, text):
    """Another connection of the same server goes on; Granian writes ports as text, and where it listens."""
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    dual = family is socket.AF_INET6
    with socket.create_server((listens, 0), family=family, dualstack_ipv6=dual) as listener:
        port = listener.getsockname()[1]
        pairs = []
        for _ in range(2):
            client = socket.create_connection(("127.0.0.1", port))
            pairs.append((client, listener.accept()[0]))
        (bad, accepted), (good, other) = pairs
        end, own = bad.getsockname(), (listens, port)

        hang_up((end[0], str(end[1])) if text else end, (listens, str(port)) if text else own)

        bad.settimeout(5)
        assert bad.recv(1) == b""
        other.sendall(b"still here")
        assert good.recv(10) == b"still here"
        for end in (bad, accepted, good, other):
            end.close()


@pytest.mark.parametrize("ends", [(None, None), (("127.0.0.1", 1), ("127.0.0.1", 2))])
def test_without_such_a_connection_nothing_happens(ends):
    hang_up(*ends)
