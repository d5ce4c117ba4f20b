"""Several requests in one call of an engine, from the manager's door; on workers without processes."""

import asyncio

import numpy as np
import pytest

from speechhub.engine import Audio, DeviceMemory, SttCapabilities, TranscribeRequest, Transcript
from speechhub.errors import (
    EngineCrashedError,
    EngineOutOfMemoryError,
    InvalidValueError,
    RequestTimeoutError,
    ShuttingDownError,
)
from speechhub.gpu.leaks import VISIT_CALLS
from speechhub.lifecycle.local_runner import LocalRunner
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.metrics import Metrics
from speechhub.worker.conversation import Report
from tests.fakes.placements import GPU, placement, placements
from tests.fakes.workers import FakeWorker, Fleet

MODELS = placements(placement("stt", device=GPU, capabilities=SttCapabilities(max_batch=3)))


def clip(seconds, prompt=None):
    """Return a request for so much silence."""
    return TranscribeRequest(
        audio=Audio(samples=np.zeros(round(16_000 * seconds), np.float32), sample_rate=16_000), prompt=prompt
    )


def hear(request):
    return Transcript(text=request.prompt or "", duration_s=request.audio.duration_s)


@pytest.fixture
async def fleet():
    made = Fleet()
    made.hear = hear
    return made


@pytest.fixture
async def manager(fleet):
    made = Manager(MODELS, limits=Limits(), launch=fleet.launch())
    yield made
    fleet.work_gate.set()
    await made.close(timeout_s=1)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def runner(manager, metrics):
    return LocalRunner(manager, metrics)


