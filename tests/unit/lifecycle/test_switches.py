"""What is remembered of switches."""

import pytest

from speechhub.engine import Slot
from speechhub.errors import EngineLoadError
from speechhub.lifecycle.local_runner import LocalRunner
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.switches import KEPT, Cause, Result, Step, SwitchLog
from tests.fakes.placements import GPU, placement, placements
from tests.fakes.workers import Fleet

MODELS = placements(placement("stt", device=GPU), placement("tts", device=GPU, slot=Slot.TTS))


def switch(log, epoch, *, load_s=1.0, leaving="stt", target="tts"):
    """Note a switch that drains for 2 s, stops for 1, starts for 0.5, imports for 0.25, and is 0.5 s late."""
    log.left("cuda:0", leaving, Step.DRAIN, 10.0, 12.0)
    log.left("cuda:0", leaving, Step.STOP, 12.0, 13.0)
    log.coming(epoch, "cuda:0", target, Cause.REQUEST, 13.1)
    log.came(epoch, Step.START, 0.5)
    log.came(epoch, Step.IMPORT, 0.25)
    log.came(epoch, Step.LOAD, load_s)
    log.over(epoch, "cuda:0", Result.READY, 14.25 + load_s)


@pytest.mark.mission("4.4")
def test_steps_add_up_to_the_total():
    """What is in no step is the manager's own."""
    log, seen = SwitchLog(), []
    log.observe(seen.append)

    switch(log, 1)

    [it] = seen
    assert it is log.recent[0]
    assert it.direction == ("stt", "tts")
    assert it.total_s == pytest.approx(5.25)
    assert it.steps_s[Step.OWN] == pytest.approx(0.5)
    assert sum(it.steps_s.values()) == pytest.approx(it.total_s)


@pytest.mark.mission("4.5")
def test_spreads_are_by_direction_and_step():
    log = SwitchLog()
    for number in range(20):
        switch(log, number, load_s=float(number))
    switch(log, 99, leaving="tts", target="stt")

    spread = log.spreads()["stt", "tts"]["load"]

    assert (spread.count, spread.last_s, spread.mean_s, spread.p50_s, spread.p95_s) == (
        20,
        19.0,
        9.5,
        9.0,
        18.0,
    )
    assert log.spreads()["tts", "stt"]["total"].count == 1


def test_only_the_last_switches_are_kept():
    log = SwitchLog()

    for number in range(KEPT + 1):
        switch(log, number)

    assert len(log.recent) == KEPT


def test_who_left_long_ago_is_no_part_of_a_switch():
    """A device that was free for a while is entered from nothing, and its time begins then."""
    log = SwitchLog()
    log.left("cuda:0", "stt", Step.STOP, 1.0, 2.0)
    log.vacant("cuda:0")

    log.coming(1, "cuda:0", "tts", Cause.REQUEST, 100.0)
    log.over(1, "cuda:0", Result.FAILED, 101.0)

    assert log.recent[0].direction == ("none", "tts")
    assert log.recent[0].total_s == 1.0
    assert log.spreads() == {}, "a load that failed says nothing about how long one takes"


@pytest.mark.mission("11.9")
async def test_manager_records_its_switches():
    """Who came, who left, why, and how it ended."""
    fleet = Fleet()
    manager = Manager(MODELS, limits=Limits(), launch=fleet.launch())
    await manager.switch_to("stt")
    async with manager.lease("tts"):
        pass
    await manager.unload("tts")
    fleet.load_error = EngineLoadError("no")
    with pytest.raises(EngineLoadError):
        await manager.switch_to("stt")
    await manager.close(timeout_s=1)

    told = [(s.leaving, s.target, s.cause, s.result) for s in manager.switches.recent]

    assert told == [
        (None, "stt", Cause.OPERATOR, Result.READY),
        ("stt", "tts", Cause.REQUEST, Result.READY),
        (None, "stt", Cause.OPERATOR, Result.FAILED),
    ]
    assert all(sum(s.steps_s.values()) == pytest.approx(s.total_s) for s in manager.switches.recent)


async def test_a_switch_ahead_of_a_request_is_the_requests():
    """Somebody speaks whose words will need the model: no operator asked for it."""
    manager = Manager(MODELS, limits=Limits(), launch=Fleet().launch())

    await LocalRunner(manager).switch_to("stt")

    assert [switch.cause for switch in manager.switches.recent] == [Cause.REQUEST]
    await manager.close(timeout_s=1)
