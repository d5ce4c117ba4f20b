"""The scheduler: events in, effects out."""

import math

import pytest

from speechhub.engine import Slot, SttCapabilities
from speechhub.errors import (
    EngineFailingError,
    EngineLoadError,
    EnginePinnedError,
    ModelFilesError,
    QueueFullError,
    RequestTimeoutError,
    ShuttingDownError,
    SwitchTimeoutError,
    UnavailableError,
)
from speechhub.lifecycle.scheduler.events import (
    BatchTooLarge,
    Cancelled,
    Done,
    Exited,
    Fetch,
    Fetched,
    FetchFailed,
    Freed,
    Grant,
    Load,
    Loaded,
    LoadFailed,
    NotFreed,
    PinWanted,
    RecycleWanted,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    Unasked,
    UnloadWanted,
    Unpinned,
    Verify,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import Fifo
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.lifecycle.scheduler.served_model import PATIENCE_CALLS
from speechhub.lifecycle.scheduler.states import Phase
from tests.fakes.placements import CPU, GPU, placement, placements

LIMITS = Limits(queue_limit=3, switch_timeout_s=30, first_load_timeout_s=120, idle_unload_s=300)


def gpu_scheduler(limits=LIMITS):
    return Scheduler(
        placements(placement("stt", device=GPU), placement("tts", device=GPU, slot=Slot.TTS)), limits
    )


def cpu_scheduler(**memory):
    models = [placement(name, device=CPU, memory_bytes=size) for name, size in memory.items()]
    return Scheduler(placements(*models), LIMITS)


def bring_up(scheduler, model, ticket, now=0.0):
    """Take *model* from nothing to ready, with *ticket* granted; return its epoch."""
    scheduler.handle(Requested(ticket=ticket, model=model), now)
    effects = scheduler.handle(Fetched(model=model), now)
    [epoch] = [effect.epoch for effect in effects if isinstance(effect, Load)]
    scheduler.handle(Loaded(model=model, epoch=epoch), now)
    return epoch


def test_a_request_fetches_then_loads_then_is_granted():
    """Files come first, then a worker, then the grant, in the same event as READY."""
    scheduler = gpu_scheduler()

    assert scheduler.handle(Requested(ticket=1, model="stt"), 0) == [Fetch(model="stt")]
    assert scheduler.handle(Fetched(model="stt"), 1) == [Load(model="stt", epoch=1)]
    assert scheduler.handle(Loaded(model="stt", epoch=1), 2) == [Grant(tickets=(1,), model="stt", epoch=1)]


@pytest.mark.mission("3.8")
def test_tickets_of_one_engine_are_served_one_at_a_time_in_order():
    """A second request waits until the first is done."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)

    assert scheduler.handle(Requested(ticket=2, model="stt"), 1) == []
    assert scheduler.handle(Requested(ticket=3, model="stt"), 1) == []
    assert scheduler.handle(Done(ticket=1), 2) == [Grant(tickets=(2,), model="stt", epoch=epoch)]
    assert scheduler.handle(Done(ticket=2), 3) == [Grant(tickets=(3,), model="stt", epoch=epoch)]


@pytest.mark.invariant("switch-spares-work")
def test_busy_engine_is_not_evicted():
    """A request that needs the GPU waits until the engine that holds it is idle, then until it is gone."""
    scheduler = gpu_scheduler()
    stt = bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="tts"), 1)

    assert scheduler.handle(Fetched(model="tts"), 1) == []
    assert scheduler.handle(Done(ticket=1), 2) == [Stop(model="stt", epoch=stt)]
    assert scheduler.handle(Exited(model="stt", epoch=stt), 3) == [Verify(model="stt", epoch=stt)]
    assert scheduler.handle(Freed(model="stt", epoch=stt), 4) == [Load(model="tts", epoch=stt + 1)]


def switching(scheduler):
    """Take the GPU from stt, for ticket 2 of tts, up to the question whether its memory is free."""
    stt = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(Requested(ticket=2, model="tts"), 1)
    assert scheduler.handle(Fetched(model="tts"), 1) == [Stop(model="stt", epoch=stt)]
    assert scheduler.handle(Exited(model="stt", epoch=stt), 2) == [Verify(model="stt", epoch=stt)]
    return stt


@pytest.mark.invariant("one-worker")
def test_nothing_loads_before_the_memory_is_proved_free():
    """While the proof is due the GPU counts as taken, for its last engine too, and it is asked for once."""
    scheduler = gpu_scheduler()
    stt = switching(scheduler)

    assert scheduler.handle(Requested(ticket=3, model="stt"), 2) == []
    assert scheduler.handle(Requested(ticket=4, model="tts"), 2) == []
    assert scheduler.handle(Exited(model="stt", epoch=stt), 2) == []
    assert scheduler.state("stt").phase is Phase.VERIFYING


def test_memory_that_does_not_come_back_refuses_all_who_wait_for_the_gpu():
    """They get the error; the next one to come has the memory looked at again, and only then a load."""
    scheduler = gpu_scheduler()
    stt = switching(scheduler)
    scheduler.handle(Requested(ticket=3, model="stt"), 2)
    error = UnavailableError("process 4711 holds 2 GB")

    effects = scheduler.handle(NotFreed(model="stt", epoch=stt, error=error), 7)

    assert {(e.ticket, e.error) for e in effects} == {(2, error), (3, error)}
    assert scheduler.handle(Ticked(), 8) == []
    assert scheduler.handle(Requested(ticket=4, model="tts"), 9) == [Verify(model="stt", epoch=stt)]
    assert scheduler.handle(Freed(model="stt", epoch=stt), 9) == [Load(model="tts", epoch=stt + 1)]


def test_the_engine_whose_memory_did_not_come_back_asks_again_too():
    """A request for the very engine that was there is no way around the proof."""
    scheduler = gpu_scheduler()
    stt = switching(scheduler)
    scheduler.handle(NotFreed(model="stt", epoch=stt, error=UnavailableError("held")), 7)

    assert scheduler.handle(Requested(ticket=4, model="stt"), 9) == [Verify(model="stt", epoch=stt)]
    assert scheduler.handle(Freed(model="stt", epoch=stt), 9) == [Load(model="stt", epoch=stt + 1)]


def test_a_failed_load_leaves_memory_to_be_proved_too():
    """Its process was on the GPU as well."""
    scheduler = gpu_scheduler()
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)

    [refusal, verify] = scheduler.handle(LoadFailed(model="stt", epoch=1, error=EngineLoadError("no")), 1)

    assert isinstance(refusal, Refuse)
    assert verify == Verify(model="stt", epoch=1)


def test_host_memory_needs_no_proof():
    """On the CPU, exclusive or not, a process that is gone has given everything back."""
    scheduler = cpu_scheduler(a=50)
    epoch = bring_up(scheduler, "a", 1)

    assert scheduler.handle(Exited(model="a", epoch=epoch), 1) == []
    assert scheduler.state("a").phase is None


@pytest.mark.scenario("engine-pinned")
def test_a_pinned_engine_keeps_the_gpu():
    """Who waits or comes for another one is refused; after the pin all is as before."""
    scheduler = gpu_scheduler()
    stt = bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="tts"), 1)
    scheduler.handle(Fetched(model="tts"), 1)

    [waiting] = scheduler.handle(PinWanted(model="stt"), 2)
    [late] = scheduler.handle(Requested(ticket=3, model="tts"), 3)
    scheduler.handle(Done(ticket=1), 4)

    assert (waiting.ticket, late.ticket) == (2, 3)
    assert isinstance(waiting.error, EnginePinnedError)
    assert isinstance(late.error, EnginePinnedError)
    assert scheduler.next_wake() is None, "it never idles out"
    assert scheduler.handle(Requested(ticket=4, model="stt"), 5) == [
        Grant(tickets=(4,), model="stt", epoch=stt)
    ]
    assert scheduler.handle(Unpinned(device="cuda:0"), 6) == []
    scheduler.handle(Done(ticket=4), 7)
    assert scheduler.handle(Requested(ticket=5, model="tts"), 8) == [Stop(model="stt", epoch=stt)]


def test_a_pin_on_a_shared_device_refuses_only_what_does_not_fit_beside_it():
    """What fits beside the pinned engine runs; what would have to push it out does not."""
    scheduler = cpu_scheduler(pinned=50, small=50, big=60)
    bring_up(scheduler, "pinned", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(PinWanted(model="pinned"), 1)

    [refusal] = scheduler.handle(Requested(ticket=2, model="big"), 2)
    bring_up(scheduler, "small", 3)

    assert isinstance(refusal.error, EnginePinnedError)
    assert scheduler.state("small").busy
    assert scheduler.state("pinned").pinned


def test_a_ticket_leaves_the_queue_at_its_deadline():
    """It is refused then, and not a moment before; the others stay."""
    scheduler = gpu_scheduler()
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="stt", deadline=20), 1)
    scheduler.handle(Requested(ticket=3, model="stt"), 1)

    assert scheduler.next_wake() == 20
    assert scheduler.handle(Ticked(), 19) == []
    [refusal] = scheduler.handle(Ticked(), 20)

    assert refusal.ticket == 2
    assert isinstance(refusal.error, RequestTimeoutError)
    assert scheduler.state("stt").waiting == 1


def test_nobody_overtakes_under_fifo():
    """First come, first served, across engines: a later request for the resident engine waits."""
    scheduler = gpu_scheduler(Limits(policy=Fifo()))
    stt = bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="tts"), 1)
    scheduler.handle(Fetched(model="tts"), 1)
    scheduler.handle(Requested(ticket=3, model="stt"), 1)

    assert scheduler.handle(Done(ticket=1), 2) == [Stop(model="stt", epoch=stt)]


def test_a_missing_file_evicts_nobody():
    """The resident engine stays, and keeps serving, while another one's files are fetched in vain."""
    scheduler = gpu_scheduler()
    stt = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(Requested(ticket=2, model="tts"), 1)
    error = ModelFilesError("missing")

    assert scheduler.handle(Requested(ticket=3, model="stt"), 1) == [
        Grant(tickets=(3,), model="stt", epoch=stt)
    ]
    assert scheduler.handle(FetchFailed(model="tts", error=error), 2) == [Refuse(ticket=2, error=error)]
    assert scheduler.state("stt").phase is Phase.READY


def test_engines_share_the_cpu():
    """Two engines that fit are resident together, and each serves on its own."""
    scheduler = cpu_scheduler(a=50, b=50)
    bring_up(scheduler, "a", 1)
    bring_up(scheduler, "b", 2)

    assert scheduler.state("a").phase is scheduler.state("b").phase is Phase.READY


def test_memory_decides_who_leaves_the_cpu():
    """What does not fit beside the others evicts the one that was idle longest, and no more."""
    scheduler = cpu_scheduler(a=40, b=40, c=40)
    first = bring_up(scheduler, "a", 1)
    bring_up(scheduler, "b", 2)
    scheduler.handle(Done(ticket=1), 5)
    scheduler.handle(Done(ticket=2), 6)
    scheduler.handle(Requested(ticket=3, model="c"), 7)

    assert scheduler.handle(Fetched(model="c"), 7) == [Stop(model="a", epoch=first)]
    assert scheduler.state("b").phase is Phase.READY


def test_nobody_is_stopped_in_vain():
    """As long as stopping the idle ones would not make room, they stay."""
    scheduler = cpu_scheduler(a=40, b=40, big=90)
    bring_up(scheduler, "a", 1)
    bring_up(scheduler, "b", 2)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(Requested(ticket=3, model="big"), 2)

    assert scheduler.handle(Fetched(model="big"), 2) == []
    assert {e.model for e in scheduler.handle(Done(ticket=2), 3)} == {"a", "b"}


def test_an_engine_larger_than_the_device_still_runs_alone():
    """The memory limit is about company: one engine always may try."""
    scheduler = cpu_scheduler(huge=1000)

    bring_up(scheduler, "huge", 1)

    assert scheduler.state("huge").busy


def test_full_queue_is_refused_with_a_time():
    """A request beyond the limit is refused at once, with a Retry-After of 1 to 60 seconds."""
    scheduler = gpu_scheduler()
    for ticket in range(1, 4):
        scheduler.handle(Requested(ticket=ticket, model="stt"), 0)

    [refusal] = scheduler.handle(Requested(ticket=4, model="stt"), 0)

    assert isinstance(refusal.error, QueueFullError)
    assert 1 <= refusal.error.retry_after_s <= 60


@pytest.mark.parametrize("limits", [LIMITS, Limits(queue_limit_s=0.1)])
def test_a_wish_for_an_engine_takes_no_place_from_the_work_it_stands_for(limits):
    """Neither the one that a request follows, nor those of others who still speak."""
    scheduler = gpu_scheduler(limits)
    for ticket in range(1, 4):
        scheduler.handle(Requested(ticket=ticket, model="stt", keep_warm=True), 0)

    assert scheduler.handle(Requested(ticket=4, model="stt", size=9), 0) == []
    [refusal] = scheduler.handle(Requested(ticket=5, model="stt", keep_warm=True), 0)
    assert isinstance(refusal.error, QueueFullError)


def test_work_of_a_crashed_worker_goes_first():
    """A ticket for the second try is served before older ones, and is not refused for a full queue."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    for ticket in (2, 3, 4):
        scheduler.handle(Requested(ticket=ticket, model="stt"), 1)

    scheduler.handle(Exited(model="stt", epoch=epoch), 2)
    [load] = scheduler.handle(Freed(model="stt", epoch=epoch), 2)
    scheduler.handle(Done(ticket=1), 2)
    assert scheduler.handle(Requested(ticket=5, model="stt", front=True), 2) == []
    assert scheduler.handle(Loaded(model="stt", epoch=load.epoch), 3) == [
        Grant(tickets=(5,), model="stt", epoch=load.epoch)
    ]


def test_cancelled_ticket_is_never_granted():
    """A ticket that left the queue gets nothing; the load that it caused goes on."""
    scheduler = gpu_scheduler()
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)
    scheduler.handle(Cancelled(ticket=1), 1)

    assert scheduler.handle(Loaded(model="stt", epoch=1), 2) == []
    assert scheduler.state("stt").phase is Phase.READY


def test_failed_load_refuses_all_who_wait():
    """They all get the error, and the next request tries again, from the files on."""
    scheduler = gpu_scheduler()
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Requested(ticket=2, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)
    error = EngineLoadError("no")

    effects = scheduler.handle(LoadFailed(model="stt", epoch=1, error=error), 1)

    assert effects[:2] == [Refuse(ticket=1, error=error), Refuse(ticket=2, error=error)]
    scheduler.handle(Freed(model="stt", epoch=1), 1)
    assert scheduler.handle(Requested(ticket=3, model="stt"), 2) == [Fetch(model="stt")]


@pytest.mark.mission("3.10")
@pytest.mark.parametrize(("loaded_before", "limit_s"), [(False, 120), (True, 30)])
def test_slow_load_is_killed(loaded_before, limit_s):
    """A load beyond its limit is killed and its waiters are refused; only the first one may take long."""
    scheduler = gpu_scheduler()
    if loaded_before:
        epoch = bring_up(scheduler, "stt", 1)
        scheduler.handle(Done(ticket=1), 0)
        scheduler.handle(Exited(model="stt", epoch=epoch), 0)
        scheduler.handle(Freed(model="stt", epoch=epoch), 0)
        [load] = scheduler.handle(Requested(ticket=2, model="stt"), 0)
    else:
        scheduler.handle(Requested(ticket=2, model="stt"), 0)
        [load] = scheduler.handle(Fetched(model="stt"), 0)

    assert scheduler.next_wake() == limit_s
    assert scheduler.handle(Ticked(), limit_s - 1) == []
    stop, refusal = scheduler.handle(Ticked(), limit_s)

    assert stop == Stop(model="stt", epoch=load.epoch, kill=True)
    assert isinstance(refusal.error, SwitchTimeoutError)


def test_idle_engine_is_unloaded():
    """An engine without work for the idle time is stopped, and not a moment before."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 10)

    assert scheduler.next_wake() == 310
    assert scheduler.handle(Ticked(), 309) == []
    assert scheduler.handle(Ticked(), 310) == [Stop(model="stt", epoch=epoch)]


def test_idle_time_of_zero_means_never():
    """With no idle time an engine stays for good."""
    scheduler = gpu_scheduler(Limits(idle_unload_s=0))
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 10)

    assert scheduler.next_wake() is None


