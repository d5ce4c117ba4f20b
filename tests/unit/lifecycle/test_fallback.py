"""A load that shows that an engine cannot use the GPU: once to the CPU, and visibly."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from speechhub.engine import EngineDeviceError, Slot
from speechhub.errors import EngineLoadError
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.events import (
    Done,
    Exited,
    Fetched,
    Freed,
    Load,
    Loaded,
    LoadFailed,
    Move,
    NotFreed,
    PinWanted,
    Refuse,
    Requested,
    UnloadWanted,
    Verify,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from tests.fakes.gpus import FakeGpus
from tests.fakes.placements import CPU, GPU, placement, placements
from tests.fakes.workers import Fleet

NO_LIBRARY = EngineDeviceError("libcublas.so.12 is missing.")
STT = replace(placement("stt", device=GPU), fallback=CPU)
TTS = placement("tts", device=GPU, slot=Slot.TTS)
MODELS = placements(STT, TTS)


class PickyFleet(Fleet):
    """Its workers load on the CPU alone."""

    def __init__(self, error=NO_LIBRARY):
        super().__init__()
        self.error = error
        self.tries = []

    async def __call__(self, placement, epoch):
        self.tries.append(placement.device.name)
        self.load_error = self.error if placement.device.kind == "cuda" else None
        return await super().__call__(placement, epoch)


@pytest.fixture
async def managed():
    made = []

    def manage(fleet, models=MODELS, look=None):
        manager = Manager(models, limits=Limits(), launch=fleet.launch(), look=look)
        made.append(manager)
        return manager

    yield manage
    for manager in made:
        await manager.close(timeout_s=1)


@pytest.mark.scenario("load-shows-no-gpu")
async def test_who_waits_is_served_on_the_cpu(managed):
    """All of them, by one load; the placement says why, and the log warns once."""
    fleet = PickyFleet()
    manager = managed(fleet)

    async def use():
        async with manager.lease("stt") as worker:
            return worker.placement.device.name

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(20):
            assert await asyncio.gather(use(), use(), use()) == ["cpu"] * 3

    assert fleet.tries == ["cuda:0", "cpu"]
    placed = manager.placements["stt"]
    assert placed.device == CPU
    assert placed.device_note == ("It runs on cpu and no longer on cuda:0: libcublas.so.12 is missing.")
    [warning] = [it for it in logs if it["event"] == "engine falls back to another device"]
    assert (warning["model"], warning["before"], warning["device"]) == ("stt", "cuda:0", "cpu")
    assert manager.current_model("cpu") == "stt"
    assert manager.current_model("cuda:0") is None


async def test_another_failure_does_not_fall_back(managed):
    """Weights that are damaged are so on the CPU, too."""
    fleet = PickyFleet(EngineLoadError("model.bin is damaged"))
    manager = managed(fleet)

    with pytest.raises(EngineLoadError, match="damaged"):
        await manager.switch_to("stt")

    assert fleet.tries == ["cuda:0"]
    assert manager.placements["stt"].device == GPU


async def test_a_model_without_a_fallback_gets_the_error(managed):
    """As where the operator named the device."""
    fleet = PickyFleet()
    manager = managed(fleet, placements(replace(STT, fallback=None), TTS))

    with pytest.raises(EngineDeviceError, match="libcublas"):
        await manager.switch_to("stt")

    assert fleet.tries == ["cuda:0"]


async def test_what_fails_on_the_cpu_too_is_an_error(managed):
    class Hopeless(PickyFleet):
        async def __call__(self, placement, epoch):
            worker = await super().__call__(placement, epoch)
            self.load_error = NO_LIBRARY
            return worker

    fleet = Hopeless()
    manager = managed(fleet)

    with pytest.raises(EngineDeviceError):
        await manager.switch_to("stt")

    assert fleet.tries == ["cuda:0", "cpu"]


def waiting(*models):
    """Return a scheduler whose first model is being loaded, and what its load is called."""
    scheduler = Scheduler(MODELS, Limits())
    for number, model in enumerate(models):
        scheduler.handle(Requested(ticket=number, model=model), 0.0)
    loads = []
    for model in dict.fromkeys(models):
        loads += [it for it in scheduler.handle(Fetched(model=model), 0.0) if isinstance(it, Load)]
    return scheduler, loads[0]


def test_the_gpu_is_proved_free_before_it_moves():
    """Nobody is refused, and whoever comes next has the GPU for itself."""
    scheduler, load = waiting("stt", "tts")

    first = scheduler.handle(LoadFailed(model="stt", epoch=load.epoch, error=NO_LIBRARY), 1.0)
    second = scheduler.handle(Freed(model="stt", epoch=load.epoch), 2.0)

    assert first == [Verify(model="stt", epoch=load.epoch)]
    assert [type(it) for it in second] == [Move, Load, Load]
    assert second[0].placement.device == CPU
    assert {it.model for it in second[1:]} == {"stt", "tts"}
    assert scheduler.state("stt").failures == 0


def test_it_moves_although_the_memory_does_not_come_back():
    """A driver that is gone makes the load fail, and proves nothing any more: the CPU needs no proof."""
    scheduler, load = waiting("stt", "tts")
    scheduler.handle(LoadFailed(model="stt", epoch=load.epoch, error=NO_LIBRARY), 1.0)

    effects = scheduler.handle(NotFreed(model="stt", epoch=load.epoch, error=EngineLoadError("full")), 2.0)

    assert [(type(it), it.model) for it in effects if not isinstance(it, Refuse)] == [
        (Move, "stt"),
        (Load, "stt"),
    ]
    assert [it.ticket for it in effects if isinstance(it, Refuse)] == [1]
    # The next engine on the GPU is not loaded blindly.
    verify = Verify(model="tts", epoch=load.epoch)
    assert scheduler.handle(Requested(ticket=9, model="tts"), 3.0) == [verify]
    [next_load] = scheduler.handle(Freed(model="tts", epoch=load.epoch), 4.0)
    assert isinstance(next_load, Load)
    assert scheduler.state("stt").phase is not None


@pytest.mark.lengthy  # waits five seconds for the card
async def test_with_a_driver_that_is_gone_all_are_served_on_the_cpu(managed):
    """As in a container whose device the system took back while it served."""
    fleet, gpus = PickyFleet(error=None), FakeGpus()
    manager = managed(fleet, look=gpus.sample)
    await manager.switch_to("stt")
    await manager.unload("stt")
    gpus.lost, fleet.error = True, NO_LIBRARY

    async with asyncio.timeout(30):
        await manager.switch_to("stt")

    assert manager.placements["stt"].device == CPU


def test_a_pin_goes_along():
    """It keeps the model where it is now, and leaves the GPU to others."""
    scheduler, load = waiting("stt")
    scheduler.handle(PinWanted(model="stt"), 0.5)
    scheduler.handle(LoadFailed(model="stt", epoch=load.epoch, error=NO_LIBRARY), 1.0)
    scheduler.handle(Freed(model="stt", epoch=load.epoch), 2.0)

    effects = scheduler.handle(Requested(ticket=5, model="tts"), 3.0)

    assert scheduler.state("stt").pinned
    assert not [it for it in effects if isinstance(it, Refuse)]


def test_the_first_load_on_the_cpu_may_take_as_long_as_a_first_load():
    """It is one, whatever was loaded on the GPU before: other files are read, and other code compiled."""
    scheduler, load = waiting("stt")
    scheduler.handle(Loaded(model="stt", epoch=load.epoch), 1.0)
    scheduler.handle(Done(ticket=0), 2.0)
    scheduler.handle(UnloadWanted(model="stt"), 3.0)
    scheduler.handle(Exited(model="stt", epoch=load.epoch), 4.0)
    scheduler.handle(Freed(model="stt", epoch=load.epoch), 5.0)
    [again] = scheduler.handle(Requested(ticket=1, model="stt"), 6.0)
    scheduler.handle(LoadFailed(model="stt", epoch=again.epoch, error=NO_LIBRARY), 7.0)
    scheduler.handle(Freed(model="stt", epoch=again.epoch), 8.0)

    assert scheduler.next_wake() == 8.0 + Limits().first_load_timeout_s


async def test_a_move_is_no_switch_on_the_gpu(managed):
    """The next engine there comes to a device that was free, not in place of one that never was ready."""
    fleet = PickyFleet()
    manager = managed(fleet)
    await manager.switch_to("stt")
    fleet.error = None

    async with asyncio.timeout(20):
        await manager.switch_to("tts")

    assert manager.switches.recent[-1].direction == ("none", "tts")
