"""What stands around every request."""

import pytest

from speechhub.errors import QueueFullError
from speechhub.http.edges.middleware import errors_answered, request_scope

START = {"type": "http.response.start", "status": 200, "headers": []}


def failing(*messages):
    """Return an application that sends messages, and then fails."""

    async def app(scope, receive, send):
        for message in messages:
            await send(message)
        raise QueueFullError("full")

    return request_scope(errors_answered(app, None))


@pytest.fixture
def scope():
    return {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {}}


async def test_an_error_before_the_answer_is_the_answer(scope):
    """Who refuses a request before Litestar sees it only raises."""
    sent = []

    async def send(message):
        sent.append(message)

    await failing()(scope, None, send)

    assert [message.get("status") for message in sent] == [503, None]


async def test_an_error_within_the_answer_breaks_it_off(scope):
    """There is never a second answer behind half of the first."""
    sent = []

    async def send(message):
        sent.append(message)

    with pytest.raises(QueueFullError):
        await failing(START | {"headers": []})(scope, None, send)

    assert [message["type"] for message in sent] == ["http.response.start"]
