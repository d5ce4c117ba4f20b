"""Spare tickets: work that runs only on an engine with nothing else to do."""

import pytest

from speechhub.engine import Slot, SttCapabilities
from speechhub.errors import NotIdleError
from speechhub.lifecycle.scheduler.events import (
    Done,
    Exited,
    Fetched,
    Freed,
    Grant,
    Load,
    Loaded,
    PinWanted,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    Unpinned,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import NetRent
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.lifecycle.scheduler.story import Story
from tests.fakes.placements import CPU, GPU, placement, placements

MODELS = placements(
    placement("stt", device=GPU, capabilities=SttCapabilities(max_batch=4)),
    placement("tts", device=GPU, slot=Slot.TTS),
)


@pytest.fixture
def scheduler():
    return Scheduler(MODELS, Limits(idle_unload_s=300))


def bring_up(scheduler, model, ticket, now=0.0):
    """Take *model* from nothing to ready and idle, by the request *ticket*; return its epoch."""
    scheduler.handle(Requested(ticket=ticket, model=model), now)
    effects = scheduler.handle(Fetched(model=model), now)
    [epoch] = [effect.epoch for effect in effects if isinstance(effect, Load)]
    scheduler.handle(Loaded(model=model, epoch=epoch), now)
    scheduler.handle(Done(ticket=ticket), now)
    return epoch


def spare(scheduler, ticket, model="stt", now=1.0, **more):
    return scheduler.handle(Requested(ticket=ticket, model=model, spare=True, **more), now)


def refused(effects, ticket):
    [effect] = effects
    return isinstance(effect, Refuse) and effect.ticket == ticket and isinstance(effect.error, NotIdleError)


def test_an_idle_engine_takes_spare_work_at_once(scheduler):
    """The grant comes with the wish."""
    epoch = bring_up(scheduler, "stt", 1)

    assert spare(scheduler, 2) == [Grant(tickets=(2,), model="stt", epoch=epoch)]
    assert scheduler.state("stt").busy
    assert scheduler.handle(Done(ticket=2), 2) == []
    assert not scheduler.state("stt").busy


def test_an_engine_that_is_not_loaded_is_not_loaded_for_spare_work(scheduler):
    """No files are looked for, no worker starts, the other engine stays."""
    assert refused(spare(scheduler, 1), 1)
    bring_up(scheduler, "tts", 2)

    assert refused(spare(scheduler, 3), 3)
    assert scheduler.state("tts").phase == "ready"
    assert scheduler.state("stt").waiting == 0


def test_a_loading_engine_takes_no_spare_work(scheduler):
    """It would have to wait."""
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)

    assert refused(spare(scheduler, 2), 2)


def test_a_busy_engine_takes_no_spare_work(scheduler):
    """Neither beside a request, nor beside other spare work."""
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="stt"), 1)
    assert refused(spare(scheduler, 3), 3)
    scheduler.handle(Done(ticket=2), 2)

    assert isinstance(spare(scheduler, 4)[0], Grant)
    assert refused(spare(scheduler, 5), 5)


def test_spare_work_does_not_begin_while_a_request_waits_for_the_device(scheduler):
    """Not even for another model, whose files are not there yet."""
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="tts"), 1)

    assert scheduler.state("stt").phase == "ready"
    assert refused(spare(scheduler, 3), 3)


def test_requests_that_come_meanwhile_wait_for_its_end_and_share_the_next_call(scheduler):
    """Nothing joins a spare call, and it joins nothing."""
    epoch = bring_up(scheduler, "stt", 1)
    spare(scheduler, 2, recordings_s=(5.0,), size=5.0)
    for ticket in (3, 4):
        assert (
            scheduler.handle(
                Requested(ticket=ticket, model="stt", recordings_s=(5.0,), size=5.0, begun=True), 2
            )
            == []
        )

    assert scheduler.handle(Done(ticket=2), 3) == [Grant(tickets=(3, 4), model="stt", epoch=epoch)]


def test_a_switch_waits_for_the_end_of_spare_work(scheduler):
    """It is not cut off, and the device changes hands right after it."""
    stt = bring_up(scheduler, "stt", 1)
    spare(scheduler, 2)
    scheduler.handle(Requested(ticket=3, model="tts"), 2)
    assert scheduler.handle(Fetched(model="tts"), 2) == []

    assert scheduler.handle(Done(ticket=2), 3) == [Stop(model="stt", epoch=stt)]


def test_spare_work_does_not_keep_an_engine_loaded(scheduler):
    """The time without requests goes on."""
    stt = bring_up(scheduler, "stt", 1, now=0.0)
    spare(scheduler, 2, now=299.0)
    assert scheduler.handle(Ticked(), 301) == []
    scheduler.handle(Done(ticket=2), 302)

    assert scheduler.next_wake() == 300
    assert scheduler.handle(Ticked(), 302) == [Stop(model="stt", epoch=stt)]