@pytest.mark.scenario("unload-with-queue")
def test_unload_waits_for_running_work():
    """An operator's unload lets the running request finish, serves nobody else, and keeps who waits."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="stt"), 1)

    assert scheduler.handle(UnloadWanted(model="stt"), 2) == []
    assert scheduler.handle(Done(ticket=1), 3) == [Stop(model="stt", epoch=epoch)]
    scheduler.handle(Exited(model="stt", epoch=epoch), 4)
    assert scheduler.handle(Freed(model="stt", epoch=epoch), 4) == [Load(model="stt", epoch=epoch + 1)]


@pytest.mark.invariant("not-evicted-early")
def test_request_during_unload_loads_again():
    """A request that arrives while its engine stops waits for the end, and then loads it again."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(UnloadWanted(model="stt"), 1)

    assert scheduler.handle(Requested(ticket=2, model="stt"), 2) == []
    scheduler.handle(Exited(model="stt", epoch=epoch), 3)
    assert scheduler.handle(Freed(model="stt", epoch=epoch), 3) == [Load(model="stt", epoch=epoch + 1)]


@pytest.mark.invariant("no-lost-wake-up")
@pytest.mark.parametrize("first", ["the request", "the idle time"])
def test_a_request_in_the_moment_of_the_idle_unload_is_served(first):
    """Whichever comes first: by the engine that is there, or by the next one."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 0)
    assert scheduler.next_wake() == 300

    if first == "the request":
        assert scheduler.handle(Requested(ticket=2, model="stt"), 300) == [
            Grant(tickets=(2,), model="stt", epoch=epoch)
        ]
        assert scheduler.handle(Ticked(), 300) == []
        return
    assert scheduler.handle(Ticked(), 300) == [Stop(model="stt", epoch=epoch)]
    assert scheduler.handle(Requested(ticket=2, model="stt"), 300) == []
    scheduler.handle(Exited(model="stt", epoch=epoch), 301)
    [load] = scheduler.handle(Freed(model="stt", epoch=epoch), 301)
    assert scheduler.handle(Loaded(model="stt", epoch=load.epoch), 302) == [
        Grant(tickets=(2,), model="stt", epoch=load.epoch)
    ]


def test_presence_needs_no_idle_engine():
    """Who only wants the engine to be there does not wait for its running work."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)

    assert scheduler.handle(Requested(ticket=2, model="stt", keep_warm=True), 1) == [
        Grant(tickets=(2,), model="stt", epoch=epoch)
    ]


