"""Workers that stand by: who, when, and what becomes of them; on workers without processes."""

import asyncio
from pathlib import Path

import pytest

from speechhub.engine import LoadContext, Slot
from speechhub.errors import EngineLoadError
from speechhub.lifecycle.host_memory import available_bytes
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.lifecycle.standby import LIBRARIES_BYTES, RESERVE_BYTES, SHORT_BYTES, Standbys
from speechhub.placement import Device
from tests.fakes.placements import CPU, GPU, placement, placements
from tests.fakes.workers import Fleet

MODELS = placements(
    placement("stt", device=GPU),
    placement("tts", device=GPU, slot=Slot.TTS),
    placement("other", device=GPU, slot=Slot.TTS),
    placement("small", device=CPU),
)
CONTEXT = LoadContext(model="tts", model_dir=None, device="cuda:0")
DEFAULTS = {Slot.STT: "stt", Slot.TTS: "tts"}


@pytest.fixture
async def fleet():
    return Fleet()


def manager_of(fleet, **how):
    how = {"standby": "on", "defaults": DEFAULTS} | how
    return Manager(MODELS, limits=Limits(), launch=fleet.launch(**how))


@pytest.fixture
async def manager(fleet):
    made = manager_of(fleet)
    yield made
    await made.close(timeout_s=1)
    assert not fleet.alive


async def settled(condition):
    """Let the loop run until *condition* holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0)


async def stands_by(manager, fleet, model):
    """Wait until a worker for *model* is prepared, and return it."""

    def found():
        return [w for w in fleet.alive if w.epoch == 0 and w.prepared and w.placement.model.id == model]

    await settled(lambda: manager.standby("cuda:0") == model and found())
    return found()[0]


async def test_default_of_the_other_direction_stands_by_first(manager, fleet):
    """Until two models were used on a device, the next is the other default model."""
    await manager.switch_to("stt")

    worker = await stands_by(manager, fleet, "tts")

    assert worker.context_of_prepare.model == "tts"
    assert manager.state("tts").phase is None, "who stands by holds no device"
    assert manager.current_model("cuda:0") == "stt"


async def test_load_takes_the_worker_that_stands_by(manager, fleet):
    """The prepared process gets the number of the load, and no other one is started for it."""
    await manager.switch_to("stt")
    worker = await stands_by(manager, fleet, "tts")
    started = len(fleet.started)

    async with manager.lease("tts") as leased:
        assert leased is worker
        assert leased.epoch == manager.state("tts").epoch

    await stands_by(manager, fleet, "stt")
    assert len(fleet.started) == started + 1, "which is the next one that stands by"
    assert fleet.most_on_gpu == 1
    assert manager.switches.recent[-1].standby
    assert not manager.switches.recent[0].standby


async def test_last_other_model_stands_by(manager, fleet):
    """What was used before is likelier than a default."""
    for model in ("stt", "other", "stt"):
        await manager.switch_to(model)

    await stands_by(manager, fleet, "other")


async def test_model_that_may_not_be_loaded_does_not_stand_by(fleet):
    """Nothing of it is started before its licence is accepted; then it is as any other."""
    accepted = False
    manager = manager_of(fleet, may_load=lambda placement: accepted or placement.model.id != "tts")
    await manager.switch_to("stt")
    await manager.standbys_settled()
    assert [worker.placement.model.id for worker in fleet.started] == ["stt"]

    accepted = True
    await manager.unload("stt")
    await manager.switch_to("stt")

    await stands_by(manager, fleet, "tts")
    await manager.close(timeout_s=1)


async def test_model_on_a_shared_device_has_nobody_stand_by(manager, fleet):
    await manager.switch_to("small")

    assert manager.standby("cpu") is None
    assert len(fleet.started) == 1


async def test_worker_that_is_being_prepared_is_waited_for(manager, fleet):
    """It is ahead of a new one."""
    fleet.prepare_gate.clear()
    await manager.switch_to("stt")
    await settled(lambda: len(fleet.started) == 2)
    switching = asyncio.create_task(manager.switch_to("tts"))
    await settled(lambda: manager.state("tts").phase is Phase.LOADING)
    fleet.prepare_gate.set()

    await switching

    assert [w.placement.model.id for w in fleet.started[:2]] == ["stt", "tts"]
    assert fleet.started[1].epoch == manager.state("tts").epoch


async def test_worker_that_dies_standing_by_is_forgotten(manager, fleet):
    """The next load starts cold."""
    await manager.switch_to("stt")
    worker = await stands_by(manager, fleet, "tts")

    worker.crash()

    assert manager.standby("cuda:0") is None
    await manager.switch_to("tts")
    assert not manager.switches.recent[-1].standby


async def test_worker_that_dies_unnoticed_is_no_failed_load(manager, fleet):
    """Its end is only seen when it is asked to load: the load starts cold, under the same number."""
    await manager.switch_to("stt")
    worker = await stands_by(manager, fleet, "tts")

    async def die(context):
        worker.crash()
        raise EngineLoadError("was killed")

    worker.load = die
    await manager.switch_to("tts")

    assert manager.current_model("cuda:0") == "tts"
    assert [w.epoch for w in fleet.alive if w.placement.model.id == "tts"] == [worker.epoch]


async def test_preparation_that_fails_harms_nobody(manager, fleet):
    """The load starts cold, and its process is gone."""
    fleet.prepare_error = EngineLoadError("no such module")
    await manager.switch_to("stt")
    await settled(lambda: len(fleet.started) == 2 and len(fleet.alive) == 1)

    assert manager.standby("cuda:0") is None
    await manager.switch_to("tts")


async def test_load_that_is_given_up_takes_its_preparation_along(fleet):
    """A load that waits for a process that hangs in its imports ends with it at its limit."""
    manager = manager_of(fleet)
    await manager.switch_to("stt")
    await manager.switch_to("tts")
    await manager.switch_to("stt")
    await stands_by(manager, fleet, "tts")
    fleet.prepare_gate.clear()
    await manager.switch_to("other")
    await settled(lambda: manager.standby("cuda:0") == "stt")
    waiting = asyncio.create_task(manager.switch_to("stt"))
    await settled(lambda: manager.state("stt").phase is Phase.LOADING)

    await manager.unload("stt")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    await manager.close(timeout_s=1)
    assert not fleet.alive


async def test_nobody_stands_by_for_a_device_that_nobody_uses(manager, fleet):
    """When the last engine leaves, all memory is the machine's again."""
    await manager.switch_to("stt")
    await stands_by(manager, fleet, "tts")

    await manager.unload("stt")

    await settled(lambda: not fleet.alive)


