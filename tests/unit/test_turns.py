"""Whose work begins next."""

import asyncio

import pytest

from speechhub.turns import Turns


async def began(turns, wanted):
    """Let all of *wanted* ask at a time; return who began, in order, with the round in which it did."""
    order, rounds = [], 0

    async def work(who):
        await turns.take(who)
        order.append((who, rounds))

    tasks = [asyncio.create_task(work(who)) for who in wanted]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        rounds += 1
    return order


async def test_one_begins_with_each_round():
    """However many ask at a time, the event loop looks for what is new between any two of them."""
    order = await began(Turns(), ["a"] * 50)

    rounds = [at for _, at in order]
    assert len(set(rounds)) == len(rounds) == 50
    assert rounds[-1] < 60, "and no round is left out"


async def test_each_has_its_turn():
    """Who asks for much waits for itself, and not others for it."""
    order = await began(Turns(), ["a"] * 20 + ["b"] * 3 + ["c"])

    names = [who for who, _ in order]
    assert names[:8] == ["a", "a", "b", "c", "a", "b", "a", "b"]
    assert names[8:] == ["a"] * 16


async def test_who_is_alone_does_not_wait():
    """The only one who asks for a turn gets it at once, without a round of the loop."""
    turns = Turns()
    for _ in range(3):
        taking = turns.take("a")
        with pytest.raises(StopIteration):
            taking.send(None)
        await asyncio.sleep(0)


async def test_who_left_has_no_turn():
    """Those who no longer wait do not hold up others, and leave nothing behind."""
    turns = Turns()
    waiting = [asyncio.create_task(turns.take("a")) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[1:4]:
        task.cancel()
    async with asyncio.timeout(5):
        await waiting[4]
        await asyncio.wait(waiting)
    for _ in range(3):
        await asyncio.sleep(0)

    assert not turns._waiting
    assert not turns._taken