@pytest.mark.invariant("dead-worker")
def test_news_of_an_old_worker_changes_nothing():
    """Events that carry a stale epoch are dropped."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)

    assert scheduler.handle(Exited(model="stt", epoch=epoch - 1), 1) == []
    assert scheduler.handle(Loaded(model="stt", epoch=epoch + 7), 1) == []
    assert scheduler.state("stt").phase is Phase.READY


def test_shutdown_refuses_who_waits_and_who_comes():
    """Running work goes on; nobody else gets in."""
    scheduler = gpu_scheduler()
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="stt"), 1)

    [refusal] = scheduler.handle(ShutdownWanted(), 2)
    [late] = scheduler.handle(Requested(ticket=3, model="stt"), 3)

    assert (refusal.ticket, late.ticket) == (2, 3)
    assert isinstance(refusal.error, ShuttingDownError)
    assert isinstance(late.error, ShuttingDownError)
    assert scheduler.state("stt").busy


def exchange(scheduler, leaving, coming, now, *, stop_s=1.0, load_s=2.0):
    """Carry out a switch that has begun: the old worker ends, its memory is free, the new one is ready."""
    old = scheduler.state(leaving).epoch
    scheduler.handle(Exited(model=leaving, epoch=old), now + stop_s)
    [load] = scheduler.handle(Freed(model=leaving, epoch=old), now + stop_s)
    assert (type(load), load.model) == (Load, coming)
    return scheduler.handle(Loaded(model=coming, epoch=load.epoch), now + stop_s + load_s)


def talk(scheduler, turns, now=1000.0):
    """Ask for stt and tts in turn, once every 10 s, each done after 1 s; return the time."""
    [ticket] = [100 * int(now)]
    for turn in range(turns):
        model, other = ("stt", "tts") if turn % 2 == 0 else ("tts", "stt")
        ticket += 1
        effects = scheduler.handle(Requested(ticket=ticket, model=model), now)
        if effects and isinstance(effects[0], Stop):
            exchange(scheduler, other, model, now)
            now += 3
        for effect in scheduler.handle(Done(ticket=ticket), now + 1):
            assert isinstance(effect, Stop)
            exchange(scheduler, model, other, now + 1)
        now += 10
    return now


def both_known(scheduler):
    """Load both once, so that their files are known; leave tts there, idle."""
    stt = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(UnloadWanted(model="stt"), 1)
    scheduler.handle(Exited(model="stt", epoch=stt), 1)
    scheduler.handle(Freed(model="stt", epoch=stt), 1)
    bring_up(scheduler, "tts", 2, now=1)
    scheduler.handle(Done(ticket=2), 2)


def test_a_switch_is_measured_from_the_stop_to_the_next_engine_being_ready():
    """First loads don't count, for they read the disk; idle time between doesn't either."""
    scheduler = gpu_scheduler()
    guess = scheduler.switch_s("cuda:0")
    both_known(scheduler)
    assert scheduler.switch_s("cuda:0") == guess

    assert isinstance(scheduler.handle(Requested(ticket=3, model="stt"), 50)[0], Stop)
    exchange(scheduler, "tts", "stt", 50, stop_s=1, load_s=2.5)

    assert scheduler.switch_s("cuda:0") == 3.5


def test_a_conversation_is_foreseen():
    """Once turns have alternated for a while, the next engine is made ready as soon as the last is done."""
    scheduler = gpu_scheduler()
    both_known(scheduler)
    now = talk(scheduler, 40)
    scheduler.handle(Requested(ticket=3, model="stt"), now)

    assert scheduler.state("stt").busy, "it was there already"
    [stop] = scheduler.handle(Done(ticket=3), now + 1)
    assert (type(stop), stop.model) == (Stop, "stt")
    assert exchange(scheduler, "stt", "tts", now + 1) == []
    assert scheduler.state("tts").phase is Phase.READY
    assert scheduler.handle(Ticked(), now + 5) == [], "and stays there"


def test_a_foreseen_engine_gives_way_to_a_real_request():
    """A guess that was wrong costs a switch, but nobody waits for a load that nobody wants."""
    scheduler = gpu_scheduler()
    both_known(scheduler)
    now = talk(scheduler, 40)
    scheduler.handle(Requested(ticket=3, model="stt"), now)
    [_] = scheduler.handle(Done(ticket=3), now + 1)
    scheduler.handle(Requested(ticket=4, model="stt"), now + 1)

    exchange(scheduler, "stt", "stt", now + 1)

    assert scheduler.state("stt").busy


@pytest.mark.parametrize("event", [PinWanted(model="stt"), ShutdownWanted()], ids=["pin", "shutdown"])
def test_nothing_is_foreseen_when_it_is_not_wanted(event):
    """A pin is the operator's word against any guess, and at the end there is no next request."""
    scheduler = gpu_scheduler()
    both_known(scheduler)
    now = talk(scheduler, 40)
    scheduler.handle(Requested(ticket=3, model="stt"), now)
    scheduler.handle(event, now)

    assert scheduler.handle(Done(ticket=3), now + 1) == []


