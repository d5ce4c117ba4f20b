"""The story: what was recorded says why requests wait, and can be replayed."""

import dataclasses
import gc
import json
import math
import typing
import weakref
from pathlib import Path

import pytest

from speechhub.engine import Slot, SttCapabilities
from speechhub.errors import EngineDeviceError, EngineLoadError, UnavailableError
from speechhub.lifecycle.scheduler import events
from speechhub.lifecycle.scheduler.events import (
    Cancelled,
    DeviceUnusable,
    Done,
    Exited,
    Fetched,
    Freed,
    Loaded,
    LoadFailed,
    NotFreed,
    PinWanted,
    RecycleWanted,
    Refuse,
    Requested,
    ShutdownWanted,
    Ticked,
    UnloadWanted,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.record import plain
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.lifecycle.scheduler.story import Story
from tests.fakes.placements import CPU, GPU, placement, placements

RECORDED = json.loads(Path(__file__).with_name("recorded_story.json").read_text("utf-8"))
RECORDED_ON = dataclasses.replace(CPU, exclusive=True)
RECORDED_MODELS = placements(
    placement("echo-stt", device=RECORDED_ON, capabilities=SttCapabilities(max_batch=16)),
    placement("echo-tts", device=RECORDED_ON, slot=Slot.TTS),
)
GPU_MODELS = placements(
    placement("whisper-base", device=GPU, capabilities=SttCapabilities(max_batch=8)),
    placement("indextts-2", device=GPU, slot=Slot.TTS),
)


class Sent:
    """What a client sent."""


def handle(sent, error):
    """Raise an error while what a client sent is at hand, as a request does."""
    assert sent
    raise error


class Told:
    """A scheduler whose story is written while it is told what happens."""

    def __init__(self, models=GPU_MODELS, **kept):
        self.scheduler, self.story, self.now = Scheduler(models, Limits()), Story(models, **kept), 0.0

    def __call__(self, *happened, after_s=1.0):
        for event in happened:
            self.now += after_s
            self.story.note(event, self.scheduler.handle(event, self.now), self.now)

    def bring_up(self, model, ticket, epoch=1, **more):
        self(
            Requested(ticket=ticket, model=model, **more),
            Fetched(model=model),
            Loaded(model=model, epoch=epoch),
        )

    @property
    def reasons(self):
        return [wait.reason for wait in self.story.waits(self.now)]

    @property
    def last(self):
        return list(self.story.told()[-1].lines)


@pytest.fixture
def told():
    return Told()


def event_of(recorded):
    """Return an event as it was before it was recorded."""
    given = {key: tuple(it) if isinstance(it, list) else it for key, it in recorded.items() if key != "type"}
    if "deadline" in given and given["deadline"] is None:
        given["deadline"] = math.inf
    return getattr(events, recorded["type"])(**given)


def test_a_recorded_story_replays():
    """What a server with the echo engines recorded, fed to a fresh scheduler, is decided the same again.

    It was recorded with ``speechhub engines story --json``: switches, a shared call, a killed worker, and
    what an operator wanted.
    """
    scheduler = Scheduler(RECORDED_MODELS, Limits())

    for moment in RECORDED["moments"]:
        effects = scheduler.handle(event_of(moment["event"]), moment["at_s"])
        assert json.loads(json.dumps([plain(effect) for effect in effects])) == moment["effects"]

    kinds = {moment["event"]["type"] for moment in RECORDED["moments"]}
    assert {"Requested", "Done", "Fetched", "Loaded", "Exited", "UnloadWanted"} <= kinds


def test_a_request_waits_for_the_calls_that_run(told):
    """The line that explains it stands at its arrival, and names what runs and for how many."""
    told(
        Requested(ticket=12, model="whisper-base", recordings_s=(5.0,)),
        Requested(ticket=13, model="whisper-base", recordings_s=(5.0,)),
        Fetched(model="whisper-base"),
        Loaded(model="whisper-base", epoch=1),
        Requested(ticket=17, model="indextts-2"),
        Fetched(model="indextts-2"),
        Requested(ticket=18, model="indextts-2"),
    )

    reason = "whisper-base is busy on cuda:0 until its 2 running requests (12, 13) end"
    assert told.last == [
        "request 18 asks for indextts-2.",
        f"request 18 for indextts-2 waits behind 1 more: {reason}.",
    ]
    assert [wait.line for wait in told.story.waits(told.now + 1)] == [
        f"2 requests (17, 18) for indextts-2 wait, the first for 3.0 s so far: {reason}."
    ]


def test_a_request_is_followed_through_a_switch(told):
    """Each step that it waits for has its own reason, from the files to the grant."""
    seen = []
    told.bring_up("whisper-base", 1)
    for event in (
        Requested(ticket=2, model="indextts-2"),
        Fetched(model="indextts-2"),
        Requested(ticket=3, model="whisper-base"),
        Done(ticket=1),
        Done(ticket=3),
        Exited(model="whisper-base", epoch=1),
        Freed(model="whisper-base", epoch=1),
        Loaded(model="indextts-2", epoch=2),
    ):
        told(event)
        seen += [wait.reason for wait in told.story.waits(told.now) if wait.model == "indextts-2"] or ["-"]

    assert seen == [
        "the server is looking for the files of indextts-2, and fetches what is missing",
        "whisper-base is busy on cuda:0 until its running request 1 ends",
        (
            "whisper-base is busy on cuda:0 until its running request 1 ends; "
            "request 3 for whisper-base waits, too"
        ),
        "whisper-base is busy on cuda:0 until its running request 3 ends",
        "whisper-base has been stopping on cuda:0 for 0.0 s",
        "the process of whisper-base ended, and cuda:0 has not been proved to have its memory back for 0.0 s",
        "indextts-2 has been loading on cuda:0 for 0.0 s",
        "-",
    ]
    assert told.last == ["indextts-2 is ready.", "request 2 gets indextts-2 after 7.0 s."]


def test_a_request_that_is_passed_over_is_told_why(told):
    """When the engine goes on with another request of its own, those who wait for the device are named."""
    told.bring_up("whisper-base", 1)
    told(
        Requested(ticket=2, model="indextts-2"),
        Fetched(model="indextts-2"),
        Requested(ticket=3, model="whisper-base"),
        Done(ticket=1),
    )

    assert told.last == [
        "request 1 is done with whisper-base.",
        "request 3 gets whisper-base after 1.0 s.",
        (
            "request 2 for indextts-2 waits, 3.0 s so far: "
            "whisper-base is busy on cuda:0 until its running request 3 ends."
        ),
    ]


def test_memory_that_does_not_come_back_is_named(told):
    """Those who are refused read it in the answer; who comes next, and the operator, in the story."""
    told.bring_up("whisper-base", 1)
    told(
        Exited(model="whisper-base", epoch=1),
        Requested(ticket=2, model="indextts-2"),
        NotFreed(model="whisper-base", epoch=1, error=UnavailableError("Process 4711 holds 2 GB.")),
    )
    refused = told.last
    told(Requested(ticket=3, model="whisper-base"))

    assert "the memory of whisper-base on cuda:0 is not free: Process 4711 holds 2 GB." in refused
    assert "request 2 is refused: Process 4711 holds 2 GB." in refused
    [reason] = told.reasons
    assert reason.endswith("has not been proved to have its memory back for 3.0 s (Process 4711 holds 2 GB.)")


def test_a_shared_device_says_who_takes_the_room():
    """Whether the others work or only stay is what an operator wants to know."""
    told = Told(
        placements(
            placement("a", device=CPU, memory_bytes=60),
            placement("b", device=CPU, memory_bytes=40),
            placement("c", device=CPU, memory_bytes=50),
        )
    )
    told.bring_up("a", 1)
    told.bring_up("b", 2, epoch=2)
    told(Done(ticket=2), PinWanted(model="b"), Requested(ticket=3, model="c"), Fetched(model="c"))

    assert told.reasons == ["cpu has no room for c beside a (busy), b (idle)"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (UnloadWanted(model="whisper-base"), "is to be unloaded from cuda:0, and loaded again, once"),
        (RecycleWanted(model="whisper-base", epoch=1, urgent=True), "is to be unloaded from cuda:0"),
        (RecycleWanted(model="whisper-base", epoch=1), "whisper-base is busy on cuda:0 until"),
        (RecycleWanted(model="whisper-base", epoch=9, urgent=True), "whisper-base is busy on cuda:0 until"),
        (
            DeviceUnusable(model="whisper-base", epoch=1, error=EngineDeviceError("no kernel")),
            "whisper-base is busy on cuda:0 until",  # it has nowhere else to go
        ),
    ],
)
def test_an_engine_that_is_to_go_says_so(told, event, reason):
    """Its own requests wait for it to come back; an event about another worker changes nothing."""
    told.bring_up("whisper-base", 1)
    told(Requested(ticket=2, model="whisper-base"), event)

    assert reason in told.reasons[0]


