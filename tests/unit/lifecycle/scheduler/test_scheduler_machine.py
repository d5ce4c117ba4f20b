"""The scheduler under any order of events: what must always hold.

How long anybody waits, how often a request is tried, and that only proportions matter, is in test_waits.py;
what remains of processes, descriptors and memory is tested with real workers.
"""

from collections import Counter
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from speechhub.engine import Slot, SttCapabilities
from speechhub.errors import (
    EngineDeviceError,
    EngineFailingError,
    EngineLoadError,
    EnginePinnedError,
    ModelFilesError,
    NotIdleError,
    QueueFullError,
    RequestTimeoutError,
    UnavailableError,
)
from speechhub.lifecycle.scheduler.batching import MAX_RATIO
from speechhub.lifecycle.scheduler.events import (
    BatchTooLarge,
    Cancelled,
    DeviceUnusable,
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
    Move,
    NotFreed,
    PinWanted,
    RecycleWanted,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    UnloadWanted,
    Unpinned,
    Verify,
)
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import Fifo, Greedy, NetRent
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.lifecycle.scheduler.states import Phase, PublicState, public_state
from speechhub.lifecycle.scheduler.story import Story
from tests.fakes.placements import CPU, GPU, placement, placements
from tests.generated import examples

pytestmark = [
    pytest.mark.mission("3.8"),
    pytest.mark.invariant(
        "one-worker",
        "state-shown",
        "ends-once",
        "in-order",
        "visit-serves",
        "load-serves",
        "work-count",
        "dead-worker",
        "queue-leaver",
        "queue-limits",
        "failing-model",
        "comes-to-rest",
        "no-lost-wake-up",
        "switch-spares-work",
        "one-load",
        "leaver-frees-place",
    ),
]

MODELS = placements(
    replace(placement("stt", device=GPU, capabilities=SttCapabilities(max_batch=3)), fallback=CPU),
    placement("tts", device=GPU, slot=Slot.TTS),
    placement("a", device=CPU, memory_bytes=60, capabilities=SttCapabilities(max_batch=2)),
    placement("b", device=CPU, memory_bytes=60),
    placement("c", device=CPU, memory_bytes=30),
)
TARGETS = st.sampled_from(sorted(MODELS))
BUDGET_S = 20.0
RECYCLE_CALLS = 3