def test_a_model_that_fails_to_load_is_left_alone_for_a_while():
    """Who comes within the pause is refused at once with its end; then one try is made, and pauses grow."""
    scheduler = gpu_scheduler()
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)
    scheduler.handle(LoadFailed(model="stt", epoch=1, error=EngineLoadError("bad weights")), 10)
    scheduler.handle(Freed(model="stt", epoch=1), 10)

    [refusal] = scheduler.handle(Requested(ticket=2, model="stt"), 10.25)
    assert isinstance(refusal.error, EngineFailingError)
    assert refusal.error.retry_after_s == 0.75
    assert "bad weights" in refusal.error.message
    assert scheduler.state("stt").failing_until == 11

    assert scheduler.handle(Requested(ticket=3, model="stt"), 11) == [Fetch(model="stt")]
    [load] = scheduler.handle(Fetched(model="stt"), 11)
    assert scheduler.handle(Requested(ticket=4, model="stt"), 11) == [], "it waits for the one try"
    scheduler.handle(LoadFailed(model="stt", epoch=load.epoch, error=EngineLoadError("bad")), 12)
    assert scheduler.state("stt").failing_until == 14


@pytest.mark.invariant("failing-model")
def test_a_failing_model_does_not_keep_others_from_the_gpu():
    """Only its own clients are refused."""
    scheduler = gpu_scheduler()
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)
    scheduler.handle(LoadFailed(model="stt", epoch=1, error=EngineLoadError("bad")), 1)
    scheduler.handle(Freed(model="stt", epoch=1), 1)

    bring_up(scheduler, "tts", 2, now=1)

    assert scheduler.state("tts").busy


