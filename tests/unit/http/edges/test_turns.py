"""Whose request begins next."""

import asyncio
from functools import partial

import pytest

from speechhub.errors import ServerBusyError
from speechhub.http.edges.turns import MOST_WAITING, in_turns


def scope(method, path, host="192.0.2.1"):
    return {"type": "http", "method": method, "path": path, "client": (host, 1), "state": {}}


@pytest.fixture
def ask():
    """What begins a request, and ends it at once."""

    async def app(scope, receive, send):
        pass

    return partial(in_turns(app, ("/health",)), receive=None, send=None)


async def rounds_until(asking):
    """Return for how many rounds of the event loop a request waits."""
    task, rounds = asyncio.create_task(asking), 0
    while not task.done():
        await asyncio.sleep(0)
        rounds += 1
    await task
    return rounds


@pytest.mark.parametrize(
    ("burst", "other"),
    [
        (scope("POST", "/v1/audio/speech"), scope("GET", "/v1/models")),
        (scope("POST", "/v1/audio/speech"), scope("GET", "/health/live")),
        (scope("GET", "/v1/models"), scope("GET", "/health")),
        (scope("GET", "/v1/models"), scope("POST", "/v1/audio/speech")),
        (scope("GET", "/health/live"), scope("HEAD", "/v1/models")),
        (scope("POST", "/v1/audio/speech"), scope("POST", "/v1/audio/speech", "192.0.2.2")),
        (scope("POST", "/v1/audio/speech", "2001:db8::1"), scope("POST", "/asr", "2001:db8:1::1")),
    ],
)
async def test_a_burst_holds_up_no_other(ask, burst, other):
    """As many requests wait as may; one of another kind, or from elsewhere, begins at once."""
    waiting = [asyncio.create_task(ask(burst)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)

    assert await rounds_until(ask(other)) <= 4
    assert sum(not task.done() for task in waiting) > 900
    await asyncio.gather(*waiting)


async def test_one_subscriber_is_one_caller(ask):
    """Addresses of one IPv6 network wait for each other: a subscriber has 2 to the power of 64."""
    waiting = [
        asyncio.create_task(ask(scope("POST", "/asr", f"2001:db8::{number:x}"))) for number in range(200)
    ]
    await asyncio.sleep(0)

    assert await rounds_until(ask(scope("POST", "/asr", "2001:db8::ffff"))) > 190
    await asyncio.gather(*waiting)


@pytest.mark.scenario("request-flood")
async def test_who_floods_is_told_to_come_back(ask):
    """Beyond the limit who waits already is refused, and who does not is let in; later both are."""
    flood = scope("POST", "/asr")
    waiting = [asyncio.create_task(ask(flood)) for _ in range(MOST_WAITING + 10)]
    await asyncio.sleep(0)

    with pytest.raises(ServerBusyError):
        await ask(flood)
    other = ask(scope("POST", "/asr", "192.0.2.2"))
    other.send(None)  # it waits, in the same round in which the other was refused
    other.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {type(None), ServerBusyError}
    assert sum(end is None for end in ends) == MOST_WAITING + 1  # the first did not wait
    await ask(flood)


@pytest.mark.parametrize("path", ["/health/live", "/v1/models"])
async def test_what_is_cheap_is_never_refused(ask, path):
    """A sign of life, or a list, takes no longer than its refusal."""
    await asyncio.gather(*(ask(scope("GET", path)) for _ in range(2 * MOST_WAITING)))
