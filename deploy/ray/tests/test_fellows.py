"""The names of the other replicas, without Ray."""

import asyncio
import math

from speechhub_ray import fellows
from speechhub_ray.fellows import Fellows


def answering(*names):
    async def ask(method):
        await asyncio.sleep(0)
        return list(names), []

    return ask


async def hanging(method):
    await asyncio.Event().wait()


async def test_names_that_are_old_are_asked_for_anew_before_the_answer():
    """A page that is opened after an hour sees the replicas of now."""
    known = Fellows("a")
    known._ask = answering("a", "b")
    assert await known.names() == ["a", "b"]
    known._ask = answering("a", "c")
    assert await known.names() == ["a", "b"]  # of this moment

    known._looked_at = -math.inf

    assert await known.names() == ["a", "c"]


async def test_a_replica_that_hangs_holds_up_no_answer(monkeypatch):
    """The names that were known before are told."""
    monkeypatch.setattr(fellows, "FRESH_S", 0.01)
    known = Fellows("a")
    known._ask = answering("b")
    await known.names()
    known._ask, known._looked_at = hanging, -math.inf

    async with asyncio.timeout(30):
        assert await known.names() == ["a", "b"]