def test_a_success_ends_the_pauses():
    """A model that loads is as good as any other."""
    scheduler = gpu_scheduler()
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)
    scheduler.handle(LoadFailed(model="stt", epoch=1, error=EngineLoadError("bad")), 1)
    scheduler.handle(Freed(model="stt", epoch=1), 1)

    bring_up(scheduler, "stt", 2, now=5)

    assert scheduler.state("stt").failing_until is None


def second_for_each_unit(limits):
    """Return a scheduler whose engine takes a second for each unit of work, and is free at 60."""
    scheduler = gpu_scheduler(limits)
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="stt", size=50), 1)
    scheduler.handle(Done(ticket=1), 10)
    scheduler.handle(Done(ticket=2), 60)
    return scheduler


@pytest.mark.scenario("queue-full")
@pytest.mark.invariant("queue-limits")
def test_a_queue_is_bounded_by_the_work_in_it():
    """Long work fills a queue before many tickets do; one may always wait."""
    scheduler = second_for_each_unit(Limits(queue_limit=99, queue_limit_s=120))
    scheduler.handle(Requested(ticket=3, model="stt", size=10), 60)

    assert scheduler.handle(Requested(ticket=4, model="stt", size=500), 60) == []
    [refusal] = scheduler.handle(Requested(ticket=5, model="stt", size=1), 60)
    scheduler.handle(Cancelled(ticket=4), 60)
    scheduler.handle(Requested(ticket=6, model="stt", size=90), 60)
    [other] = scheduler.handle(Requested(ticket=7, model="stt", size=24), 60)

    assert isinstance(refusal.error, QueueFullError)
    assert refusal.error.retry_after_s == 60, "the longest that clients should be told"
    assert isinstance(other.error, QueueFullError)
    assert other.error.retry_after_s == 4, "it would fit then"
    assert scheduler.handle(Requested(ticket=8, model="stt", size=20), 60) == []


