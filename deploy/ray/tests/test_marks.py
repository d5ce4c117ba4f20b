"""The marks that a replica puts on the answers of its hub."""

import asyncio

import pytest

from speechhub_ray.application import marked


def sent(message):
    heard = []

    async def send(told):
        heard.append(told)

    asyncio.run(marked(send, "k3f9x2ab")(message))
    [told] = heard
    return told


@pytest.mark.parametrize(
    ("kind", "id_stays"),
    [("http.response.start", False), ("websocket.accept", True), ("websocket.http.response.start", True)],
)
def test_each_answer_names_its_replica_and_has_its_id_once(kind, id_stays):
    """Ray adds the id to answers of requests, and not to those of sockets."""
    number, other = (b"X-Request-ID", b"req_1"), (b"content-type", b"text/plain")

    told = sent({"type": kind, "status": 200, "headers": [number, other]})

    mark = (b"speechhub-replica", b"k3f9x2ab")
    assert told["headers"] == ([number, other, mark] if id_stays else [other, mark])
    assert told["status"] == 200


@pytest.mark.parametrize(
    "message", [{"type": "http.response.body", "body": b"a"}, {"type": "websocket.send", "text": "a"}]
)
def test_all_else_passes_as_it_is(message):
    assert sent(message) == message