async def settled(condition):
    """Let the loop run until *condition* holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0)


@pytest.fixture
async def queued(fleet, manager, runner):
    """Have the first request run, and others wait behind it: return how to add them, by their prompts."""
    fleet.work_gate.clear()
    first = asyncio.create_task(runner.transcribe("stt", [clip(5, "first")]))
    await settled(lambda: fleet.calls)

    async def add(*prompts, seconds=5):
        tasks = [asyncio.create_task(runner.transcribe("stt", [clip(seconds, it)])) for it in prompts]
        await settled(lambda: manager.state("stt").waiting == len(prompts))
        return tasks

    yield add
    await asyncio.gather(first, return_exceptions=True)


async def next_call(fleet):
    """Let the call that runs end, and the next one begin, and hold that."""
    running, fleet.work_gate = fleet.work_gate, asyncio.Event()
    running.set()
    await settled(lambda: len(fleet.calls) == 2)


def prompts(call):
    return [request.prompt for request in call]


async def texts(tasks):
    return [[transcript.text for transcript in await task] for task in tasks]


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, {"model": "stt"} | labels)


async def test_each_request_gets_its_own_transcript_of_a_shared_call(fleet, queued, metrics):
    """One call for all who wait; time and audio are shared out by length."""
    tasks = await queued("a", "b", "c")
    fleet.work_gate.set()

    assert await texts(tasks) == [["a"], ["b"], ["c"]]
    assert [prompts(call) for call in fleet.calls] == [["first"], ["a", "b", "c"]]
    assert value(metrics, "speechhub_audio_seconds_total") == 20


async def test_passages_of_one_recording_share_with_others(fleet, queued, runner, manager):
    """A request may bring several recordings; it gets as many transcripts, in order."""
    tasks = await queued("a")
    tasks.append(asyncio.create_task(runner.transcribe("stt", [clip(5, "b1"), clip(5, "b2")])))
    await settled(lambda: manager.state("stt").waiting == 2)
    fleet.work_gate.set()

    assert await texts(tasks) == [["a"], ["b1", "b2"]]
    assert prompts(fleet.calls[-1]) == ["a", "b1", "b2"]


async def test_who_leaves_a_shared_call_spoils_it_for_nobody(fleet, queued, metrics):
    """Its result is dropped, and the call goes on."""
    tasks = await queued("a", "b")
    await next_call(fleet)
    tasks[0].cancel()
    await settled(tasks[0].done)

    fleet.work_gate.set()
    assert await texts(tasks[1:]) == [["b"]]
    assert tasks[0].cancelled()
    assert not fleet.cancelled


@pytest.mark.invariant("leaver-stops-work")
async def test_a_call_that_nobody_waits_for_is_given_up(fleet, manager, runner, metrics):
    """When the last one has left, the engine is told; then it is free."""
    fleet.work_gate.clear()
    task = asyncio.create_task(runner.transcribe("stt", [clip(5, "a")]))
    await settled(lambda: fleet.calls)
    task.cancel()

    await settled(lambda: not manager.state("stt").busy)
    assert [prompts(call) for call in fleet.cancelled] == [["a"]]
    assert value(metrics, "speechhub_cancelled_total", model="stt") is None
    assert metrics.registry.get_sample_value("speechhub_cancelled_total", {"stage": "running"}) == 1


async def test_who_left_before_the_grant_is_not_in_the_call(fleet, queued):
    """Not even in the very moment of the grant."""
    tasks = await queued("a", "b", "c")
    tasks[1].cancel()
    fleet.work_gate.set()

    assert await texts([tasks[0], tasks[2]]) == [["a"], ["c"]]
    assert prompts(fleet.calls[-1]) == ["a", "c"]


async def test_a_batch_that_does_not_fit_goes_on_one_by_one(fleet, manager, runner, queued):
    """Nobody gets an error for the company that it was in, and later batches are smaller."""

    def hear_one(request):
        if len(fleet.calls[-1]) > 1:
            raise EngineOutOfMemoryError("too much")
        return hear(request)

    fleet.hear = hear_one
    tasks = await queued("a", "b", "c")
    fleet.work_gate.set()

    assert await texts(tasks) == [["a"], ["b"], ["c"]]
    assert [len(call) for call in fleet.calls] == [1, 3, 1, 1, 1]

    fleet.work_gate.clear()
    more = [asyncio.create_task(runner.transcribe("stt", [clip(5, it)])) for it in "defg"]
    await settled(lambda: manager.state("stt").waiting == 3)
    fleet.work_gate.set()

    assert await texts(more) == [["d"], ["e"], ["f"], ["g"]]
    assert [len(call) for call in fleet.calls[5:]] == [1, 1, 1, 1]


async def test_an_error_of_one_is_its_own(fleet, queued):
    """What the engine refuses of one request, it does not refuse of the others."""

    def picky(request):
        if request.prompt == "bad":
            raise InvalidValueError("bad prompt", param="prompt")
        return hear(request)

    fleet.hear = picky
    a, bad, c = await queued("a", "bad", "c")
    fleet.work_gate.set()

    assert await texts([a, c]) == [["a"], ["c"]]
    with pytest.raises(InvalidValueError):
        await bad


async def test_after_a_crash_each_is_tried_again_alone(fleet, queued, metrics):
    """So whoever crashes its worker takes nobody along the second time, and gives up alone."""

    def deadly(request):
        if any(it.prompt == "deadly" for it in fleet.calls[-1]):
            fleet.started[-1].crash()
            raise EngineCrashedError("it died")
        return hear(request)

    fleet.hear = deadly
    a, poison, c = await queued("a", "deadly", "c")
    fleet.work_gate.set()

    assert await texts([a, c]) == [["a"], ["c"]]
    with pytest.raises(EngineCrashedError):
        await poison
    assert sorted(prompts(call) for call in fleet.calls[2:]) == [["a"], ["c"], ["deadly"]]
    assert metrics.registry.get_sample_value("speechhub_poison_total") == 1


@pytest.mark.invariant("out-of-memory")
async def test_a_request_that_is_too_large_alone_costs_the_worker_its_place(fleet, manager, runner):
    """It gets the error, and the next one a new process, whose memory is not in pieces."""

    def too_large(request):
        raise EngineOutOfMemoryError("too much")

    fleet.hear = too_large
    with pytest.raises(EngineOutOfMemoryError):
        await runner.transcribe("stt", [clip(5)])
    fleet.hear = hear

    await runner.transcribe("stt", [clip(5)])
    assert len(fleet.started) == 2


async def test_a_lease_that_runs_out_of_memory_costs_the_worker_its_place(fleet, manager):
    """The same for those that use an engine alone."""
    with pytest.raises(EngineOutOfMemoryError):
        async with manager.lease("stt"):
            raise EngineOutOfMemoryError("too much")

    async with manager.lease("stt"):
        assert len(fleet.started) == 2


async def test_who_waits_beyond_the_deadline_is_refused(fleet, manager, queued, runner):
    """By the scheduler, which knows when to come back."""
    soon = asyncio.get_running_loop().time() + 0.02
    with pytest.raises(RequestTimeoutError) as refused:
        await runner.transcribe("stt", [clip(5)], deadline=soon)

    assert refused.value.retry_after_s >= 1
    assert manager.state("stt").waiting == 0
    fleet.work_gate.set()


async def test_the_end_of_the_server_is_told_to_all_in_a_call(fleet, queued, manager):
    """Who shares a call that is cut off hears why."""
    tasks = await queued("a", "b")
    await next_call(fleet)

    closing = asyncio.create_task(manager.close(timeout_s=0.01))
    await settled(lambda: fleet.started[0].ended)
    fleet.work_gate.set()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ShuttingDownError] * 2
    await closing


async def test_an_engine_that_grows_with_every_call_is_replaced(fleet, manager, runner):
    """As soon as nobody waits for it; what it holds is told meanwhile."""

    def growing(request):
        calls = len(fleet.calls)
        memory = DeviceMemory(allocated_bytes=calls << 20, reserved_bytes=calls << 21)
        fleet.started[0].report = Report(overhead_s=0.001, memory=memory)
        return hear(request)

    fleet.hear = growing
    for _ in range(VISIT_CALLS):
        await runner.transcribe("stt", [clip(1)])
        await settled(lambda: not manager.state("stt").busy)
    assert manager.engine_memory.memory("stt", 1).allocated_bytes == VISIT_CALLS << 20
    assert len(fleet.started) == 1

    await runner.transcribe("stt", [clip(1)])

    await settled(lambda: len(fleet.started) == 2 and manager.state("stt").phase is Phase.READY)
    assert manager.engine_memory.memory("stt", manager.state("stt").epoch) is None, (
        "the new one said nothing yet"
    )


@pytest.mark.invariant("tried-twice")
@pytest.mark.parametrize("pieces", [0, 1])
async def test_work_that_yields_is_tried_twice_at_most(fleet, manager, metrics, monkeypatch, pieces):
    """A second crash is its own fault; and what has begun to flow cannot be begun anew."""

    async def stream(worker, request):
        fleet.calls.append([request])
        for _ in range(pieces):
            yield "one"
        worker.crash()
        raise EngineCrashedError("it died")

    monkeypatch.setattr(FakeWorker, "stream", stream, raising=False)
    runner = LocalRunner(manager, metrics)

    with pytest.raises(EngineCrashedError):
        async for _ in runner.stream("stt", clip(1)):
            pass

    assert len(fleet.calls) == (1 if pieces else 2)
    poisoned = metrics.registry.get_sample_value("speechhub_poison_total")
    assert poisoned == (0 if pieces else 1)