def test_spare_work_does_not_save_an_engine_from_eviction():
    """The least recently used engine is the one whose last request is oldest, whatever spare work it did."""
    models = [placement(name, device=CPU, memory_bytes=40) for name in ("old", "new", "next")]
    scheduler = Scheduler(placements(*models), Limits())
    old = bring_up(scheduler, "old", 1, now=0.0)
    bring_up(scheduler, "new", 2, now=1.0)
    spare(scheduler, 3, "old", now=5.0)
    scheduler.handle(Done(ticket=3), 6)
    scheduler.handle(Requested(ticket=4, model="next"), 7)

    assert scheduler.handle(Fetched(model="next"), 7) == [Stop(model="old", epoch=old)]


def test_the_end_of_spare_work_is_no_occasion_to_load_ahead():
    """A model that is likely to be asked for next is made ready after requests, not after spare work."""
    scheduler = Scheduler(MODELS, Limits(policy=NetRent(speculation=0.1)))
    now, epoch, ticket = 0.0, 0, 0
    for _ in range(30):  # tts follows stt
        for model, other in (("stt", "tts"), ("tts", "stt")):
            now, ticket = now + 100, ticket + 1
            effects = [*scheduler.handle(Requested(ticket=ticket, model=model), now)]
            effects += scheduler.handle(Fetched(model=model), now)
            while not any(isinstance(effect, Grant) for effect in effects):
                effects = [*settle(scheduler, effects, other, now)]
            epoch = effects[-1].epoch
            if ticket < 60:
                ahead = scheduler.handle(Done(ticket=ticket), now)
                while ahead:
                    ahead = [*settle(scheduler, ahead, model, now)]
    scheduler.handle(PinWanted(model="tts"), now)
    assert scheduler.handle(Done(ticket=ticket), now) == []  # a pinned engine stays
    scheduler.handle(Unpinned(device=GPU.name), now)

    assert isinstance(spare(scheduler, 1000, "tts", now)[0], Grant)
    assert scheduler.handle(Done(ticket=1000), now) == []
    scheduler.handle(Requested(ticket=1001, model="tts"), now)
    assert scheduler.handle(Done(ticket=1001), now) == [Stop(model="tts", epoch=epoch)]


def settle(scheduler, effects, model, now):
    """Carry out loads and stops; yield what follows."""
    for effect in effects:
        if isinstance(effect, Stop):
            yield from scheduler.handle(Exited(model=effect.model, epoch=effect.epoch), now)
            yield from scheduler.handle(Freed(model=effect.model, epoch=effect.epoch), now)
        elif isinstance(effect, Load):
            yield from scheduler.handle(Loaded(model=effect.model, epoch=effect.epoch), now)


def test_a_load_that_served_spare_work_alone_still_serves_its_request_first(scheduler):
    """Who waited for a load comes before the next switch, as if there had been no spare call."""
    scheduler.handle(Requested(ticket=1, model="stt", keep_warm=True), 0)
    [load] = scheduler.handle(Fetched(model="stt"), 0)
    scheduler.handle(Loaded(model="stt", epoch=load.epoch), 1)
    spare(scheduler, 2, now=2.0)
    scheduler.handle(Requested(ticket=3, model="tts"), 3)
    scheduler.handle(Fetched(model="tts"), 3)
    scheduler.handle(Requested(ticket=4, model="stt"), 3)

    assert scheduler.handle(Done(ticket=2), 4)[0] == Grant(tickets=(4,), model="stt", epoch=load.epoch)


def test_spare_work_respects_a_pin_and_the_end_of_the_server(scheduler):
    """A pinned model's own spare work runs; a stopping server begins none."""
    bring_up(scheduler, "stt", 1)
    scheduler.handle(PinWanted(model="stt"), 1)
    assert isinstance(spare(scheduler, 2)[0], Grant)
    scheduler.handle(Done(ticket=2), 2)
    scheduler.handle(PinWanted(model="tts"), 2)
    assert refused(spare(scheduler, 3), 3)
    scheduler.handle(Unpinned(device=GPU.name), 2)
    scheduler.handle(ShutdownWanted(), 3)

    assert refused(spare(scheduler, 4), 4)


def test_the_story_tells_spare_work_and_leaves_out_what_was_only_refused(scheduler):
    """Live sessions ask many times in a second: that would push all else out of the record."""
    story = Story(MODELS, kept=50)

    def handle(event, now):
        effects = scheduler.handle(event, now)
        story.note(event, effects, now)
        return effects

    handle(Requested(ticket=1, model="stt"), 0)
    handle(Fetched(model="stt"), 0)
    for ticket in range(100, 200):
        handle(Requested(ticket=ticket, model="stt", spare=True), 0)
    handle(Loaded(model="stt", epoch=1), 1)
    handle(Done(ticket=1), 2)
    handle(Requested(ticket=2, model="stt", spare=True), 3)
    handle(Requested(ticket=3, model="stt"), 4)

    lines = [line for moment in story.told() for line in moment.lines]
    assert "request 2 asks for stt, and would not wait for it." in lines
    assert lines[0] == "request 1 asks for stt."
    assert [wait.reason for wait in story.waits(5)] == [
        "stt is busy on cuda:0 until its running request 2 ends"
    ]