def test_why_an_engine_stops_is_told(told):
    """For those who wait, for the operator, or because it was idle or too slow."""
    told.bring_up("whisper-base", 1)
    told(Done(ticket=1))
    told(Ticked(), after_s=400)
    idle = told.last
    told(Exited(model="whisper-base", epoch=1), Freed(model="whisper-base", epoch=1))
    told(Requested(ticket=2, model="whisper-base"))
    told(Ticked(), after_s=400)
    slow = told.last

    assert idle == ["stopping whisper-base on cuda:0: it was idle for too long."]
    assert "killing whisper-base on cuda:0: it was not ready in time." in slow


def test_failures_and_the_end_are_told(told):
    """With the messages that operators get."""
    told(Requested(ticket=1, model="whisper-base"), Fetched(model="whisper-base"))
    told(LoadFailed(model="whisper-base", epoch=1, error=EngineLoadError("The weights are damaged.")))
    failed = told.last
    told(ShutdownWanted())

    assert failed[0] == "whisper-base could not be loaded: The weights are damaged."
    assert any(line.startswith("request 1 is refused: ") for line in failed)
    assert told.last == ["the server stops."]
    assert told.story.told()[-1].devices == {"cuda:0"}


def test_the_ring_forgets_events_and_not_what_goes_on():
    """After any number of events, what waits and why is the same as if all were there."""
    whole, short = Told(), Told(kept=3)
    for told in (whole, short):
        told.bring_up("whisper-base", 1)
        told(
            Requested(ticket=2, model="whisper-base"),
            *[Requested(ticket=n, model="indextts-2") for n in (3, 4)],
        )
        told(Cancelled(ticket=3))

    assert len(short.story.moments) == 3
    assert short.story.situation() == whole.story.situation()
    assert short.last == whole.last == ["request 3 for indextts-2 is cancelled while it waits."]


