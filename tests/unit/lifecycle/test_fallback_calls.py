"""A call that shows that an engine cannot use the GPU: once more on the CPU, and visibly."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import structlog

from speechhub.engine import (
    Audio,
    EngineDeviceError,
    Slot,
    SttCapabilities,
    SynthesizeRequest,
    TranscribeRequest,
)
from speechhub.errors import EngineCrashedError, EngineError, EngineOutOfMemoryError
from speechhub.lifecycle.local_runner import LocalRunner
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.events import (
    DeviceUnusable,
    Done,
    Exited,
    Fetched,
    Freed,
    Load,
    Loaded,
    Move,
    Requested,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import NetRent
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.metrics import Metrics
from tests.fakes.placements import CPU, GPU, placement, placements
from tests.fakes.workers import FakeWorker, Fleet

NO_LIBRARY = "libcublas.so.12 is missing."
STT = replace(placement("stt", device=GPU, capabilities=SttCapabilities(max_batch=3)), fallback=CPU)
TTS = replace(placement("tts", device=GPU, slot=Slot.TTS), fallback=CPU)
MODELS = placements(STT, TTS)
SILENCE = Audio(samples=np.zeros(16_000, np.float32), sample_rate=16_000)
CLIP = TranscribeRequest(audio=SILENCE)
TEXT = SynthesizeRequest(text="Hello.", voice="anna")


class PickyWorker(FakeWorker):
    """Loads anywhere, and fails at its calls on a GPU."""

    async def transcribe(self, batch, *, on_progress=None):
        heard = await super().transcribe(batch, on_progress=on_progress)
        self.fail()
        return heard

    async def synthesize(self, request):
        for _ in range(self.fleet.pieces_before):
            yield SILENCE
        self.fail()
        yield SILENCE

    def fail(self):
        if self.placement.device.kind == "cuda" and self.fleet.errors:
            error = self.fleet.errors.pop(0) if len(self.fleet.errors) > 1 else self.fleet.errors[0]
            if isinstance(error, EngineCrashedError):
                self.crash()
            raise error


class PickyFleet(Fleet):
    def __init__(self, *errors):
        super().__init__()
        self.errors = list(errors)
        self.pieces_before = 0

    async def __call__(self, placement, epoch):
        worker = PickyWorker(self, placement, epoch)
        self.started.append(worker)
        self.load(worker)
        return worker

    @property
    def places(self):
        """Devices on which workers were started, in order."""
        return [worker.placement.device.name for worker in self.started]


@pytest.fixture
async def served():
    managers = []

    def serve(fleet, models=MODELS):
        manager = Manager(models, limits=Limits(), launch=fleet.launch())
        managers.append(manager)
        return manager, LocalRunner(manager, Metrics())

    yield serve
    for manager in managers:
        await manager.close(timeout_s=1)


async def test_a_call_is_done_on_the_cpu_and_the_next_one_goes_there(served):
    """The placement says why, the log warns once, and the model stays."""
    fleet = PickyFleet(EngineDeviceError(NO_LIBRARY))
    manager, runner = served(fleet)

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(20):
            first = await runner.transcribe("stt", [CLIP])
            second = await runner.transcribe("stt", [CLIP])

    assert [it.text for it in first] == [it.text for it in second]
    assert fleet.places == ["cuda:0", "cpu"]
    placed = manager.placements["stt"]
    assert (placed.device, placed.fallback) == (CPU, None)
    assert placed.device_note == f"It runs on cpu and no longer on cuda:0: {NO_LIBRARY}"
    [warning] = [it for it in logs if it["event"] == "engine falls back to another device"]
    assert (warning["model"], warning["before"], warning["device"]) == ("stt", "cuda:0", "cpu")
    assert manager.states()[0].failures == 0


async def test_all_who_share_the_call_are_served(served):
    """By one move; none of them meets the error, and the failing call is not repeated for each."""
    fleet = PickyFleet(EngineDeviceError(NO_LIBRARY))
    _, runner = served(fleet)
    fleet.gate.clear()
    calls = [asyncio.create_task(runner.transcribe("stt", [CLIP])) for _ in range(3)]
    await asyncio.sleep(0)
    fleet.gate.set()

    async with asyncio.timeout(20):
        answers = await asyncio.gather(*calls)

    assert len(answers) == 3
    assert fleet.places == ["cuda:0", "cpu"]
    assert [len(it) for it in fleet.calls] == [3, 1, 1, 1]


async def test_speech_that_has_not_begun_is_spoken_on_the_cpu(served):
    fleet = PickyFleet(EngineDeviceError(NO_LIBRARY))
    _, runner = served(fleet)

    async with asyncio.timeout(20):
        pieces = [piece async for piece in runner.synthesize("tts", TEXT)]

    assert len(pieces) == 1
    assert fleet.places == ["cuda:0", "cpu"]


@pytest.mark.scenario("call-shows-no-gpu")
async def test_speech_that_has_begun_ends_with_the_error_and_the_model_moves(served):
    """Its client has heard a part: it would hear that twice. The next one is spoken on the CPU."""
    fleet = PickyFleet(EngineDeviceError(NO_LIBRARY))
    fleet.pieces_before = 1
    manager, runner = served(fleet)
    heard = []

    async with asyncio.timeout(20):
        with pytest.raises(EngineDeviceError, match="libcublas"):
            await listen(runner, heard)
        fleet.pieces_before = 0
        after = [piece async for piece in runner.synthesize("tts", TEXT)]

    assert (len(heard), len(after)) == (1, 1)
    assert manager.placements["tts"].device == CPU


async def test_a_device_that_the_operator_named_is_kept(served):
    fleet = PickyFleet(EngineDeviceError(NO_LIBRARY))
    manager, runner = served(fleet, placements(replace(STT, fallback=None)))

    with pytest.raises(EngineDeviceError, match="libcublas"):
        await runner.transcribe("stt", [CLIP])

    assert fleet.places == ["cuda:0"]
    assert manager.placements["stt"].device == GPU


@pytest.mark.parametrize("error", [EngineError("bad"), EngineOutOfMemoryError("full")])
async def test_a_call_that_fails_for_another_reason_moves_nothing(served, error):
    fleet = PickyFleet(error)
    manager, runner = served(fleet)

    with pytest.raises(type(error)):
        await runner.transcribe("stt", [CLIP])

    assert set(fleet.places) == {"cuda:0"}
    assert manager.placements["stt"].device == GPU


async def test_a_lost_device_gets_a_new_process_there_and_one_of_no_use_the_cpu(served):
    """The two are told apart, and one request can meet both."""
    fleet = PickyFleet(EngineCrashedError("its device was lost"), EngineDeviceError(NO_LIBRARY))
    _, runner = served(fleet)

    async with asyncio.timeout(20):
        await runner.transcribe("stt", [CLIP])

    assert fleet.places == ["cuda:0", "cuda:0", "cpu"]


async def listen(runner, heard):
    async for piece in runner.synthesize("tts", TEXT):
        heard.append(piece)  # what came before the error is looked at


def ready():
    """Return a scheduler whose first model works on the GPU, and the epoch of its worker."""
    scheduler = Scheduler(MODELS, Limits(policy=NetRent(speculation=0.1)))
    scheduler.handle(Requested(ticket=0, model="stt"), 0.0)
    [load] = [it for it in scheduler.handle(Fetched(model="stt"), 0.0) if isinstance(it, Load)]
    scheduler.handle(Loaded(model="stt", epoch=load.epoch), 1.0)
    return scheduler, load.epoch


def test_what_was_foreseen_on_the_gpu_is_forgotten_when_a_model_leaves_it():
    """Those who come in turns are foreseen: one that has moved must not be looked for where it was."""
    scheduler, epoch = ready()
    for ticket, model in enumerate(("tts", "stt", "tts"), start=1):
        scheduler.handle(Requested(ticket=ticket, model=model), 1.5)
    scheduler.handle(DeviceUnusable(model="stt", epoch=epoch, error=EngineDeviceError(NO_LIBRARY)), 2.0)
    scheduler.handle(Done(ticket=0, finished=False), 2.0)
    scheduler.handle(Exited(model="stt", epoch=epoch), 3.0)
    moved = scheduler.handle(Freed(model="stt", epoch=epoch), 4.0)
    [other] = [it for it in scheduler.handle(Fetched(model="tts"), 4.5) if isinstance(it, Load)]
    scheduler.handle(Loaded(model="tts", epoch=other.epoch), 5.0)
    scheduler.handle(Done(ticket=1), 6.0)

    assert scheduler.handle(Done(ticket=3), 7.0) == []
    assert isinstance(moved[0], Move)
    assert scheduler.state("stt").phase is not None
