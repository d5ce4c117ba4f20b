"""Calls of live sessions, and spare calls, from the runner's door; on workers without processes."""

import asyncio

import numpy as np
import pytest
from structlog.testing import capture_logs

from speechhub.engine import Audio, Hypothesis, ListenRequest, Slot, TranscribeRequest, Transcript
from speechhub.errors import EngineCrashedError, LiveSessionLostError, NotIdleError
from speechhub.lifecycle.local_runner import LocalRunner
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.metrics import Metrics
from tests.fakes.placements import GPU, placement, placements
from tests.fakes.workers import FakeWorker, Fleet

MODELS = placements(placement("stt", device=GPU), placement("tts", device=GPU, slot=Slot.TTS))


def audio(seconds):
    return Audio(samples=np.zeros(round(16_000 * seconds), np.float32), sample_rate=16_000)


def clip(seconds=1.0):
    return TranscribeRequest(audio=audio(seconds))


def piece(seconds=0.5, **fields):
    return ListenRequest(**{"session": "s1", "audio": audio(seconds)} | fields)


@pytest.fixture
async def fleet(monkeypatch):
    made = Fleet()
    made.hear = lambda request: Transcript(text="whole", duration_s=request.audio.duration_s)
    made.listened, made.listen_error = [], None

    async def listen(worker, request):
        made.listened.append((worker.epoch, request))
        await made.work_gate.wait()
        if isinstance(made.listen_error, EngineCrashedError):
            worker.crash()
        if made.listen_error:
            raise made.listen_error
        return Hypothesis(text="so far", stable_chars=2)

    monkeypatch.setattr(FakeWorker, "listen", listen, raising=False)
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


async def idle(manager):
    """Let the loop run until no call is under way."""
    async with asyncio.timeout(5):
        while any(state.busy for state in manager.states()):  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0)


@pytest.fixture
async def ready(manager, runner):
    """Have the model loaded and idle."""
    await runner.switch_to("stt")
    assert runner.is_ready("stt")


async def test_a_piece_is_an_ordinary_call(fleet, manager, runner):
    """It loads the model if need be, gets its answer, and holds nothing afterwards."""
    assert not runner.is_ready("stt")

    heard = await runner.listen("stt", piece(first=True))

    assert heard == Hypothesis(text="so far", stable_chars=2)
    await idle(manager)
    assert runner.is_ready("stt")
    assert await runner.transcribe("stt", [clip()])


@pytest.mark.usefixtures("ready")
async def test_pieces_count_as_heard_audio_once(runner, metrics):
    """Each second of an utterance is fed once."""
    for _ in range(3):
        await runner.listen("stt", piece(0.5))

    assert metrics.registry.get_sample_value("speechhub_audio_seconds_total", {"model": "stt"}) == 1.5


@pytest.mark.parametrize("spare", [False, True])
@pytest.mark.usefixtures("ready")
async def test_a_lost_session_is_told_once_and_is_no_failure(fleet, manager, runner, spare):
    """The hub begins another session; the log has no failure of the engine."""
    fleet.listen_error = LiveSessionLostError()
    with capture_logs() as logs, pytest.raises(LiveSessionLostError):
        await runner.listen("stt", piece(), spare=spare)

    await idle(manager)
    assert len(fleet.listened) == 1
    assert not [line for line in logs if line["log_level"] == "error"]


@pytest.mark.usefixtures("ready")
async def test_a_crash_during_a_piece_is_not_tried_again(fleet, runner):
    """Another worker would not have the session."""
    fleet.listen_error = EngineCrashedError("it died")
    with pytest.raises(EngineCrashedError):
        await runner.listen("stt", piece())

    assert len(fleet.listened) == 1


async def test_spare_work_never_loads_a_model(fleet, runner):
    """Neither a transcription, nor a piece, nor the end of a session."""
    with pytest.raises(NotIdleError):
        await runner.transcribe("stt", [clip()], spare=True)
    with pytest.raises(NotIdleError):
        await runner.listen("stt", piece(first=True), spare=True)
    assert await runner.listen("stt", piece(abandon=True)) == Hypothesis(text="")

    assert fleet.started == []


@pytest.mark.usefixtures("ready")
async def test_spare_work_is_refused_while_a_call_runs(fleet, manager, runner):
    """It does not wait; an abandoned session is left to the engine."""
    fleet.work_gate.clear()
    running = asyncio.create_task(runner.transcribe("stt", [clip()]))
    async with asyncio.timeout(5):
        while not fleet.calls:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0)

    with pytest.raises(NotIdleError):
        await runner.transcribe("stt", [clip()], spare=True)
    assert await runner.listen("stt", piece(abandon=True)) == Hypothesis(text="")

    fleet.work_gate.set()
    await running
    await idle(manager)
    assert len(fleet.calls) == 1
    assert await runner.transcribe("stt", [clip()], spare=True)
    assert fleet.listened == []


@pytest.mark.usefixtures("ready")
async def test_a_request_waits_for_the_end_of_spare_work_and_no_longer(fleet, manager, runner):
    """It gets a call of its own, right after the spare one."""
    fleet.work_gate.clear()
    partial = asyncio.create_task(runner.transcribe("stt", [clip(2)], spare=True))
    async with asyncio.timeout(5):
        while not fleet.calls:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0)
    final = asyncio.create_task(runner.transcribe("stt", [clip(3)]))
    await asyncio.sleep(0)
    assert len(fleet.calls) == 1

    fleet.work_gate.set()
    await asyncio.gather(partial, final)

    assert [[it.audio.duration_s for it in call] for call in fleet.calls] == [[2], [3]]


@pytest.mark.usefixtures("ready")
async def test_spare_work_that_crashes_its_worker_is_not_tried_again(fleet, runner, metrics):
    """It was best effort, and its crash is no request's second one."""

    def hear(request):
        fleet.started[-1].crash()
        raise EngineCrashedError("it died")

    fleet.hear = hear
    with pytest.raises(EngineCrashedError):
        await runner.transcribe("stt", [clip()], spare=True)

    assert len(fleet.calls) == 1
    assert metrics.registry.get_sample_value("speechhub_poison_total") == 0
    assert not metrics.registry.get_sample_value("speechhub_audio_seconds_total", {"model": "stt"})