def test_a_tick_that_changes_nothing_is_not_kept(told):
    """Timers would push out what matters."""
    told(Ticked())

    assert not told.story.moments


def test_one_device_is_shown_alone():
    """An operator who asks about one model reads nothing of other devices."""
    told = Told(GPU_MODELS | placements(placement("piper", device=CPU, slot=Slot.TTS)))
    told(Requested(ticket=1, model="piper"), Requested(ticket=2, model="whisper-base"))

    assert [moment.moment.event.ticket for moment in told.story.told("cpu")] == [1]
    assert [moment.moment.event.ticket for moment in told.story.told("cuda:0")] == [2]


def test_events_carry_nothing_that_a_client_sent():
    """Numbers, models, times, errors of the hub: no field could hold a text, a recording or a voice."""
    allowed = {int, str, float, bool, tuple[float, ...], tuple[int, ...], events.Unasked | None}
    errors = {events.SpeechhubError, events.EngineDeviceError, events.Placement}
    for kind in (*typing.get_args(events.Event), *typing.get_args(events.Effect)):
        hints = typing.get_type_hints(kind)
        texts = {name for name, hint in hints.items() if hint is str}

        assert set(hints.values()) <= allowed | errors
        assert texts <= {"model", "device"}


def test_errors_are_kept_without_what_the_request_held(told):
    """An error that a request raised has a traceback, whose frames hold recordings and texts."""
    sent = Sent()
    watched = weakref.ref(sent)
    error = EngineLoadError("The weights are damaged.")
    failed = LoadFailed(model="whisper-base", epoch=1, error=error)
    told.story.note(failed, [Refuse(ticket=1, error=error)], 1.0)
    with pytest.raises(EngineLoadError):
        handle(sent, error)

    del sent, error, failed
    gc.collect()

    [moment] = told.story.moments
    assert watched() is None
    for what in (moment.event, *moment.effects):
        assert plain(what)["error"] == {"type": "EngineLoadError", "message": "The weights are damaged."}
