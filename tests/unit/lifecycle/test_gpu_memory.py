"""Proof that a GPU has its memory back: drivers that lag, lie, fall silent, show strangers. Virtual time."""

import asyncio
import functools
import os
from dataclasses import dataclass, field

import pytest
import structlog

from speechhub.engine import Slot
from speechhub.errors import GpuMemoryError
from speechhub.lifecycle.gpu_memory import SAMPLES, GpuMemory
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.vacancy import TOLERANCE_BYTES, is_free
from tests.fakes.placements import GPU, placement, placements
from tests.fakes.virtual_time import POOLS, Here, in_virtual_time
from tests.fakes.workers import Fleet

MB = 1024 * 1024
TOTAL = 4000 * MB
MODELS = placements(placement("stt", device=GPU), placement("tts", device=GPU, slot=Slot.TTS))


@dataclass
class Look:
    used_bytes: int
    processes: dict | None = field(default_factory=dict)

    @property
    def free_bytes(self):
        return TOTAL - self.used_bytes


class Driver:
    """Shows the same picture until it is given others; those are shown once each, the last one for ever."""

    def __init__(self, *pictures):
        self.pictures = list(pictures)
        self.asked = 0

    def show(self, *pictures):
        self.pictures = list(pictures)

    def __call__(self, index):
        assert index == 0
        self.asked += 1
        return self.pictures.pop(0) if len(self.pictures) > 1 else self.pictures[0]


ME = os.getpid()  # a process that is its own group's, as far as the proof is concerned
EMPTY = Look(200 * MB)
LOADED = Look(2200 * MB, {ME: 1900 * MB})
HIDDEN = Look(2200 * MB, None)
"""As on WSL: no process is shown."""


def virtually(scene):
    """Run a test of a coroutine function in virtual time."""

    @functools.wraps(scene)
    def test(*args, **kwargs):
        in_virtual_time(scene(*args, **kwargs))

    return test


async def proof_after(driver, loaded=LOADED):
    """Return the memory of a GPU that has seen an engine come."""
    memory = GpuMemory(driver, pool=Here())
    driver.show(EMPTY)
    await memory.before_load("cuda:0")
    driver.show(loaded)
    await memory.after_load("cuda:0", "stt", ME)
    driver.asked = 0
    return memory


@pytest.mark.invariant("late-memory")
@pytest.mark.parametrize("loaded", [LOADED, HIDDEN])
@virtually
async def test_memory_that_comes_back_late_is_waited_for(loaded):
    driver = Driver()
    memory = await proof_after(driver, loaded)
    driver.show(loaded, loaded, loaded, EMPTY)

    await memory.freed("cuda:0", ["tts"])

    assert driver.asked == 3 + SAMPLES


@virtually
async def test_one_good_look_is_not_enough():
    """Between the end of one process and the start of another there can be a gap."""
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(EMPTY, LOADED, EMPTY)

    await memory.freed("cuda:0", [])

    assert driver.asked == 2 + SAMPLES


@virtually
async def test_process_that_is_still_there_holds_the_device():
    """Whatever the totals say: they lie, or lag behind the list."""
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(Look(200 * MB, {ME: None}))

    with pytest.raises(GpuMemoryError, match=f"process {ME} .*ours, which has ended and is still there"):
        await memory.freed("cuda:0", [])


@pytest.mark.mission("15.13")
@virtually
async def test_strangers_are_named_with_what_they_hold():
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(Look(3900 * MB, {4711: 3000 * MB, 4712: None}))

    with pytest.raises(GpuMemoryError) as caught:
        await memory.freed("cuda:0", ["stt"])

    assert "process 4711 (3000 MB), process 4712 (? MB)" in caught.value.message
    assert caught.value.retry_after_s > 0


@virtually
async def test_stranger_who_leaves_room_is_no_obstacle():
    """Its memory was never ours; what the next engine took the last time is free."""
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(Look(1000 * MB, {4711: 800 * MB}))

    await memory.freed("cuda:0", ["stt"])


@virtually
async def test_stranger_who_leaves_no_room_is_one():
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(Look(2300 * MB, {4711: 2100 * MB}))

    with pytest.raises(GpuMemoryError, match="2000 MB are needed"):
        await memory.freed("cuda:0", ["stt"])