@pytest.mark.parametrize(
    ("mode", "spare", "expected"),
    [("off", 1 << 40, False), ("on", 0, True), ("auto", 9, False), ("auto", 10, True)],
)
async def test_auto_needs_memory_to_spare(fleet, mode, spare, expected):
    """The model's own need, and a reserve for the rest of the machine."""
    standbys = Standbys(fleet, mode=mode, available_bytes=lambda: RESERVE_BYTES + spare)

    standbys.prepare(MODELS["tts"], CONTEXT)

    assert (standbys.model("cuda:0") == "tts") is expected
    await standbys.close()
    assert not fleet.alive


async def told(fleet, model, spare_bytes, *, mode="on"):
    """Return how much of the host's memory a worker that stands by is told that weights may take."""
    standbys = Standbys(
        fleet, mode=mode, available_bytes=lambda: RESERVE_BYTES + LIBRARIES_BYTES + spare_bytes
    )
    standbys.prepare(model, CONTEXT)
    await standbys.settle()
    await standbys.close()
    return fleet.started[-1].context_of_prepare.host_memory_bytes


@pytest.mark.parametrize("mode", ["on", "auto"])
@pytest.mark.parametrize(
    ("memory_bytes", "spare_bytes", "expected"),
    [(10, 7, 7), (10, 20, 20), (10, 21, 20), (0, 1000, 1000), (10, 0, None), (10, -5, None)],
)
async def test_weights_wait_where_the_host_has_room(fleet, mode, memory_bytes, spare_bytes, expected):
    """What is left after the reserve and the libraries; at most twice what the model takes on its device."""
    assert await told(fleet, placement("tts", memory_bytes=memory_bytes), spare_bytes, mode=mode) == expected


async def test_weights_of_a_cpu_engine_do_not_wait(fleet):
    """They would be in the host's memory twice."""
    exclusive = Device(name="cpu", exclusive=True)

    assert await told(fleet, placement("tts", device=exclusive), 1000) is None