@pytest.mark.parametrize(
    ("size", "deadline", "refused"),
    [(90, 260, False), (101, 260, True), (101, 262, False), (9999, math.inf, False)],
)
def test_work_is_refused_only_if_it_would_be_too_late(size, deadline, refused):
    """Nothing is sent away that would be answered in time, however much waits already."""
    scheduler = second_for_each_unit(Limits(queue_limit=99))
    for ticket in (3, 4):  # one runs, one waits
        scheduler.handle(Requested(ticket=ticket, model="stt", size=50), 60)

    effects = scheduler.handle(Requested(ticket=5, model="stt", size=size, deadline=deadline), 60)

    assert [isinstance(it.error, QueueFullError) for it in effects] == [True] * refused


def test_a_shared_call_is_counted_once():
    """Eight recordings of 44 s on a slow machine go in four calls of two, each with one fixed price."""
    scheduler = Scheduler(
        placements(placement("stt", device=GPU, capabilities=SttCapabilities(max_batch=4))),
        Limits(queue_limit=99, batch_audio_s=100),
    )
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    for ticket, size, took_s in ((2, 10, 40), (3, 20, 50)):  # 30 s, and 1 s for each second of audio
        scheduler.handle(Requested(ticket=ticket, model="stt", size=size), 100 * ticket)
        scheduler.handle(Done(ticket=ticket), 100 * ticket + took_s)
    for ticket in range(4, 13):
        scheduler.handle(Requested(ticket=ticket, model="stt", size=44, recordings_s=(44.0,)), 400)

    assert scheduler.state("stt").waiting == 8
    assert scheduler.wait_s("stt", 400) == pytest.approx((30 + 44) + 4 * (30 + 88))


def test_what_has_begun_is_not_refused_because_many_wait():
    """A long recording does not lose what it has because others came meanwhile."""
    scheduler = second_for_each_unit(Limits(queue_limit=2, queue_limit_s=1))
    for ticket in (3, 4, 5):
        scheduler.handle(Requested(ticket=ticket, model="stt"), 60)

    [refusal] = scheduler.handle(Requested(ticket=6, model="stt", size=9), 60)

    assert isinstance(refusal.error, QueueFullError)
    assert scheduler.handle(Requested(ticket=7, model="stt", size=9, begun=True), 60) == []


@pytest.mark.invariant("queue-limits")
def test_wanting_a_model_to_be_ready_takes_no_place_from_requests():
    """As many clients as may wait can also have the model loaded while they speak; further ones cannot."""
    scheduler = gpu_scheduler(Limits(queue_limit=2))
    scheduler.handle(Requested(ticket=1, model="stt", keep_warm=True), 0)
    scheduler.handle(Requested(ticket=2, model="stt", keep_warm=True), 0)

    [unready] = scheduler.handle(Requested(ticket=3, model="stt", keep_warm=True), 0)
    admitted = [scheduler.handle(Requested(ticket=ticket, model="stt"), 0) for ticket in (4, 5)]
    [refusal] = scheduler.handle(Requested(ticket=6, model="stt"), 0)

    assert admitted == [[], []]
    assert [type(it.error) for it in (unready, refusal)] == [QueueFullError, QueueFullError]
    assert refusal.error.message.startswith("2 requests")


def test_retry_after_counts_what_runs_what_waits_and_what_must_be_switched():
    """The rest of the running work, the work ahead, and for an engine that is not there, a switch."""
    scheduler = gpu_scheduler(Limits(queue_limit=2))
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 8)  # 8 s each
    scheduler.handle(Requested(ticket=2, model="stt"), 8)
    scheduler.handle(Requested(ticket=3, model="stt"), 8)

    assert scheduler.wait_s("stt", 10) == 6 + 8
    assert scheduler.wait_s("tts", 10) == 6 + scheduler.switch_s("cuda:0")
    scheduler.handle(Requested(ticket=4, model="tts"), 10)
    assert scheduler.wait_s("stt", 10) == 6 + 8 + 2 * scheduler.switch_s("cuda:0")


