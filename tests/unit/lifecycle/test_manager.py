"""The manager carries out what the scheduler decides, on workers without processes."""

import asyncio

import pytest
import structlog

from speechhub.engine import Slot, Voice
from speechhub.errors import (
    EngineFailingError,
    EngineLoadError,
    LicenceNotAcceptedError,
    ModelFilesError,
    ModelNotFoundError,
    NoDefaultModelError,
    ShuttingDownError,
    SwitchTimeoutError,
)
from speechhub.gpu.values import GpuSample
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.states import Phase, PublicState
from tests.fakes.gpus import MB, FakeGpus
from tests.fakes.placements import CPU, GPU, placement, placements
from tests.fakes.workers import Fleet

MODELS = placements(
    placement("stt", device=GPU),
    placement("tts", device=GPU, slot=Slot.TTS, voices=(Voice(id="v"),)),
)


@pytest.fixture
async def fleet():
    return Fleet()


@pytest.fixture
async def manager(fleet):
    made = Manager(MODELS, limits=Limits(), launch=fleet.launch())
    yield made
    await made.close(timeout_s=1)
    assert not fleet.alive


async def settled(condition):
    """Let the loop run until *condition* holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0)


@pytest.mark.mission("3.2")
async def test_lease_loads_and_gives_back(manager, fleet):
    """A lease brings the engine up, is exclusive, and leaves it ready."""
    async with manager.lease("stt") as worker:
        assert worker.placement.model.id == "stt"
        assert manager.state("stt").busy

    await settled(lambda: not manager.state("stt").busy)
    assert manager.current_model("cuda:0") == "stt"
    assert manager.public_state("cuda:0") == "STT"


@pytest.mark.mission("3.9")
async def test_two_engines_take_turns_on_one_gpu(manager, fleet):
    """Whatever the clients want, at most one engine is on the card, and everybody is served."""
    served = []

    async def client(name):
        async with manager.lease(name):
            await asyncio.sleep(0)
            served.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ["stt", "tts", "tts", "stt", "tts", "stt"]:
            group.create_task(client(name))

    assert sorted(served) == ["stt"] * 3 + ["tts"] * 3
    assert fleet.most_on_gpu == 1


@pytest.mark.mission("3.3", "3.4", "3.5", "3.6", "3.7")
async def test_public_operations(manager, fleet):
    """switch_slot, unload_slot and current_model do what they say."""
    assert await manager.switch_slot(Slot.STT, "stt") == "stt"
    assert manager.current_model("cuda:0") == "stt"
    await manager.switch_slot(Slot.TTS, "tts")
    assert manager.current_model("cuda:0") == "tts"
    await manager.unload_slot(Slot.STT)
    assert manager.current_model("cuda:0") == "tts"
    await manager.unload_slot(Slot.TTS)
    assert manager.current_model("cuda:0") is None
    assert not fleet.alive
    with pytest.raises(ModelNotFoundError):
        await manager.switch_slot(Slot.STT, "tts")


async def test_switching_a_slot_without_a_model_takes_its_default(fleet):
    """Where no model is named, the slot's default is made ready; without one, the error says so."""
    defaults = {Slot.STT: "stt", Slot.TTS: None}
    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(defaults=defaults))

    assert await manager.switch_slot(Slot.STT) == "stt"
    assert manager.current_model("cuda:0") == "stt"
    with pytest.raises(NoDefaultModelError):
        await manager.switch_slot(Slot.TTS)

    await manager.close(timeout_s=1)


@pytest.mark.invariant("queue-leaver")
async def test_cancelled_waiter_leaves_no_trace(manager, fleet):
    """Who gives up while the engine loads leaves the queue; the load goes on."""
    fleet.gate.clear()
    client = asyncio.create_task(manager.switch_to("stt"))
    await settled(lambda: fleet.started)
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)
    fleet.gate.set()

    await settled(lambda: manager.state("stt").phase is Phase.READY)
    assert manager.state("stt").waiting == 0


async def test_lease_is_given_back_when_its_holder_is_cancelled(manager, fleet):
    """A cancelled holder frees the engine for the next one."""

    async def hold():
        async with manager.lease("stt"):
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    await settled(lambda: manager.state("stt").busy)
    holder.cancel()
    await asyncio.gather(holder, return_exceptions=True)

    async with asyncio.timeout(5), manager.lease("stt"):
        assert len(fleet.started) == 1