async def test_two_devices_are_not_promised_the_same_memory(fleet):
    """What the first may still take is not the second's; what it took, the machine shows."""
    fleet.prepare_gate.clear()
    spare = RESERVE_BYTES + LIBRARIES_BYTES + 25
    standbys = Standbys(fleet, mode="on", available_bytes=lambda: spare)
    gpus = [Device(name=f"cuda:{index}", exclusive=True) for index in range(3)]
    standbys.prepare(placement("a", device=gpus[0]), CONTEXT)
    standbys.prepare(placement("b", device=gpus[1]), CONTEXT)
    fleet.prepare_gate.set()
    await standbys.settle()
    standbys.prepare(placement("c", device=gpus[2]), CONTEXT)
    await standbys.settle()

    assert [worker.context_of_prepare.host_memory_bytes for worker in fleet.started] == [20, 5, 20]
    await standbys.close()


@pytest.mark.scenario("standby-short-of-memory")
@pytest.mark.parametrize(("mode", "left"), [("auto", []), ("on", [None])])
async def test_worker_that_stands_by_goes_when_memory_gets_short(fleet, mode, left):
    """All of it; where a worker must stand by in any case, another one comes that holds no weights."""
    spare = 10 * RESERVE_BYTES
    standbys = Standbys(fleet, mode=mode, available_bytes=lambda: spare, look_every_s=0)
    standbys.prepare(MODELS["tts"], CONTEXT)
    await standbys.settle()
    [first] = fleet.started
    assert first.context_of_prepare.host_memory_bytes

    spare = SHORT_BYTES
    for _ in range(50):
        await asyncio.sleep(0)
    assert first in fleet.alive, "as little is not too little"
    spare = SHORT_BYTES - 1
    await settled(lambda: first not in fleet.alive)
    await settled(lambda: len(fleet.started) == 1 + len(left))
    await standbys.settle()

    assert [worker.context_of_prepare.host_memory_bytes for worker in fleet.alive] == left
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(fleet.started) == 1 + len(left), "and that one stays"
    await standbys.close()
    assert not fleet.alive


async def test_memory_is_not_looked_at_when_nobody_stands_by(fleet):
    """The look ends with the last, and begins again with the next."""
    looks = 0

    def available():
        nonlocal looks
        looks += 1
        return 10 * RESERVE_BYTES

    standbys = Standbys(fleet, mode="auto", available_bytes=available, look_every_s=0)
    for _ in range(2):
        standbys.prepare(MODELS["tts"], CONTEXT)
        await settled(lambda seen=looks: looks > seen + 5)
        standbys.drop("cuda:0")
        await settled(lambda: not fleet.alive and standbys._watch.done())
    await standbys.close()


def write(root, files):
    for path, text in files.items():
        file = Path(root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


MEMINFO = {"proc/meminfo": "MemTotal: 24000 kB\nMemAvailable:    8000 kB\n"}


def test_memory_of_a_machine_without_groups(tmp_path):
    write(tmp_path, MEMINFO)

    assert available_bytes(tmp_path) == 8000 * 1024


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        (
            "0::/a/b",
            {
                "a/memory.max": "3000000",
                "a/memory.current": "2000000",
                "a/memory.stat": "anon 1\ninactive_file 500000\n",
                "a/b/memory.max": "max",
                "a/b/memory.current": "5",
                "a/b/memory.stat": "",
            },
            1_500_000,
        ),
        (
            "4:memory:/docker/x\n1:cpu:/",
            {
                "memory/memory.limit_in_bytes": "1000",
                "memory/memory.usage_in_bytes": "4000",
                "memory/memory.stat": "",
            },
            0,
        ),
        (
            "0::/",
            {"memory.max": "max", "memory.current": "5", "memory.stat": ""},
            8000 * 1024,
        ),
    ],
)
def test_memory_that_a_group_leaves(tmp_path, cgroup, files, expected):
    """The tightest limit counts, whether it is ours or that of a group around us; cached files do not."""
    write(tmp_path, MEMINFO | {"proc/self/cgroup": cgroup + "\n"})
    write(tmp_path / "sys/fs/cgroup", files)

    assert available_bytes(tmp_path) == expected


def test_memory_of_this_machine():
    assert available_bytes() > 0