class SchedulerMachine(RuleBasedStateMachine):
    """A world that carries out effects in any order, fails in any way, and keeps its own books."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.placed = dict(MODELS)
        self.leaving = set()  # models whose device turned out to be of no use to them
        self.tickets = 0
        self.waiting = {}  # ticket → model
        self.lines = {model: [] for model in MODELS}  # tickets in the order in which they are to be served
        self.served = set()  # epochs that a ticket was granted
        self.sent_away = set()  # epochs that an operator, or idleness, ended
        self.failures = {}  # model → loads that failed in a row, and when the next may be tried
        self.effects = []
        self.keep_warm = set()
        self.spare = set()
        self.recordings = {}  # ticket → lengths of what may share a call
        self.calls = Counter()  # epoch → grants
        self.most = {}  # epoch → recordings that were found to be too many for one call
        self.running = {}  # ticket → epoch
        self.fetching = set()
        self.loading = {}  # epoch → model
        self.alive = {}  # epoch → model, from Load to the end of the process
        self.ready = set()
        self.stopping = set()
        self.deadlines = {}  # ticket → time
        self.unproved = {}  # epoch of a dead worker whose GPU is not proved free → model
        self.verifying = set()
        self.pins = {}
        self.shut = False

    @initialize(policy=st.sampled_from([NetRent(speculation=0.1), NetRent(), Fifo(), Greedy()]))
    def begin(self, policy):
        limits = Limits(
            queue_limit=4,
            idle_unload_s=50,
            policy=policy,
            batch_audio_s=BUDGET_S,
            recycle_after_calls=RECYCLE_CALLS,
        )
        self.scheduler = Scheduler(MODELS, limits)
        self.story = Story(MODELS, kept=10)

    def handle(self, event):  # noqa: C901, PLR0912, PLR0915  # one arm for each effect
        self.effects = self.scheduler.handle(event, self.now)
        self.story.note(event, self.effects, self.now)
        for effect in self.effects:
            match effect:
                case Fetch(model=model):
                    assert model not in self.fetching
                    self.fetching.add(model)
                case Load(model=model, epoch=epoch):
                    assert model not in self.alive.values(), "the same model twice"
                    assert model not in self.leaving, "loaded where it cannot compute"
                    assert self.placed[model].device is CPU or not self.unproved, "a blind load"
                    assert self.now >= self.failures.get(model, (0, 0.0))[1], "tried again too early"
                    assert self.fits_the_pin(model)
                    self.alive[epoch] = self.loading[epoch] = model
                case Stop(model=model, epoch=epoch, kill=kill):
                    assert epoch in self.alive, "a stale epoch was stopped"
                    wanted = epoch in self.ready and epoch not in self.served and self.lines[model]
                    wanted = wanted and model not in self.leaving
                    assert not wanted or epoch in self.sent_away, "a visit that served nobody"
                    if self.pins.get(self.placed[model].device.name) == model:
                        recycled = epoch in self.sent_away or self.calls[epoch] >= RECYCLE_CALLS
                        recycled = recycled or model in self.leaving
                        assert recycled or epoch in self.loading, "a pin was broken"
                    if kill:  # its load took too long
                        self.fail(model)
                    assert epoch not in self.running.values(), "running work was cut off"
                    self.stopping.add(epoch)
                    self.loading.pop(epoch, None)
                case Verify(model=model, epoch=epoch):
                    assert self.unproved[epoch] == model
                    assert epoch not in self.verifying
                    self.verifying.add(epoch)
                case Grant(tickets=tickets, model=model, epoch=epoch):
                    assert epoch in self.ready, "granted on an engine that is not ready"
                    assert epoch not in self.stopping
                    assert [self.waiting.pop(ticket) for ticket in tickets] == [model] * len(tickets)
                    assert self.lines[model][: len(tickets)] == [*tickets], "somebody overtook"
                    del self.lines[model][: len(tickets)]
                    if tickets[0] not in self.spare:
                        self.served.add(epoch)
                    assert model not in self.leaving, "granted where it cannot compute"
                    self.check_batch(tickets, model, epoch)
                    if tickets[0] not in self.keep_warm:
                        assert epoch not in self.running.values(), "two at once"
                        self.running |= dict.fromkeys(tickets, epoch)
                        self.calls[epoch] += 1
                case Move(model=model, placement=placed):
                    assert model not in [*self.alive.values(), *self.unproved.values()]
                    assert placed == self.placed[model].fallen_back("no cuBLAS")
                    self.leaving.remove(model)  # so it happens once
                    if self.pins.get(GPU.name) == model:
                        del self.pins[GPU.name]
                        self.pins.setdefault(CPU.name, model)
                    self.placed[model] = placed
                case Refuse(ticket=ticket, error=error):
                    model = self.waiting.pop(ticket)
                    self.lines[model].remove(ticket)
                    self.check_refusal(ticket, model, error)

    def check_batch(self, tickets, model, epoch):
        if len(tickets) == 1:
            return
        assert all(self.recordings[ticket] for ticket in tickets), "one of them wanted the engine for itself"
        lengths = [length for ticket in tickets for length in self.recordings[ticket]]
        assert len(lengths) <= min(self.placed[model].max_batch, self.most.get(epoch, 99))
        assert sum(lengths) <= BUDGET_S
        assert max(lengths) <= MAX_RATIO * min(lengths)

    def check_refusal(self, ticket, model, error):
        if isinstance(error, UnavailableError) and not isinstance(error, EngineFailingError):
            assert 1 <= error.retry_after_s <= 60
        if isinstance(error, EngineFailingError):
            assert self.now + error.retry_after_s == self.failures[model][1]
        if isinstance(error, QueueFullError):
            assert self.ahead_of(ticket, model)
        if isinstance(error, RequestTimeoutError):
            assert self.deadlines[ticket] <= self.now
        if isinstance(error, EnginePinnedError):
            assert self.pins[self.placed[model].device.name] != model

    def ahead_of(self, ticket, model):
        """Return the tickets that count where *ticket* may be refused: for work, only work."""
        return [one for one in self.lines[model] if ticket in self.keep_warm or one not in self.keep_warm]

    def fits_the_pin(self, model):
        pinned = self.pins.get(self.placed[model].device.name, model)
        both = self.placed[model].model.memory_bytes + self.placed[pinned].model.memory_bytes
        return pinned == model or (self.placed[model].device is CPU and both <= CPU.memory_bytes)

    def fail(self, model):
        count = self.failures.get(model, (0, 0.0))[0] + 1
        self.failures[model] = (count, self.now + min(60, 2 ** (count - 1)))

    @rule(
        model=TARGETS,
        keep_warm=st.booleans(),
        front=st.booleans(),
        patience=st.sampled_from([float("inf"), 10.0, 100.0]),
        recordings=st.lists(st.sampled_from([1.0, 2.0, 5.0, 12.0]), max_size=2).map(tuple),
    )
    def request(self, model, keep_warm, front, patience, recordings):
        self.tickets += 1
        self.recordings[self.tickets] = recordings = () if keep_warm else recordings
        self.waiting[self.tickets] = model
        if keep_warm:
            self.keep_warm.add(self.tickets)
        full = len(self.ahead_of(self.tickets, model)) >= 4 and not front
        self.lines[model].insert(0 if front else len(self.lines[model]), self.tickets)
        self.deadlines[self.tickets] = self.now + patience
        self.handle(
            Requested(
                ticket=self.tickets,
                model=model,
                keep_warm=keep_warm,
                front=front,
                deadline=self.now + patience,
                recordings_s=recordings,
                size=sum(recordings),
            )
        )
        assert not full or self.tickets not in self.waiting

    @rule(
        model=TARGETS,
        recordings=st.lists(st.sampled_from([1.0, 5.0]), max_size=2).map(tuple),
        front=st.booleans(),
    )
    def request_spare(self, model, recordings, front):
        state = self.scheduler.state(model)
        device = self.placed[model].device
        idle = state.phase is Phase.READY and not state.busy
        idle = idle and not any(self.placed[other].device is device for other in self.waiting.values())
        self.tickets += 1
        self.spare.add(self.tickets)
        self.recordings[self.tickets] = recordings
        self.waiting[self.tickets] = model
        self.lines[model].insert(0, self.tickets)
        self.deadlines[self.tickets] = float("inf")
        self.handle(
            Requested(
                ticket=self.tickets,
                model=model,
                spare=True,
                front=front,
                recordings_s=recordings,
                size=sum(recordings),
            )
        )
        [effect] = self.effects
        if isinstance(effect, Grant):
            assert idle, "it took what a request waits for"
            assert effect.tickets == (self.tickets,)
        else:
            assert isinstance(effect.error, NotIdleError)
            may_not = self.shut or self.pins.get(device.name, model) != model or model in self.failures
            assert not idle or may_not, "refused although the engine had nothing to do"

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data):
        ticket = data.draw(st.sampled_from(sorted(self.waiting)))
        model = self.waiting.pop(ticket)
        self.lines[model].remove(ticket)
        self.handle(Cancelled(ticket=ticket))
        for (
            effect
        ) in self.effects:  # who else waits may be let in, but nothing is begun or ended for this one
            assert not isinstance(effect, Load | Stop) or effect.model != model
            assert not isinstance(effect, Load | Stop) or self.placed[effect.model].device is CPU

    @precondition(lambda self: self.running)
    @rule(data=st.data(), finished=st.booleans())
    def finish(self, data, finished):
        ticket = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[ticket]
        here = [self.placed[model].device for model in self.waiting.values()]
        self.handle(Done(ticket=ticket, finished=finished))
        if ticket in self.spare and not here:
            assert all(self.may_be_recycled(effect) for effect in self.effects), "it changed what is loaded"

    def may_be_recycled(self, effect):
        return isinstance(effect, Stop) and (
            effect.epoch in self.sent_away
            or self.calls[effect.epoch] >= RECYCLE_CALLS
            or effect.model in self.leaving
        )

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def batch_does_not_fit(self, data):
        epoch = data.draw(st.sampled_from(sorted(set(self.running.values()))))
        self.most[epoch] = 1
        self.handle(BatchTooLarge(model=self.alive[epoch], epoch=epoch, recordings=2))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def call_cannot_compute(self, data):
        """What runs fails, and the requests that wait go along; a model without another place stays."""
        epoch = data.draw(st.sampled_from(sorted(set(self.running.values()))))
        model = self.alive[epoch]
        if self.placed[model].fallback is not None:
            self.leaving.add(model)
        self.handle(DeviceUnusable(model=model, epoch=epoch, error=EngineDeviceError("no cuBLAS")))
        assert not any(isinstance(it, Refuse) for it in self.effects)

    @precondition(lambda self: self.ready)
    @rule(data=st.data(), urgent=st.booleans())
    def recycle(self, data, urgent):
        epoch = data.draw(st.sampled_from(sorted(self.ready)))
        self.sent_away.add(epoch)
        self.handle(RecycleWanted(model=self.alive[epoch], epoch=epoch, urgent=urgent))
        idle = epoch not in self.running.values() and not self.lines[self.alive[epoch]]
        assert not idle or epoch in self.stopping, "it waits for an idle moment, and this is one"

    @precondition(lambda self: self.fetching)
    @rule(data=st.data(), good=st.booleans())
    def fetched(self, data, good):
        model = data.draw(st.sampled_from(sorted(self.fetching)))
        self.fetching.remove(model)
        self.handle(Fetched(model=model) if good else FetchFailed(model=model, error=ModelFilesError("x")))

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), good=st.booleans(), error=st.sampled_from([EngineLoadError, EngineDeviceError]))
    def loaded(self, data, good, error):
        epoch = data.draw(st.sampled_from(sorted(self.loading)))
        model = self.loading.pop(epoch)
        if good:
            self.ready.add(epoch)
            self.failures.pop(model, None)
            first = self.lines[model][:1]
            self.handle(Loaded(model=model, epoch=epoch))
            granted = [effect.tickets[0] for effect in self.effects[:1] if isinstance(effect, Grant)]
            assert granted == first, "who waited for the load comes before anything else"
        else:
            if error is EngineDeviceError and self.placed[model].fallback is not None:
                self.leaving.add(model)
            else:
                self.fail(model)
            self.dead(epoch)
            self.handle(LoadFailed(model=model, epoch=epoch, error=error("no cuBLAS")))

    @precondition(lambda self: self.stopping)
    @rule(data=st.data())
    def stopped(self, data):
        epoch = data.draw(st.sampled_from(sorted(self.stopping)))
        self.stopping.remove(epoch)
        self.gone(epoch)

    @precondition(lambda self: self.ready - self.stopping)
    @rule(data=st.data(), done_first=st.booleans())
    def crash(self, data, done_first):
        epoch = data.draw(st.sampled_from(sorted(self.ready - self.stopping)))
        tickets = [ticket for ticket, used in self.running.items() if used == epoch]
        for ticket in tickets:
            del self.running[ticket]
        if done_first:
            self.ready.discard(epoch)  # its process is gone, though the scheduler hears of it last
        self.gone(epoch)
        for ticket in tickets:
            self.handle(Done(ticket=ticket))

    def gone(self, epoch):
        model = self.dead(epoch)
        self.handle(Exited(model=model, epoch=epoch))

    def dead(self, epoch):
        model = self.alive.pop(epoch)
        self.ready.discard(epoch)
        if self.placed[model].device is GPU:
            self.unproved[epoch] = model
        return model

    @precondition(lambda self: self.verifying)
    @rule(good=st.booleans())
    def verified(self, good):
        epoch = self.verifying.pop()
        model = self.unproved[epoch]
        if good:
            del self.unproved[epoch]
            self.handle(Freed(model=model, epoch=epoch))
            assert model not in self.leaving, "nothing holds it there any more"
        else:
            if model in self.leaving:  # another one owes the proof
                del self.unproved[epoch]
                stay = [it for it in self.placed if it != model and self.placed[it].device is GPU]
                self.unproved |= dict.fromkeys([epoch] if stay else [], stay[0] if stay else "")
            self.handle(NotFreed(model=model, epoch=epoch, error=UnavailableError("held")))
            assert not any(self.placed[name].device is GPU for name in self.waiting.values())

    @rule(model=TARGETS)
    def pin(self, model):
        self.pins[self.placed[model].device.name] = model
        self.handle(PinWanted(model=model))
        if self.placed[model].device is GPU:
            assert not any(t != model and self.placed[t].device is GPU for t in self.waiting.values())

    @rule(device=st.sampled_from([GPU.name, CPU.name]))
    def unpin(self, device):
        self.pins.pop(device, None)
        self.handle(Unpinned(device=device))

    @rule(model=TARGETS)
    def unload(self, model):
        self.sent_away |= {epoch for epoch, there in self.alive.items() if there == model}
        self.handle(UnloadWanted(model=model))

    @rule(seconds=st.sampled_from([0.0, 1.0, 1.0, 4.0, 11.0, 49.0, 200.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.handle(Ticked())

    @rule(model=TARGETS, epoch=st.integers(-1, 50))
    def stale_news(self, model, epoch):
        if epoch not in self.alive:
            self.handle(Exited(model=model, epoch=epoch))
            self.handle(Loaded(model=model, epoch=epoch))
            if self.unproved.get(epoch) == model and self.placed[model].fallback is not None:
                self.leaving.add(model)
            self.handle(DeviceUnusable(model=model, epoch=epoch, error=EngineDeviceError("no cuBLAS")))
            if epoch not in self.unproved:
                self.handle(Freed(model=model, epoch=epoch))
                self.handle(NotFreed(model=model, epoch=epoch, error=UnavailableError("held")))

    @precondition(lambda self: self.tickets > 15)
    @rule()
    def shut_down(self):
        self.shut = True
        self.handle(ShutdownWanted())

    @invariant()
    def exclusive_device_holds_one_worker(self):
        assert (
            sum(self.placed[model].device is GPU for model in [*self.alive.values(), *self.unproved.values()])
            <= 1
        )

    @invariant()
    def expired_tickets_leave_on_time(self):
        wake = self.scheduler.next_wake()
        for ticket in self.waiting:
            assert wake is not None or self.deadlines[ticket] == float("inf")
            assert wake is None or wake <= self.deadlines[ticket]

    @invariant()
    def shared_device_keeps_its_memory_limit(self):
        here = [self.placed[model].model.memory_bytes for model in self.alive.values()]
        shared = [b for b, t in zip(here, self.alive.values(), strict=True) if self.placed[t].device is CPU]
        assert len(shared) <= 1 or sum(shared) <= CPU.memory_bytes

    @invariant()
    def users_see_what_is_ready(self):
        for state in self.scheduler.states():
            shown = public_state(state.phase, self.placed[state.model].slot.public_state)
            there = [epoch for epoch, model in self.alive.items() if model == state.model]
            serves = there and there[0] in self.ready - self.stopping
            if serves and state.phase is not Phase.DRAINING:
                assert shown == self.placed[state.model].slot.public_state
            else:
                assert shown in (PublicState.NONE, PublicState.LOADING, PublicState.UNLOADING)
            assert (shown is PublicState.NONE) == (not there and state.model not in self.unproved.values())

    @invariant()
    def books_agree(self):
        """Every admitted ticket waits, runs or is over; the scheduler counts the same."""
        for state in self.scheduler.states():
            assert state.waiting == sum(model == state.model for model in self.waiting.values())
        busy = {state.model for state in self.scheduler.states() if state.busy}
        assert busy == {self.alive[epoch] for epoch in self.running.values()}

    @invariant()
    def the_record_tells_the_same(self):
        """What events and effects add up to is what goes on, and it explains every wait."""
        situation = self.story.situation()
        for state in self.scheduler.states():
            worker = situation.workers.get(state.model)
            assert len(situation.queue(state.model)) == state.waiting
            assert bool(worker and worker.running) == state.busy
            drains = state.phase is Phase.DRAINING and state.busy  # not all reasons for it are events
            assert (worker and worker.phase) in ({Phase.READY, Phase.DRAINING} if drains else {state.phase})
        assert not [
            wait
            for wait in self.story.waits(self.now)
            if "nothing in the record" in wait.reason or " and idle" in wait.reason
        ]
        assert all(told.devices for told in self.story.told())

    def teardown(self):
        """Left alone, the world comes to rest: nobody waits for ever."""
        for _ in range(500):
            if self.running:
                ticket = min(self.running)
                del self.running[ticket]
                self.handle(Done(ticket=ticket))
            elif self.stopping:
                epoch = min(self.stopping)
                self.stopping.remove(epoch)
                self.gone(epoch)
            elif self.verifying:
                epoch = self.verifying.pop()
                self.handle(Freed(model=self.unproved.pop(epoch), epoch=epoch))
            elif self.fetching:
                model = min(self.fetching)
                self.fetching.remove(model)
                self.handle(Fetched(model=model))
            elif self.loading:
                epoch = min(self.loading)
                self.ready.add(epoch)
                self.failures.pop(self.loading[epoch], None)
                self.handle(Loaded(model=self.loading.pop(epoch), epoch=epoch))
            else:
                break
        else:
            raise AssertionError("it never comes to rest")
        assert not self.waiting, "somebody waits and nothing happens"
        assert not any(state.busy for state in self.scheduler.states()), "work that nobody does"


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=examples(300), stateful_step_count=60, deadline=None)
