"""Use cases that run in the command's own process."""

import asyncio

import pytest

from speechhub.cli._here import closed_to_the_end


class SlowToClose:
    """A hub whose closing takes two steps, and waits between them."""

    def __init__(self):
        self.closing, self.go_on = asyncio.Event(), asyncio.Event()
        self.closed_after = ()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        self.closing.set()
        await self.go_on.wait()
        self.closed_after = (kind,)


async def run(hub, error=None):
    async with closed_to_the_end(hub):
        if error:
            raise error


async def test_ctrl_c_while_it_closes_counts_when_it_is_closed():
    """The task ends as cancelled, as it would have at once."""
    hub = SlowToClose()
    running = asyncio.create_task(run(hub))
    await hub.closing.wait()

    running.cancel()  # what asyncio.run does at Ctrl-C
    await asyncio.sleep(0)
    assert not running.done()
    hub.go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert hub.closed_after == (None,)


async def test_what_went_wrong_is_told_to_the_hub_and_raised():
    """As by ``async with``."""
    hub = SlowToClose()
    hub.go_on.set()

    with pytest.raises(ValueError, match="x"):
        await run(hub, ValueError("x"))

    assert hub.closed_after == (ValueError,)