async def test_engine_that_does_not_settle_is_killed(manager, fleet):
    """An engine that ignores a cancelled call is killed, and the next lease gets a new one."""
    async with manager.lease("stt") as worker:
        worker.settles = False

    async with asyncio.timeout(5), manager.lease("stt") as other:
        assert other is not worker
        assert worker.exited.done()


async def test_leases_leave_nothing_on_their_worker(manager, fleet):
    """A worker that serves a million requests does not remember a single one of them."""

    async def use():
        async with manager.lease("stt") as worker:
            pass
        await settled(lambda: not manager.state("stt").busy)
        return worker

    before = (await use()).callbacks
    for _ in range(10):
        await use()

    assert (await use()).callbacks == before


async def test_crash_in_a_lease_brings_a_new_worker(manager, fleet):
    """After a crash the next lease gets a new worker."""
    async with manager.lease("stt") as worker:
        worker.crash()

    async with asyncio.timeout(5), manager.lease("stt") as other:
        assert other.epoch > worker.epoch


async def test_failed_load_reaches_the_waiter_and_ends_the_worker(manager, fleet):
    """The engine's own words reach who asked; its process is gone."""
    fleet.load_error = EngineLoadError("not enough memory")

    with pytest.raises(EngineLoadError, match="not enough memory"):
        await manager.switch_to("stt")

    assert not fleet.alive
    with pytest.raises((EngineFailingError, EngineLoadError), match="not enough memory"):  # a slow machine
        await manager.switch_to("stt")


@pytest.mark.parametrize("error", [ModelFilesError("gone"), OSError("disk")])
async def test_failed_fetch_reaches_the_waiter(fleet, error):
    """Files that cannot be had are an error for who asked, whatever the reason; no worker starts."""

    def fetch(placement):
        raise error

    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(fetch=fetch))

    with pytest.raises((ModelFilesError, EngineLoadError)):
        await manager.switch_to("stt")

    assert not fleet.started
    await manager.close(timeout_s=1)


@pytest.mark.mission("3.10")
async def test_load_that_hangs_is_given_up(fleet):
    """A load beyond its limit is killed and its waiter refused."""
    limits = Limits(first_load_timeout_s=0.01)
    manager = Manager(MODELS, limits=limits, launch=fleet.launch())
    fleet.gate.clear()

    with pytest.raises(SwitchTimeoutError):
        await manager.switch_to("stt")

    await settled(lambda: manager.state("stt").phase is None)
    assert not fleet.alive
    await manager.close(timeout_s=1)


async def test_close_refuses_waiters_and_ends_workers(fleet):
    """Shutdown lets running work finish, refuses the rest, and leaves no worker."""
    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch())
    finish = asyncio.Event()

    async def hold():
        async with manager.lease("stt"):
            await finish.wait()

    holder = asyncio.create_task(hold())
    await settled(lambda: manager.state("stt").busy)
    waiter = asyncio.create_task(manager.switch_to("tts"))
    await settled(lambda: manager.state("tts").waiting)
    closing = asyncio.create_task(manager.close(timeout_s=5))
    with pytest.raises(ShuttingDownError):
        await waiter
    assert not closing.done()
    finish.set()

    await asyncio.gather(closing, holder)
    assert not fleet.alive


async def test_voices_come_from_the_loaded_engine(manager, fleet):
    """A model's voices are its spec's until its engine has told."""
    assert manager.voices("tts") == (Voice(id="v"),)


async def test_a_load_that_fails_outside_the_engine_leaves_no_process(fleet):
    """The folder for what the engine learns cannot be made: the request fails, and its worker ends."""
    broken = True

    def cache_dir(placement):
        if broken:
            raise OSError(28, "No space left on device")

    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(cache_dir=cache_dir))

    with pytest.raises(EngineLoadError):
        async with manager.lease("tts"):
            pass
    assert not fleet.alive

    broken = False
    async with manager.lease("stt") as worker:
        assert list(fleet.alive) == [worker]
    await manager.close(timeout_s=1)


