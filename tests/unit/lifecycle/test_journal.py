"""lifecycle.journal: what the events tell, and whether queues move."""

from dataclasses import replace

import pytest

from speechhub.engine import SttCapabilities
from speechhub.errors import NotIdleError, QueueFullError
from speechhub.lifecycle.journal import Journal
from speechhub.lifecycle.scheduler.events import (
    Cancelled,
    Done,
    Exited,
    Grant,
    Load,
    Loaded,
    LoadFailed,
    Refuse,
    Requested,
    Stop,
    Unasked,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.metrics import Metrics
from tests.fakes.placements import placement, placements

MODELS = placements(
    placement("ears"), placement("mouth"), placement("many-ears", capabilities=SttCapabilities(max_batch=4))
)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def journal(metrics):
    return Journal(MODELS, metrics)


@pytest.fixture
def scheduler():
    return Scheduler(MODELS, Limits())


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def wish(ticket, model="ears", **more):
    return Requested(ticket=ticket, model=model, **more)


def test_waits_and_services_are_timed(journal, metrics):
    """From the wish to the grant, and from the grant to the end."""
    journal(wish(1), [], 10.0)
    journal(Loaded(model="ears", epoch=1), [Grant(tickets=(1,), model="ears", epoch=1)], 13.0)
    journal(Done(ticket=1), [], 18.0)

    assert value(metrics, "speechhub_queue_wait_seconds_sum", model="ears") == 3
    assert value(metrics, "speechhub_service_seconds_sum", model="ears") == 5


def test_who_only_wants_presence_is_not_served(journal, metrics):
    """Preloading waits in the queue, and holds no engine."""
    journal(wish(1, keep_warm=True), [Grant(tickets=(1,), model="ears", epoch=1)], 0.0)
    journal(Done(ticket=1), [], 5.0)

    assert journal.oldest("ears") is None
    assert value(metrics, "speechhub_queue_wait_seconds_count", model="ears") is None
    assert value(metrics, "speechhub_service_seconds_count", model="ears") is None


def test_spare_calls_are_no_requests_of_clients(journal, metrics):
    """They wait for nothing, and neither their refusals nor their grants are a client's."""
    refused = NotIdleError("ears")
    journal(wish(1, spare=True), [Refuse(ticket=1, error=refused)], 0.0)
    journal(Loaded(model="ears", epoch=1), [], 0.0)
    journal(wish(2, spare=True), [Grant(tickets=(2,), model="ears", epoch=1)], 1.0)
    journal(Done(ticket=2), [], 5.0)
    journal(Cancelled(ticket=2), [], 5.0)

    assert journal.oldest("ears") is None
    assert value(metrics, "speechhub_rejected_total", reason=refused.code) is None
    assert value(metrics, "speechhub_queue_wait_seconds_count", model="ears") is None
    assert value(metrics, "speechhub_service_seconds_count", model="ears") is None
    assert not value(metrics, "speechhub_cancelled_total", stage="waiting")


def test_refusals_cancellations_and_second_tries_are_counted(journal, metrics):
    """Each ticket leaves the queue once, and is counted by what ended it."""
    journal(wish(1), [Refuse(ticket=1, error=QueueFullError("full", retry_after_s=1))], 0.0)
    journal(wish(2, front=True), [], 0.0)
    journal(Cancelled(ticket=2), [], 1.0)
    journal(Cancelled(ticket=2), [], 1.0)

    assert value(metrics, "speechhub_rejected_total", reason=QueueFullError.code) == 1
    assert value(metrics, "speechhub_cancelled_total", stage="waiting") == 1
    assert value(metrics, "speechhub_requeued_total") == 1
    assert journal.oldest("ears") is None


def test_each_worker_ends_once(journal, metrics):
    """Whoever sees a worker's end first, it counts once, with its cause."""
    for epoch in (1, 2, 3):
        journal(wish(epoch), [Load(model="ears", epoch=epoch)], 0.0)
    journal(wish(9), [Stop(model="ears", epoch=1)], 0.0)
    for event in (
        Exited(model="ears", epoch=1),
        Exited(model="ears", epoch=1),
        Exited(model="ears", epoch=2),
        LoadFailed(model="ears", epoch=3, error=QueueFullError("no", retry_after_s=1)),
    ):
        journal(event, [], 0.0)

    ends = {c: value(metrics, "speechhub_worker_exits_total", cause=c) for c in ("stopped", "crashed")}
    assert ends == {"stopped": 1, "crashed": 1}
    assert value(metrics, "speechhub_worker_exits_total", cause="load_failed") == 1


def test_a_queue_that_does_not_move_is_stalled(journal, scheduler):
    """Somebody waits and nothing happens: that is seen, after the bound and not before."""
    for event, now in ((wish(1), 0.0), (wish(2), 5.0)):
        journal(event, scheduler.handle(event, now), now)
    states = [replace(state, fetching=False) for state in scheduler.states()]

    def stalled(now):
        return journal.stalled(states, now, idle_bound_s=10, busy_bound_s=100)

    assert stalled(10.0) == []
    assert stalled(10.1) == ["ears"]
    journal(Exited(model="mouth", epoch=7), [], 10.1)
    assert stalled(20.0) == []
    assert stalled(20.2) == ["ears"]


def test_a_queue_behind_long_work_may_stand_longer(journal, scheduler):
    """While an engine works on the device the other bound holds."""
    journal(wish(1), [], 0.0)
    states = [replace(state, fetching=False, busy=state.model == "mouth") for state in scheduler.states()]

    assert journal.stalled(states, 99.0, idle_bound_s=10, busy_bound_s=100) == []
    assert journal.stalled(states, 101.0, idle_bound_s=10, busy_bound_s=100) == ["ears"]


def test_fetching_is_no_stall(journal, scheduler):
    """While a model's files arrive, its queue may wait."""
    journal(wish(1), scheduler.handle(wish(1), 0.0), 0.0)

    assert scheduler.state("ears").fetching
    assert journal.stalled(scheduler.states(), 1e6, idle_bound_s=10, busy_bound_s=10) == []


def test_who_shares_a_call_is_counted(journal, metrics):
    """For models that can be shared; all others would only say 1."""
    for ticket in (1, 2, 3):
        journal(wish(ticket, "many-ears"), [], 0.0)
    journal(wish(4), [Grant(tickets=(4,), model="ears", epoch=1)], 0.0)
    journal(Done(ticket=9), [Grant(tickets=(1, 2, 3), model="many-ears", epoch=2)], 4.0)
    for ticket in (1, 2, 3):
        journal(Done(ticket=ticket), [], 6.0)

    assert value(metrics, "speechhub_batch_size_sum", model="many-ears") == 3
    assert value(metrics, "speechhub_batch_size_count", model="many-ears") == 1
    assert value(metrics, "speechhub_batch_size_count", model="ears") is None
    assert value(metrics, "speechhub_queue_wait_seconds_sum", model="many-ears") == 12
    assert value(metrics, "speechhub_service_seconds_sum", model="many-ears") == 6


@pytest.mark.parametrize(
    ("unasked", "used", "expected"),
    [
        (Unasked.SPECULATION, True, {"true": 1, "false": None}),
        (Unasked.SPECULATION, False, {"true": None, "false": 1}),
        (Unasked.RECYCLING, True, {"true": None, "false": None}),
        (None, True, {"true": None, "false": None}),
    ],
)
def test_guesses_are_counted_by_whether_they_came_true(journal, metrics, unasked, used, expected):
    """Once each: by the first request that finds the engine there, or by its end."""
    journal(Done(ticket=9), [Load(model="ears", epoch=1, unasked=unasked)], 0.0)
    if used:
        journal(wish(1), [Grant(tickets=(1,), model="ears", epoch=1)], 1.0)
        journal(wish(2), [Grant(tickets=(2,), model="ears", epoch=1)], 1.0)
    journal(Exited(model="ears", epoch=1), [], 2.0)

    assert {hit: value(metrics, "speechhub_speculation_total", hit=hit) for hit in expected} == expected


def test_a_replaced_worker_is_told_from_one_that_had_to_go(journal, metrics):
    """Its end has a cause of its own."""
    journal(wish(1), [Load(model="ears", epoch=1)], 0.0)
    journal(Done(ticket=1), [Stop(model="ears", epoch=1, recycled=True)], 0.0)
    journal(Exited(model="ears", epoch=1), [], 0.0)

    assert value(metrics, "speechhub_worker_exits_total", cause="recycled") == 1