def test_a_load_on_a_shared_device_serves_somebody_before_it_makes_room():
    """An older ticket for another engine does not have the new one stopped in the very event of READY."""
    scheduler = cpu_scheduler(a=60, b=60)
    scheduler.handle(Requested(ticket=1, model="a"), 0)
    scheduler.handle(Fetched(model="a"), 0)
    scheduler.handle(Requested(ticket=2, model="b", front=True), 1)
    scheduler.handle(Fetched(model="b"), 1)

    assert scheduler.handle(Loaded(model="a", epoch=1), 2) == [Grant(tickets=(1,), model="a", epoch=1)]
    assert scheduler.handle(Done(ticket=1), 3) == [Stop(model="a", epoch=1)]


@pytest.mark.invariant("load-serves", "not-evicted-early")
def test_a_load_on_a_gpu_serves_somebody_before_the_next_switch():
    """Even fifo, and a ticket that goes before all others, do not waste a load that somebody waited for."""
    scheduler = gpu_scheduler(Limits(policy=Fifo()))
    scheduler.handle(Requested(ticket=1, model="stt"), 0)
    scheduler.handle(Fetched(model="stt"), 0)
    scheduler.handle(Requested(ticket=2, model="tts", front=True), 1)
    scheduler.handle(Fetched(model="tts"), 1)

    assert scheduler.handle(Loaded(model="stt", epoch=1), 2) == [Grant(tickets=(1,), model="stt", epoch=1)]
    assert scheduler.handle(Done(ticket=1), 3) == [Stop(model="stt", epoch=1)]


# ── Several in one call ──────────────────────────────────────────────────────


def sharing_scheduler(most=3, **limits):
    ears = placement("stt", device=GPU, capabilities=SttCapabilities(max_batch=most))
    return Scheduler(
        placements(ears, placement("tts", device=GPU, slot=Slot.TTS)), Limits(queue_limit=9, **limits)
    )


def ask(scheduler, ticket, *recordings_s, now=1.0, model="stt"):
    wish = Requested(ticket=ticket, model=model, recordings_s=recordings_s, size=sum(recordings_s))
    return scheduler.handle(wish, now)


def test_who_waits_meanwhile_shares_the_next_call():
    """Nobody is waited for: those who have piled up go together, from the head, as many as there is room."""
    scheduler = sharing_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    for ticket in (2, 3, 4, 5):
        assert ask(scheduler, ticket, 5.0) == []

    assert scheduler.handle(Done(ticket=1), 2) == [Grant(tickets=(2, 3, 4), model="stt", epoch=epoch)]


def test_an_engine_that_is_shared_is_busy_until_the_last_is_done():
    """Each ticket ends by itself, in whatever order; the next call begins when all have."""
    scheduler = sharing_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    for ticket in (2, 3, 4, 5):
        ask(scheduler, ticket, 5.0)
    scheduler.handle(Done(ticket=1), 2)

    assert scheduler.handle(Done(ticket=3), 3) == []
    assert scheduler.handle(Cancelled(ticket=2), 3) == []
    assert scheduler.state("stt").busy
    assert scheduler.handle(Done(ticket=4), 4) == [Grant(tickets=(5,), model="stt", epoch=epoch)]


def test_an_engine_that_takes_one_recording_is_never_shared():
    """Most engines declare no batch."""
    scheduler = sharing_scheduler(most=1)
    epoch = bring_up(scheduler, "stt", 1)
    for ticket in (2, 3):
        ask(scheduler, ticket, 5.0)

    assert scheduler.handle(Done(ticket=1), 2) == [Grant(tickets=(2,), model="stt", epoch=epoch)]


def test_a_batch_that_did_not_fit_makes_the_next_ones_smaller_for_this_worker():
    """Half of what was too much; a new worker is believed what its engine declares."""
    scheduler = sharing_scheduler(most=8)
    epoch = bring_up(scheduler, "stt", 1)
    for ticket in (2, 3, 4, 5):
        ask(scheduler, ticket, 5.0)
    scheduler.handle(BatchTooLarge(model="stt", epoch=epoch, recordings=4), 2)
    scheduler.handle(BatchTooLarge(model="stt", epoch=epoch + 1, recordings=1), 2)

    assert scheduler.handle(Done(ticket=1), 2) == [Grant(tickets=(2, 3), model="stt", epoch=epoch)]

    scheduler.handle(Exited(model="stt", epoch=epoch), 3)
    [load] = scheduler.handle(Freed(model="stt", epoch=epoch), 3)
    ask(scheduler, 6, 5.0)
    assert scheduler.handle(Loaded(model="stt", epoch=load.epoch), 4) == [
        Grant(tickets=(4, 5, 6), model="stt", epoch=load.epoch)
    ]


