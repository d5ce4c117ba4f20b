"""A device that fails once: its process ends, a new one does the work again, and no later request pays.

Real workers, and the manager and runner that the hub has.
"""

import asyncio

import pytest
from structlog.testing import capture_logs

from speechhub.engine import EngineSpec, LoadContext, Slot, SttCapabilities, SynthesizeRequest
from speechhub.errors import EngineCrashedError, EngineFailingError, EngineLoadError
from speechhub.lifecycle.launch import Launch
from speechhub.lifecycle.local_runner import LocalRunner
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.worker.child import DEVICE_LOST_STATUS
from speechhub.worker.host import Worker
from tests.fakes.placements import CPU, placement, placements

DEADLINE_S = 20
CALM = 2
"""Requests that come afterwards."""


@pytest.fixture
def fragile(tmp_path, foreign_python):
    """Start workers whose device fails once, at a place."""
    marker = tmp_path / "marker"
    marker.touch()

    class Starter:
        def __init__(self, fails_in):
            self.options = {"fails_in": fails_in, "marker": str(marker)}
            self.started = []

        async def __call__(self, placement, epoch):
            slot = placement.slot
            factory = "probes:FragileStt" if slot is Slot.STT else "probes:FragileTts"
            spec = EngineSpec(
                name="fragile", slot=slot, factory=factory, capabilities=placement.engine.spec.capabilities
            )
            worker = await Worker.start(
                spec, epoch=epoch, python=foreign_python, handshake_timeout_s=DEADLINE_S
            )
            load = worker.load

            async def load_with_options(context):
                await load(LoadContext(model=context.model, model_dir=None, options=self.options))

            worker.load = load_with_options
            self.started.append(worker)
            return worker

    return Starter


@pytest.fixture
async def serve(fragile):
    """Return a runner over the workers of `fragile`, and what they started."""
    managers = []

    def build(fails_in):
        starter = fragile(fails_in)
        manager = Manager(
            placements(
                placement("stt", device=CPU, capabilities=SttCapabilities(max_batch=3, streaming=True)),
                placement("tts", device=CPU, slot=Slot.TTS),
            ),
            limits=Limits(),
            launch=Launch(fetch=lambda placement: None, starter=starter),
        )
        managers.append(manager)
        return LocalRunner(manager), starter.started

    yield build
    for manager in managers:
        await manager.close(timeout_s=5)


def retries(logged):
    return [line["event"] for line in logged].count("a request's worker crashed")


async def collect(pieces):
    return [piece async for piece in pieces]


async def ask(runner, how, request_of):
    """Do the work that a request of one kind needs; return what comes of it."""
    async with asyncio.timeout(DEADLINE_S):
        match how:
            case "transcribe":
                return (await runner.transcribe("stt", [request_of()]))[0].text
            case "stream":
                *pieces, whole = await collect(runner.stream("stt", request_of()))
                assert "".join(pieces) == whole.text
                return whole.text
            case _:
                pieces = await collect(runner.synthesize("tts", SynthesizeRequest(text="One.", voice="a")))
                return len(pieces)


@pytest.mark.scenario("device-lost-in-call")
@pytest.mark.parametrize(("how", "expected"), [("transcribe", "fine"), ("stream", "fine"), ("synthesize", 2)])
async def test_a_call_that_loses_its_device_is_done_by_a_new_process(
    serve, request_of, tmp_path, how, expected
):
    """One retry, and all that come later are served by the second process."""
    runner, started = serve(how)

    with capture_logs() as logged:
        answers = [await ask(runner, how, request_of) for _ in range(1 + CALM)]

    assert answers == [expected] * (1 + CALM)
    assert len(started) == 2
    end = await started[0].exited
    assert (end.returncode, end.requested) == (DEVICE_LOST_STATUS, False)
    assert "RuntimeError in probes.py:" in end.why
    assert "4711" not in str(end)
    assert not (tmp_path / "closed").exists()
    assert started[1].ended is None
    assert retries(logged) == 1


@pytest.mark.parametrize("how", ["stream", "synthesize"])
async def test_a_stream_that_has_begun_fails_and_no_later_one_does(serve, request_of, how):
    """What was sent cannot be taken back, so there is no second try; the process goes all the same."""
    runner, started = serve("second piece")
    pieces = (
        runner.stream("stt", request_of())
        if how == "stream"
        else runner.synthesize("tts", SynthesizeRequest(text="One.", voice="a"))
    )

    async with asyncio.timeout(DEADLINE_S):
        await anext(pieces)
        with pytest.raises(EngineCrashedError, match="it lost its device: RuntimeError in probes"):
            await anext(pieces)

    assert await ask(runner, how, request_of)
    assert len(started) == 2