async def test_an_engine_is_told_its_room_and_its_folder(fleet, tmp_path):
    """What the driver shows free as it begins to load, and where it may keep what it learns."""
    gpus = FakeGpus(total_bytes=4096 * MB, own_bytes=96 * MB)
    gpus.take(4711, 1000 * MB)
    manager = Manager(
        MODELS | placements(placement("small", device=CPU)),
        limits=Limits(),
        launch=fleet.launch(
            cache_dir=lambda placement: tmp_path / placement.model.id if placement.slot is Slot.TTS else None,
            work_dir=lambda placement: tmp_path / placement.engine.spec.name,
        ),
        look=gpus.sample,
    )

    async with manager.lease("tts") as worker:
        assert (worker.context.memory_bytes, worker.context.cache_dir) == (3000 * MB, tmp_path / "tts")
        assert worker.context.work_dir == tmp_path / manager.placements["tts"].engine.spec.name
    async with manager.lease("small") as worker:
        assert (worker.context.memory_bytes, worker.context.cache_dir) == (None, None)
    gpus.lost = True
    await manager.close(timeout_s=1)


async def test_a_driver_that_is_silent_tells_no_room(fleet):
    """The engine then has to find out; nobody asks a second time, which could take seconds."""
    asked = []
    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(), look=asked.append)

    async with manager.lease("tts") as worker:
        assert worker.context.memory_bytes is None
    await manager.close(timeout_s=1)
    assert asked == [0]


@pytest.mark.scenario("licence-not-accepted")
async def test_a_licence_that_is_not_accepted_starts_nothing(fleet):
    """Each request hears so, and the first one after the answer is served; nothing rests in between."""
    accepted = False

    def fetch(placement):
        if not accepted:
            raise LicenceNotAcceptedError(placement.model.id, "Own-1.0")

    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(fetch=fetch))
    for _ in range(2):
        with pytest.raises(LicenceNotAcceptedError):
            await manager.switch_to("tts")
    assert not fleet.started

    accepted = True
    await manager.switch_to("tts")
    await manager.close(timeout_s=1)


async def test_a_shared_device_shows_the_model_that_it_calls_current(fleet):
    """Of several that are ready, one that works, else the one that did so last: state and model agree."""
    both = placements(placement("ears", device=CPU), placement("mouth", slot=Slot.TTS, device=CPU))
    manager = Manager(both, limits=Limits(), launch=fleet.launch())

    def shown():
        return manager.current_model("cpu"), manager.public_state("cpu")

    assert shown() == (None, PublicState.NONE)
    for model in ("mouth", "ears", "mouth"):
        async with manager.lease(model):
            busy = shown()
        await settled(lambda model=model: not manager.state(model).busy)
        slot = both[model].slot.upper()
        assert busy == shown() == (model, slot)
    async with manager.lease("ears"):
        assert shown() == ("ears", "STT")
    both_ready = manager.ready_models("cpu")

    await manager.unload("ears")
    assert shown() == ("mouth", "TTS")
    assert (both_ready, manager.ready_models("cpu")) == (["ears", "mouth"], ["mouth"])
    await manager.close(timeout_s=1)


async def test_a_device_without_a_ready_engine_shows_what_comes(fleet):
    """Loading is told while nothing is ready."""
    both = placements(placement("ears", device=CPU), placement("mouth", slot=Slot.TTS, device=CPU))
    manager = Manager(both, limits=Limits(), launch=fleet.launch())
    fleet.gate.clear()
    loading = asyncio.create_task(manager.switch_to("ears"))
    await settled(lambda: manager.state("ears").phase is Phase.LOADING)

    assert (manager.current_model("cpu"), manager.public_state("cpu")) == (None, PublicState.LOADING)
    fleet.gate.set()
    await loading
    await manager.close(timeout_s=1)


async def test_what_is_done_for_all_belongs_to_no_request(fleet):
    """Loads, and what begins with them, do not inherit the request in whose task they were decided."""
    seen = []

    def fetch(placement):
        seen.append((placement.model.id, structlog.contextvars.get_contextvars()))

    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(fetch=fetch))

    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        async with manager.lease("stt"):
            pass
        assert structlog.contextvars.get_contextvars() == {"request_id": "req_1"}
    with structlog.contextvars.bound_contextvars(request_id="req_2"):
        await manager.switch_to("tts")

    assert seen == [("stt", {}), ("tts", {})]
    await manager.close(timeout_s=1)