def test_only_work_that_was_done_tells_how_long_it_takes():
    """A client that leaves after a second says nothing about an hour of audio."""
    scheduler = sharing_scheduler()
    bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    ask(scheduler, 2, 10.0, now=1)
    scheduler.handle(Done(ticket=2, finished=False), 50)
    ask(scheduler, 3, 10.0, now=50)
    ask(scheduler, 4, 10.0, now=50)
    scheduler.handle(Done(ticket=3), 54)

    assert scheduler.wait_s("stt", 54) == 4, "ticket 4 runs, and takes as long as ticket 3 did"


# ── Workers that are replaced ────────────────────────────────────────────────


def recycled(scheduler, epoch, now):
    """Take the worker of stt from its end to the next one, which is loaded unasked; return its epoch."""
    scheduler.handle(Exited(model="stt", epoch=epoch), now)
    [load] = scheduler.handle(Freed(model="stt", epoch=epoch), now)
    assert load == Load(model="stt", epoch=epoch + 1, unasked=Unasked.RECYCLING)
    return load.epoch


def test_a_worker_that_leaks_is_replaced_when_nobody_waits_for_it():
    """Its work and those who wait come first; then it goes, and comes back before anybody asks."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="stt"), 1)

    assert scheduler.handle(RecycleWanted(model="stt", epoch=epoch), 2) == []
    assert scheduler.handle(Done(ticket=1), 3) == [Grant(tickets=(2,), model="stt", epoch=epoch)]
    assert scheduler.handle(Done(ticket=2), 4) == [Stop(model="stt", epoch=epoch, recycled=True)]
    new = recycled(scheduler, epoch, 5)
    assert scheduler.handle(Loaded(model="stt", epoch=new), 6) == []
    assert scheduler.handle(Ticked(), 7) == []


def test_a_worker_that_leaks_is_replaced_in_the_end_although_somebody_always_waits():
    """Else it would run out of memory, in somebody's request."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 0)
    scheduler.handle(RecycleWanted(model="stt", epoch=epoch), 1)
    for ticket in range(1, PATIENCE_CALLS + 1):
        scheduler.handle(Requested(ticket=ticket, model="stt"), ticket)
        effects = scheduler.handle(Done(ticket=ticket - 1), ticket)
        assert effects == [Grant(tickets=(ticket,), model="stt", epoch=epoch)]
    scheduler.handle(Requested(ticket=99, model="stt"), 99)

    assert scheduler.handle(Done(ticket=PATIENCE_CALLS), 99) == [
        Stop(model="stt", epoch=epoch, recycled=True)
    ]
    scheduler.handle(Exited(model="stt", epoch=epoch), 100)
    assert scheduler.handle(Freed(model="stt", epoch=epoch), 100) == [Load(model="stt", epoch=epoch + 1)]


def test_a_worker_that_ran_out_of_memory_is_replaced_after_its_work():
    """Whoever waits gets the new one."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Requested(ticket=2, model="stt"), 1)

    assert scheduler.handle(RecycleWanted(model="stt", epoch=epoch, urgent=True), 2) == []
    assert scheduler.state("stt").phase is Phase.DRAINING
    assert scheduler.handle(Done(ticket=1), 3) == [Stop(model="stt", epoch=epoch, recycled=True)]


def test_a_worker_is_replaced_after_so_many_calls():
    """If the operator wants that; a call counts once, however many share it."""
    scheduler = sharing_scheduler(recycle_after_calls=2)
    epoch = bring_up(scheduler, "stt", 1)
    for ticket in (2, 3):
        ask(scheduler, ticket, 5.0)
    assert scheduler.handle(Done(ticket=1), 2) == [Grant(tickets=(2, 3), model="stt", epoch=epoch)]
    scheduler.handle(Done(ticket=2), 3)

    assert scheduler.handle(Done(ticket=3), 3) == [Stop(model="stt", epoch=epoch, recycled=True)]
    assert scheduler.handle(Loaded(model="stt", epoch=recycled(scheduler, epoch, 4)), 5) == []


@pytest.mark.parametrize(
    "event",
    [UnloadWanted(model="stt"), ShutdownWanted(), PinWanted(model="tts")],
    ids=["unload", "shutdown", "pin"],
)
def test_a_replaced_worker_does_not_come_back_unwanted(event):
    """An operator who unloads it, or pins another one, or the end of the server, means it."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(RecycleWanted(model="stt", epoch=epoch), 2)
    scheduler.handle(event, 3)

    scheduler.handle(Exited(model="stt", epoch=epoch), 4)
    assert scheduler.handle(Freed(model="stt", epoch=epoch), 4) == []


def test_a_worker_that_is_replaced_while_the_server_stops_is_the_last():
    """Nothing is loaded any more that nobody waits for."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(ShutdownWanted(), 2)

    assert scheduler.handle(RecycleWanted(model="stt", epoch=epoch), 3) != []
    scheduler.handle(Exited(model="stt", epoch=epoch), 4)
    assert scheduler.handle(Freed(model="stt", epoch=epoch), 4) == []


def test_a_pinned_worker_that_is_replaced_keeps_its_place():
    """Its pin means the model, not the process."""
    scheduler = gpu_scheduler()
    epoch = bring_up(scheduler, "stt", 1)
    scheduler.handle(Done(ticket=1), 1)
    scheduler.handle(PinWanted(model="stt"), 1)

    scheduler.handle(RecycleWanted(model="stt", epoch=epoch), 2)

    recycled(scheduler, epoch, 3)
