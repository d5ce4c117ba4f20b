"""Who must go so that another may start."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.lifecycle.scheduler.eviction import ResidentEngine, has_room, victims_for
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.placement import Device

GPU = Device(name="cuda:0", exclusive=True)
CPU = Device(name="cpu", exclusive=False, memory_bytes=100)
ENDLESS = Device(name="cpu", exclusive=False)
IDLE = ResidentEngine(phase=Phase.READY, busy=False, idle_since=0.0, oldest_waiting=None, memory_bytes=40)


@pytest.mark.parametrize(
    ("device", "engines", "needs", "expected"),
    [
        (GPU, 0, 1000, True),
        (GPU, 1, 0, False),
        (CPU, 0, 1000, True),
        (CPU, 1, 60, True),
        (CPU, 1, 61, False),
        (CPU, 2, 20, True),
        (ENDLESS, 50, 1000, True),
    ],
)
def test_room(device, engines, needs, expected):
    """An exclusive device holds one; a shared one what its memory holds, and always the first."""
    assert has_room(needs, [IDLE] * engines, device) is expected


def test_the_gpu_s_idle_engine_goes():
    """Its successor needs the whole device."""
    assert victims_for(1, 10, {"a": IDLE}, GPU) == ["a"]


def test_nobody_goes_where_there_is_room():
    """Memory that is free is used first."""
    assert victims_for(1, 60, {"a": IDLE}, CPU) == []


def test_least_recently_used_goes_first_and_no_more_than_needed():
    """The victims are those whose last work is longest ago."""
    engines = {"new": replace(IDLE, idle_since=9.0), "old": replace(IDLE, idle_since=1.0)}

    assert victims_for(1, 60, engines, CPU) == ["old"]
    assert victims_for(1, 90, engines, CPU) == ["old", "new"]


@pytest.mark.parametrize(
    "engine",
    [
        replace(IDLE, busy=True),
        replace(IDLE, phase=Phase.LOADING),
        replace(IDLE, oldest_waiting=4),
    ],
    ids=["busy", "loading", "asked for earlier"],
)
def test_who_may_not_be_stopped_is_not(engine):
    """Work that runs, a load that was paid for, and an earlier request all come first."""
    assert victims_for(5, 10, {"a": engine}, GPU) == ()


def test_a_later_request_does_not_protect():
    """First come, first served."""
    assert victims_for(5, 10, {"a": replace(IDLE, oldest_waiting=6)}, GPU) == ["a"]


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.STOPPING, Phase.VERIFYING])
def test_who_is_on_the_way_out_makes_room_already(phase):
    """Nobody else is stopped for room that is about to be free."""
    engines = {"leaving": replace(IDLE, phase=phase, idle_since=5.0), "old": IDLE}

    assert victims_for(1, 60, engines, CPU) == []


def test_nobody_is_stopped_in_vain():
    """Where stopping all that may be stopped is not enough, all stay."""
    engines = {"idle": IDLE, "busy": replace(IDLE, busy=True)}

    assert victims_for(1, 90, engines, CPU) == ()


engines_strategy = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        ResidentEngine,
        phase=st.sampled_from(Phase),
        busy=st.booleans(),
        idle_since=st.floats(0, 100),
        oldest_waiting=st.none() | st.integers(0, 10),
        memory_bytes=st.integers(0, 60),
    ),
)
devices_strategy = st.sampled_from([GPU, CPU, ENDLESS])


@given(order=st.integers(0, 10), needs=st.integers(0, 150), engines=engines_strategy, device=devices_strategy)
def test_victims_may_be_stopped_and_are_enough(order, needs, engines, device):
    """Victims are idle, ready, and wanted by nobody who came earlier; with them gone, the new one fits."""
    victims = victims_for(order, needs, engines, device)

    for name in victims:
        engine = engines[name]
        assert engine.phase is Phase.READY
        assert not engine.busy
        assert engine.oldest_waiting is None or engine.oldest_waiting >= order
    if victims:
        assert has_room(needs, [t for n, t in staying(engines).items() if n not in victims], device)


@given(order=st.integers(0, 10), needs=st.integers(0, 150), engines=engines_strategy, device=devices_strategy)
def test_no_victim_is_stopped_in_vain(order, needs, engines, device):
    """Without the last victim's leaving, there would be no room; and where there is room, nobody leaves."""
    victims = victims_for(order, needs, engines, device)

    if victims:
        spared = set(victims[:-1])
        assert not has_room(needs, [t for n, t in staying(engines).items() if n not in spared], device)
    if has_room(needs, staying(engines).values(), device):
        assert not victims


@given(order=st.integers(0, 10), needs=st.integers(0, 150), engines=engines_strategy, device=devices_strategy)
def test_room_that_can_be_made_is_made(order, needs, engines, device):
    """Nobody waits for ever beside engines that nobody uses."""
    stoppable = {
        name
        for name, t in engines.items()
        if t.phase is Phase.READY and not t.busy and (t.oldest_waiting is None or t.oldest_waiting >= order)
    }
    rest = [t for name, t in staying(engines).items() if name not in stoppable]

    if has_room(needs, rest, device):
        gone = victims_for(order, needs, engines, device)
        assert has_room(needs, [t for n, t in staying(engines).items() if n not in gone], device)


def staying(engines):
    """Return the engines that are not on their way out."""
    leaving = (Phase.DRAINING, Phase.STOPPING, Phase.VERIFYING)
    return {n: t for n, t in engines.items() if t.phase not in leaving}