async def test_the_life_of_an_engine_is_logged_without_a_request(fleet):
    """The request that starts a load has no part in what follows: a crash, an idle unload, an operator's."""
    manager = Manager(MODELS, limits=Limits(idle_unload_s=0.01), launch=fleet.launch(standby="on"))

    def gone():
        return manager.state("stt").phase is manager.state("tts").phase is None

    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        with structlog.contextvars.bound_contextvars(request_id="req_1"):
            async with manager.lease("stt"):
                pass
            await settled(gone)  # idle
            await manager.switch_to("tts")
            next(iter(fleet.loaded)).crash()
            await settled(gone)
            manager.pin("tts")  # or it is idle before it is unloaded
            await manager.switch_to("tts")
            await manager.unload("tts")
        await manager.close(timeout_s=1)

    told = [line["event"] for line in lines]
    assert told.count("engine loading") == told.count("engine ready") == 3
    assert told.count("engine unloaded") == 2
    assert told.count("worker ended by itself") == 1
    assert "standby worker is ready" in told
    assert [line for line in lines if "request_id" in line] == []


@pytest.mark.invariant("one-load")
async def test_many_clients_share_one_load(manager, fleet):
    """Whoever comes while a model loads waits for that load; the model is never there twice."""
    fleet.gate.clear()

    async def client():
        async with manager.lease("stt"):
            pass

    clients = [asyncio.create_task(client()) for _ in range(20)]
    await settled(lambda: manager.state("stt").waiting == len(clients))
    fleet.gate.set()
    await asyncio.gather(*clients)

    assert len(fleet.started) == 1


@pytest.mark.invariant("unload-spares-model")
async def test_an_unload_in_the_middle_of_work_loses_nothing(manager, fleet):
    """The work ends, the model goes, and whoever waits or comes has it again."""
    waiting = None
    async with manager.lease("stt"):
        unloading = asyncio.create_task(manager.unload("stt"))
        await settled(lambda: manager.state("stt").phase is Phase.DRAINING)
        waiting = asyncio.create_task(manager.switch_to("stt"))
        await settled(lambda: manager.state("stt").waiting)

    async with asyncio.timeout(5):
        await asyncio.gather(unloading, waiting)
        async with manager.lease("stt") as worker:
            assert worker is fleet.started[1]


class Card:
    """A GPU that shows what a fleet's workers hold."""

    def __init__(self, fleet):
        self.fleet = fleet

    def __call__(self, index):
        held = {worker.pid: 1000 * MB for worker in self.fleet.loaded}
        used = 200 * MB + sum(held.values())
        return GpuSample(
            used_bytes=used,
            free_bytes=4000 * MB - used,
            total_bytes=4000 * MB,
            utilisation=None,
            temperature_c=None,
            power_w=None,
            processes=held,
        )


@pytest.mark.invariant("nothing-left")
async def test_nothing_is_left_of_three_hundred_switches(fleet, monkeypatch):
    """Every fifth worker crashes at work, every seventh client leaves: all is as before."""
    monkeypatch.setattr("speechhub.lifecycle.gpu_memory.FIRST_PAUSE_S", 0.0001)
    monkeypatch.setattr("speechhub.lifecycle.gpu_memory.LONGEST_PAUSE_S", 0.0001)
    card, tasks = Card(fleet), len(asyncio.all_tasks())
    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch(standby="on"), look=card)

    async def use(number, model):
        async with manager.lease(model) as worker:
            if number % 5 == 0:
                worker.crash()
            elif number % 7 == 0:
                asyncio.current_task().cancel()
            await asyncio.sleep(0)

    for number in range(300):
        client = asyncio.create_task(use(number, "stt" if number % 2 else "tts"))
        await asyncio.wait([client], timeout=10)
        assert client.done()

    assert fleet.most_on_gpu == 1
    assert len(manager.switches.recent) >= 300
    await manager.close(timeout_s=1)
    assert not fleet.alive
    assert card(0).used_bytes == 200 * MB
    assert len(asyncio.all_tasks()) == tasks
    assert not manager._leases._waiters
    assert not manager._workers._running


async def test_what_an_engine_says_of_its_load_is_told_until_the_next(manager, fleet):
    """Beside why it is not on a better device."""
    before = manager.device_note("stt")
    fleet.remarks = ("For lack of memory: one beam.",)
    await manager.switch_to("stt")
    told = manager.device_note("stt")
    fleet.remarks = ()
    await manager.unload("stt")
    await manager.switch_to("stt")

    assert (before, told, manager.device_note("stt")) == ("", "For lack of memory: one beam.", "")
