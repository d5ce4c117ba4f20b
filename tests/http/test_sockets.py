"""Sessions over WebSockets, with a protocol that repeats what it hears: edges, limits, ends."""

import pytest

from speechhub.http.app import create_app
from speechhub.settings import Settings
from tests.fakes.echo_route import PATH, EchoController
from tests.fakes.sockets import ClosedError, connected


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, realtime_sessions=2, concurrency_limit=5)


@pytest.fixture
async def app(hub):
    async with hub:
        yield create_app(hub, [EchoController])


async def test_what_is_said_comes_back(app):
    async with connected(app, PATH) as client:
        assert await client.receive() == "hello"
        await client.send("text")
        await client.send(b"bytes")

        assert [await client.receive(), await client.receive()] == ["text", b"bytes"]


async def test_a_bug_closes_with_1011(app, capsys):
    async with connected(app, PATH) as client:
        await client.send("bug")
        closed, before = await client.closed()

    assert (closed.code, closed.reason) == (1011, "server_error")
    assert before == ["hello", "farewell server_error"]
    assert "ZeroDivisionError" in capsys.readouterr().out


async def test_an_unknown_path_is_refused(app):
    with pytest.raises(ClosedError) as refused:
        async with connected(app, "/v1/nothing"):
            pass

    assert refused.value.code == 404
