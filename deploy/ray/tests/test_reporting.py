"""The report of a replica: what its hub has loaded, the waits there, and what its engines did."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest

from speechhub.engine import Slot, Voice
from speechhub.errors import EngineLoadError
from speechhub.gpu.monitor import NoGpus
from speechhub.hub import Hub
from speechhub.lifecycle.scheduler.estimates import FIRST_GUESS_S
from speechhub.lifecycle.scheduler.events import Done, Grant, Requested
from speechhub.settings import Settings
from speechhub_ray.reporting import BEAT_S, WorkMeter, report_of
from speechhub_ray.reports import Report
from tests.fakes.placements import CPU, GPU, placement, placements
from tests.fakes.workers import Fleet

MODELS = placements(
    placement("ears", device=GPU),
    placement("mouth", device=GPU, slot=Slot.TTS, voices=(Voice(id="v"),)),
    placement("other-ears", device=CPU, preference=-1),
    placement("more-ears", device=CPU, preference=-2),
)


@pytest.fixture
async def fleet():
    return Fleet()


@pytest.fixture
async def hub(tmp_path, fleet):
    settings = Settings(home=tmp_path, inspectable=True, standby="off")
    made = Hub.build(settings, MODELS, starter=fleet, monitor=NoGpus())
    async with made:
        yield made


@pytest.fixture
async def report(hub):
    """Returns the report on each call, as routers get it: by way of JSON."""
    meter = WorkMeter(hub)

    def made(*, draining=False):
        return json.loads(json.dumps(report_of(hub, meter, "a", draining=draining)))

    return made


async def test_a_replica_that_has_done_nothing(report):
    """It says what it could serve, that nothing is ready, and what the first switch is taken to cost."""
    said = report()

    assert (said["replica"], said["draining"]) == ("a", False)
    assert {model: it["slot"] for model, it in said["models"].items()} == {
        "ears": "stt",
        "mouth": "tts",
        "other-ears": "stt",
        "more-ears": "stt",
    }
    assert {model for model, it in said["models"].items() if it["default"]} == {"ears", "mouth"}
    assert {model for model, it in said["models"].items() if it["exclusive"]} == {"ears", "mouth"}
    assert not [model for model, it in said["models"].items() if it["ready"] or it["work_s"]]
    assert all(it["possible"] for it in said["models"].values())
    ears, other = said["models"]["ears"], said["models"]["other-ears"]
    assert (ears["switch_s"] > 0, other["switch_s"]) == (True, 0)
    assert ears["wait_s"] >= ears["switch_s"]


async def test_the_router_reads_what_the_replica_says(report):
    """No value of the report is one that the router replaces by a default of its own."""
    said = report(draining=True)

    read = Report.read(said)

    assert read.draining
    for name, values in said["models"].items():
        assert {key: getattr(read.models[name], key) for key in values} == values
    assert not read.shared


async def test_a_loaded_engine_is_ready_and_costs_no_switch(hub, report):
    await hub.manager.switch_to("mouth")

    models = report()["models"]

    assert (models["mouth"]["ready"], models["mouth"]["switch_s"], models["mouth"]["wait_s"]) == (True, 0, 0)
    assert (models["ears"]["ready"], models["ears"]["switch_s"] > 0) == (False, True)
    assert Report.read(report()).ready_slot == "tts"


async def test_a_pinned_engine_makes_the_others_of_its_device_impossible(hub, report):
    hub.manager.pin("mouth")

    possible = {model: it["possible"] for model, it in report()["models"].items()}

    assert possible == {"mouth": True, "ears": False, "other-ears": True, "more-ears": True}
    hub.manager.unpin("mouth")
    assert report()["models"]["ears"]["possible"]


async def test_a_pin_on_a_shared_device_keeps_no_other_out(report, hub):
    hub.manager.pin("other-ears")

    assert all(it["possible"] for it in report()["models"].values())


async def test_a_report_changes_while_nothing_happens(report, monkeypatch):
    """Routers hear of changes alone, and must tell a replica without work from one that hangs."""
    now = time.monotonic()
    seen = []
    for passed in (0.0, BEAT_S, 2 * BEAT_S):
        monkeypatch.setattr("time.monotonic", lambda at=now + passed: at)
        seen.append(report())

    assert seen[0] != seen[1] != seen[2]
    assert seen[0]["models"] == seen[2]["models"]


async def test_a_model_whose_loads_fail_is_impossible(hub, fleet, report):
    fleet.load_error = EngineLoadError("no such file")
    for _ in range(3):
        with pytest.raises(Exception, match=r"no such file|fail"):
            await hub.manager.switch_to("ears")

    models = report()["models"]

    assert (models["ears"]["possible"], models["mouth"]["possible"]) == (False, True)


@pytest.fixture
def happen():
    """What the manager calls with events; its attribute is the meter that listens."""
    observers = []
    meter = WorkMeter(SimpleNamespace(manager=SimpleNamespace(placements=MODELS, observe=observers.append)))
    [observer] = observers

    def happened(now, event, *effects):
        observer(event, effects, now)

    happened.meter = meter
    return happened


def granted(*tickets, model="ears"):
    return Requested(ticket=tickets[-1], model=model), Grant(tickets=tickets, model=model, epoch=1)


def test_work_is_measured_while_it_runs_and_after(happen):
    """Seconds of engine time grow during a call, and only then."""
    happen(10, *granted(1))
    assert (happen.meter.worked_s("ears", 12), happen.meter.worked_s("mouth", 12)) == (2, 0)

    happen(14, Done(ticket=1))
    assert happen.meter.worked_s("ears", 100) == 4

    happen(20, *granted(2, model="mouth"))
    happen(21, Done(ticket=2))
    assert (happen.meter.worked_s("ears", 100), happen.meter.worked_s("mouth", 100)) == (4, 1)


def test_requests_that_share_a_call_count_as_one(happen):
    happen(0, *granted(1, 2, 3))
    for ticket in (1, 2, 3):
        happen(4, Done(ticket=ticket))

    assert (happen.meter.worked_s("ears", 9), happen.meter.call_s("ears")) == (4, 4)


def test_a_call_that_was_given_up_is_work_and_no_measure_of_calls(happen):
    assert happen.meter.call_s("ears") == FIRST_GUESS_S

    happen(0, *granted(1))
    happen(9, Done(ticket=1, finished=False))

    assert (happen.meter.worked_s("ears", 20), happen.meter.call_s("ears")) == (9, FIRST_GUESS_S)


async def test_the_meter_hears_of_the_manager_s_calls(hub):
    meter, clock = WorkMeter(hub), asyncio.get_running_loop().time

    async with hub.manager.lease("ears"):
        await asyncio.sleep(0.01)

    assert meter.worked_s("ears", clock()) >= 0.01