async def test_all_that_share_a_call_are_done_again(serve, request_of):
    """Two requests in one call, and one in the queue: each gets its own answer."""
    runner, started = serve("transcribe")

    async with asyncio.timeout(DEADLINE_S):
        answers = await asyncio.gather(
            *(runner.transcribe("stt", [request_of(prompt=prompt)]) for prompt in ("a", "b", "c", "d", "e"))
        )

    assert [transcripts[0].text for transcripts in answers] == ["a", "b", "c", "d", "e"]
    assert len(started) == 2


@pytest.mark.scenario("device-lost-in-call")
@pytest.mark.parametrize(("how", "expected"), [("transcribe", "fine"), ("stream", "fine"), ("synthesize", 2)])
async def test_a_fault_seen_after_the_work_costs_no_request(serve, request_of, how, expected):
    """The device reports late: the answer is there, the process ends, and nobody has to try again."""
    runner, started = serve("memory")

    with capture_logs() as logged:
        answers = [await ask(runner, how, request_of) for _ in range(1 + CALM)]

    assert answers == [expected] * (1 + CALM)
    assert len(started) == 2
    assert (await started[0].exited).returncode == DEVICE_LOST_STATUS
    assert retries(logged) == 0


@pytest.mark.scenario("device-lost-in-load")
@pytest.mark.parametrize("fails_in", ["load", "wrapped load"])
async def test_a_load_that_loses_its_device_is_done_by_a_new_process(serve, request_of, fails_in):
    """No request learns of it, whether the engine makes an error of its own of it or not."""
    runner, started = serve(fails_in)

    answers = [await ask(runner, "transcribe", request_of) for _ in range(1 + CALM)]

    assert answers == ["fine"] * (1 + CALM)
    assert len(started) == 2
    assert started[0].ended is not None


@pytest.mark.scenario("device-lost-in-load")
async def test_a_load_that_loses_its_device_twice_is_an_error(serve, request_of):
    runner, started = serve("every load")

    with pytest.raises(EngineLoadError, match="device-side assert"):
        await ask(runner, "transcribe", request_of)

    assert len(started) == 2
    assert all(worker.ended is not None for worker in started)


async def test_a_device_that_fails_at_every_call_is_left_alone_for_a_while(serve, request_of, tmp_path):
    """Two requests are tried twice each; then requests are refused at once, until work is done again."""
    runner, started = serve("nothing")
    (broken := tmp_path / "broken").touch()

    for _ in range(2):
        with pytest.raises(EngineCrashedError):
            await ask(runner, "transcribe", request_of)
    with pytest.raises(EngineFailingError, match="failed at every request") as refusal:
        await ask(runner, "transcribe", request_of)
    tried = len(broken.read_text())
    await asyncio.sleep(refusal.value.retry_after_s + 0.05)
    with pytest.raises(EngineFailingError):  # one more try, and no second one of the same request
        await ask(runner, "transcribe", request_of)
    again = len(broken.read_text())
    broken.unlink()
    await asyncio.sleep(2.05)
    answers = [await ask(runner, "transcribe", request_of) for _ in range(2)]

    assert (tried, again) == (4, 5)
    assert answers == ["fine", "fine"]
    assert len(started) == 6


async def test_a_request_that_makes_kernels_fail_stops_nobody_else(serve, request_of, tmp_path):
    runner, _ = serve("nothing")
    broken = tmp_path / "broken"

    for _ in range(4):
        broken.touch()
        with pytest.raises(EngineCrashedError):
            await ask(runner, "transcribe", request_of)
        broken.unlink()
        assert await ask(runner, "transcribe", request_of) == "fine"


async def test_nothing_more_is_asked_of_a_worker_that_lost_its_device(fragile, request_of):
    """Between its last answer and its end it takes no call, and who waits for it learns that it is gone."""
    worker = await fragile("memory")(placement("stt", device=CPU), 1)
    await worker.load(LoadContext(model="stt", model_dir=None))
    assert (await worker.transcribe([request_of()]))[0].text == "fine"

    with pytest.raises(EngineCrashedError):
        await worker.transcribe([request_of()])

    assert not await worker.settle(DEADLINE_S)
    assert worker.ended is not None