@pytest.mark.invariant("memory-returned")
@virtually
async def test_memory_of_nobody_is_not_free():
    """A driver that has taken a process off its list can still hold its memory."""
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(Look(2200 * MB, {}))

    with pytest.raises(GpuMemoryError, match="No process reported by the driver holds it"):
        await memory.freed("cuda:0", ["stt"])


@pytest.mark.scenario("silent-gpu-driver")
@virtually
async def test_driver_that_falls_silent_proves_nothing():
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(None)

    with pytest.raises(GpuMemoryError, match="does not answer"):
        await memory.freed("cuda:0", [])


@virtually
async def test_driver_that_comes_back_is_believed():
    driver = Driver()
    memory = await proof_after(driver)
    driver.show(None, None, EMPTY)

    await memory.freed("cuda:0", [])


@virtually
async def test_driver_that_never_answered_is_not_waited_for():
    """There is nothing to compare with: the end of the process must do."""
    driver = Driver(None)
    memory = GpuMemory(driver, pool=Here())
    await memory.before_load("cuda:0")

    await memory.freed("cuda:0", ["stt"])

    assert driver.asked == 1


@virtually
async def test_stranger_who_was_there_at_first_hides_nobody_later():
    """When it has left, what it took is not ours to use up: the deadline must pass."""
    driver = Driver()
    memory = GpuMemory(driver, pool=Here())
    driver.show(Look(1200 * MB, None))
    await memory.before_load("cuda:0")
    driver.show(EMPTY)
    await memory.freed("cuda:0", [])
    driver.show(Look(1200 * MB, None))

    with structlog.testing.capture_logs() as logs:
        await memory.freed("cuda:0", [])

    assert [it["before_mb"] for it in logs] == [200]


@pytest.mark.parametrize(("more", "free"), [(TOLERANCE_BYTES, True), (TOLERANCE_BYTES + 1, False)])
def test_some_megabytes_more_are_the_drivers_own(more, free):
    assert is_free(Look(200 * MB + more, None), EMPTY, (), 0) is free


@virtually
async def test_a_busy_machine_looks_twice_all_the_same():
    """The time may be over after the first look, and one look tells nothing."""
    driver = Driver()
    memory = await proof_after(driver)
    memory._deadline_s = 0.0
    driver.show(EMPTY)

    await memory.freed("cuda:0", ["tts"])

    assert driver.asked == SAMPLES


def managed(fleet, driver):
    return Manager(MODELS, limits=Limits(), launch=fleet.launch(pools=POOLS), look=driver)


@pytest.mark.mission("5.5")
@virtually
async def test_nothing_loads_before_the_proof():
    """The next engine waits for the memory, and the record of switches says for how long."""
    driver, fleet = Driver(EMPTY), Fleet()
    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(pools=POOLS), look=driver)
    await manager.switch_to("stt")
    started = len(fleet.started)
    driver.show(LOADED)
    switching = asyncio.create_task(manager.switch_to("tts"))
    while driver.asked < 6:  # noqa: ASYNC110  # three for the first load, then the proof begins
        await asyncio.sleep(0.01)
    assert len(fleet.started) == started

    driver.show(EMPTY)
    async with asyncio.timeout(20):
        await switching

    assert manager.switches.recent[-1].steps_s["verify"] > 0
    await manager.close(timeout_s=1)


@pytest.mark.scenario("gpu-memory-stuck")
@pytest.mark.invariant("late-memory")
@virtually
async def test_who_waits_for_memory_that_does_not_come_back_is_refused():
    """And whoever asks when it is there again is served."""
    driver, fleet = Driver(EMPTY), Fleet()
    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(pools=POOLS), look=driver)
    await manager.switch_to("stt")
    driver.show(Look(TOTAL, {4711: None}))
    with pytest.raises(GpuMemoryError, match="4711"):
        await manager.switch_to("tts")
    assert not fleet.alive

    driver.show(EMPTY)
    async with asyncio.timeout(20):
        await manager.switch_to("tts")

    await manager.close(timeout_s=1)
