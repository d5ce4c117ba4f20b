"""Threads by kind of work."""

import asyncio
import re
import threading
import weakref
from pathlib import Path

import pytest
import structlog

import speechhub
from speechhub.metrics import Metrics
from speechhub.pools import CORES, Pools


@pytest.fixture
def pools():
    made = Pools()
    yield made
    made.close()


async def test_a_full_pool_holds_up_no_other(pools):
    """However much of one kind waits, the other kinds, and the event loop's own executor, go on."""
    free = threading.Event()
    for full in pools.all():
        blocked = [asyncio.create_task(full.run(free.wait)) for _ in range(3 * full.threads)]
        async with asyncio.timeout(10):
            for other in pools.all():
                if other is not full:
                    assert (await other.run(threading.current_thread)).name.startswith(other.name)
            await asyncio.to_thread(int)
        free.set()
        await asyncio.gather(*blocked)
        free.clear()


async def test_a_pool_has_no_more_threads_than_it_says(pools):
    """Decoding and encoding have a thread for each core: more would only take turns."""
    assert pools.decoding.threads == pools.encoding.threads == CORES
    running, most = 0, 0
    lock, go = threading.Lock(), threading.Event()

    def job():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go.wait(0.05)
        with lock:
            running -= 1

    await asyncio.gather(*(pools.decoding.run(job) for _ in range(4 * CORES)))

    assert most == CORES


async def test_a_job_that_waits_can_be_cancelled(pools):
    """A client that leaves takes its jobs with it, if they have not begun."""
    free, ran = threading.Event(), []
    blocked = [asyncio.create_task(pools.disk.run(free.wait)) for _ in range(pools.disk.threads)]
    waiting = asyncio.create_task(pools.disk.run(ran.append, 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    free.set()
    await asyncio.gather(*blocked)

    assert await pools.disk.run(ran.copy) == []


async def test_a_job_runs_in_its_callers_context(pools):
    """What a job logs has the request's id."""
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        assert await pools.disk.run(structlog.contextvars.get_contextvars) == {"request_id": "req_1"}


async def test_waits_are_measured_by_pool():
    """/metrics tells which kind of work waits for threads, and how long."""
    metrics = Metrics()
    pools = Pools(waited=metrics.pool_waited)
    free = threading.Event()
    blocked = [asyncio.create_task(pools.drivers.run(free.wait)) for _ in range(3)]
    await pools.disk.run(int)
    free.set()
    await asyncio.gather(*blocked)
    pools.close()

    text = metrics.text().decode()
    assert 'speechhub_pool_queue_seconds_count{pool="drivers"} 3.0' in text
    assert 'speechhub_pool_queue_seconds_count{pool="disk"} 1.0' in text


def test_all_of_the_hubs_threads_are_of_a_pool():
    """The event loop's own executor has a few threads for everything: whatever uses it can be held up."""
    shared = re.compile(r"asyncio\.to_thread|run_sync\(|run_in_executor\(|sync_to_thread=True")
    sources = Path(speechhub.__file__).parent.rglob("*.py")

    assert [path.name for path in sources if shared.search(path.read_text())] == ["pools.py"]


class Large:
    """Stands for a decoder, or for minutes of audio."""


async def test_a_job_that_failed_holds_nothing(pools):
    """Its variables go at once, and not when the garbage collector comes by: they can be large."""
    held = []

    def inner():
        large = Large()
        held.append(weakref.ref(large))
        raise ValueError("inner")

    def outer():
        large = Large()
        held.append(weakref.ref(large))
        try:
            inner()
        except ValueError as error:
            raise RuntimeError("outer") from error

    with pytest.raises(RuntimeError) as caught:
        await pools.decoding.run(outer)

    assert [reference() for reference in held] == [None, None]
    assert caught.value.__cause__.args == ("inner",)
