"""Bytes for a listener: in order, in little memory, and gone with the listener."""

import asyncio
import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.errors import DiskFullError, ServerFullError
from speechhub.pools import Pool
from speechhub.services import backlog as module
from speechhub.services.account import PLACES, Account
from speechhub.services.backlog import MEMORY_BYTES, PIECE_BYTES, Backlog

POOL = Pool("spool", 2)


@pytest.fixture
def account():
    return Account()


@pytest.fixture
async def backlog(account):
    made = Backlog(account.open(), POOL)
    yield made
    made.close()
    assert [account.held(place) for place in PLACES] == [0, 0]


async def read(backlog):
    pieces = []
    while (piece := await backlog.get()) is not None:
        pieces.append(piece)
    return pieces


async def test_a_listener_who_keeps_up_needs_no_file(account, backlog):
    """What is taken at once stays in memory, whatever it adds up to."""
    for number in range(40):
        await backlog.put(bytes([number]) * PIECE_BYTES)
        assert await backlog.get() == bytes([number]) * PIECE_BYTES
        assert account.held("disk") == 0


async def test_a_listener_who_does_not_read_costs_a_file(account, backlog):
    """Beyond a little memory everything lies on disk, and comes back as it was."""
    made = os.urandom(PIECE_BYTES) * 160

    for start in range(0, len(made), 300_000):
        await backlog.put(made[start : start + 300_000])
    backlog.end()

    assert account.held("memory") <= MEMORY_BYTES
    assert account.held("memory") + account.held("disk") == len(made)
    pieces = await read(backlog)
    assert b"".join(pieces) == made
    assert max(map(len, pieces)) <= PIECE_BYTES


async def test_who_has_caught_up_is_served_from_memory_again(account, backlog):
    """The file is empty once everything in it was read."""
    await backlog.put(bytes(2 * MEMORY_BYTES))
    assert account.held("disk") == 2 * MEMORY_BYTES
    for _ in range(2 * MEMORY_BYTES // PIECE_BYTES):
        await backlog.get()
    assert account.held("disk") == 0

    await backlog.put(b"more")

    assert (account.held("memory"), account.held("disk")) == (4, 0)
    assert await backlog.get() == b"more"


async def test_without_memory_for_all_a_listener_gets_a_file_sooner():
    """Where others hold the memory, no request is refused for it: the disk takes it."""
    account = Account(memory_bytes=100)
    account.open().take("memory", 90)
    backlog = Backlog(account.open(), POOL)

    await backlog.put(b"x" * 50)
    backlog.end()

    assert account.held("disk") == 50
    assert await read(backlog) == [b"x" * 50]
    backlog.close()


async def test_a_full_disk_is_said_and_logged(backlog, monkeypatch):
    """The disk of the server is not the listener's fault."""

    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(module.os, "pwrite", full)

    with pytest.raises(DiskFullError):
        await backlog.put(bytes(MEMORY_BYTES + 1))


async def test_too_much_for_all_is_said():
    """What all requests spool together is bounded."""
    account = Account(spool_bytes=MEMORY_BYTES)
    account.open().take("disk", 1)
    backlog = Backlog(account.open(), POOL)

    with pytest.raises(ServerFullError):
        await backlog.put(bytes(MEMORY_BYTES + 1))
    backlog.close()
    assert account.held("disk") == 1


@given(
    st.lists(st.one_of(st.just("get"), st.integers(0, 40)), max_size=60),
    st.integers(0, 60),
)
def test_order_and_account_hold_in_any_order(steps, free_bytes):
    """Writing and reading in turns, some of it through the file: bytes and sums are what they should be."""

    async def run():
        account = Account(memory_bytes=100)
        other = account.open()
        other.take("memory", 100 - min(free_bytes, 100))
        backlog = Backlog(account.open(), POOL)
        made = heard = b""
        for number, step in enumerate(steps):
            if step == "get":
                if len(made) > len(heard):
                    heard += await backlog.get()
            else:
                data = bytes([number]) * step
                made += data
                await backlog.put(data)
        backlog.end()
        heard += b"".join(await read(backlog))
        assert heard == made
        backlog.close()
        other.close()
        assert [account.held(place) for place in PLACES] == [0, 0]

    with asyncio.Runner() as runner:
        runner.run(run())


async def test_a_listener_may_leave_while_the_file_is_written(account):
    """Closing waits for the thread that writes, and closes the file behind it."""
    backlog = Backlog(account.open(), POOL)
    writing = asyncio.create_task(backlog.put(bytes(4 * MEMORY_BYTES)))
    await asyncio.sleep(0)

    backlog.close()
    await writing

    assert [account.held(place) for place in PLACES] == [0, 0]
    assert backlog._file._file.closed


async def test_a_writer_can_wait_until_bytes_are_taken(backlog):
    """By their place in all that was put."""
    await backlog.put(b"abc")
    await backlog.put(b"de")
    waiting = asyncio.create_task(backlog.taken(4))

    await backlog.get()
    await asyncio.sleep(0)
    assert not waiting.done()
    await backlog.get()
    await waiting

    assert backlog.put_bytes == 5
