"""Whose request begins next."""

import asyncio

import pytest

from speechhub.http.turns import RequestTurns


def scope(method, path, host="192.0.2.1"):
    return {"type": "http", "method": method, "path": path, "client": (host, 1), "state": {}}


async def rounds_until(turns, asked):
    """Return for how many rounds of the event loop a request waits."""
    task, rounds = asyncio.create_task(turns.take(asked)), 0
    while not task.done():
        await asyncio.sleep(0)
        rounds += 1
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
async def test_a_burst_holds_up_no_other(burst, other):
    """A thousand requests wait; one of another kind, or from elsewhere, begins at once."""
    turns = RequestTurns()
    waiting = [asyncio.create_task(turns.take(burst)) for _ in range(1000)]
    await asyncio.sleep(0)

    assert await rounds_until(turns, other) <= 4
    assert sum(not task.done() for task in waiting) > 900
    await asyncio.gather(*waiting)


async def test_one_subscriber_is_one_caller():
    """Addresses of one IPv6 network wait for each other: a subscriber has 2 to the power of 64."""
    turns = RequestTurns()
    waiting = [
        asyncio.create_task(turns.take(scope("POST", "/asr", f"2001:db8::{number:x}")))
        for number in range(200)
    ]
    await asyncio.sleep(0)

    assert await rounds_until(turns, scope("POST", "/asr", "2001:db8::ffff")) > 190
    await asyncio.gather(*waiting)
