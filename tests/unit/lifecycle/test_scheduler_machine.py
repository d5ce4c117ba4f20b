"""The scheduler under any order of events: what must always hold."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from speechhub.engine import Slot
from speechhub.errors import EngineLoadError, ModelFilesError
from speechhub.lifecycle.events import (
    Cancelled,
    Done,
    Exited,
    Fetch,
    Fetched,
    FetchFailed,
    Grant,
    Load,
    Loaded,
    LoadFailed,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    UnloadWanted,
)
from speechhub.lifecycle.scheduler import Limits, Scheduler
from tests.fakes.placements import CPU, GPU, placement, placements

MODELS = placements(
    placement("stt", device=GPU),
    placement("tts", device=GPU, slot=Slot.TTS),
    placement("a", device=CPU, memory_bytes=60),
    placement("b", device=CPU, memory_bytes=60),
    placement("c", device=CPU, memory_bytes=30),
)
TARGETS = st.sampled_from(sorted(MODELS))


class SchedulerMachine(RuleBasedStateMachine):
    """A world that carries out effects in any order, fails in any way, and keeps its own books."""

    def __init__(self):
        super().__init__()
        self.scheduler = Scheduler(MODELS, Limits(queue_limit=4, idle_unload_s=50))
        self.now = 0.0
        self.tickets = 0
        self.waiting = {}  # ticket → target, in order of admission
        self.presence = set()
        self.running = {}  # ticket → epoch
        self.fetching = set()
        self.loading = {}  # epoch → target
        self.alive = {}  # epoch → target, from Load to the end of the process
        self.ready = set()
        self.stopping = set()
        self.shut = False

    def handle(self, event):
        for effect in self.scheduler.handle(event, self.now):
            match effect:
                case Fetch(target=target):
                    assert target not in self.fetching
                    self.fetching.add(target)
                case Load(target=target, epoch=epoch):
                    assert target not in self.alive.values(), "the same model twice"
                    self.alive[epoch] = self.loading[epoch] = target
                case Stop(epoch=epoch):
                    assert epoch in self.alive, "a stale epoch was stopped"
                    assert epoch not in self.running.values(), "running work was cut off"
                    self.stopping.add(epoch)
                    self.loading.pop(epoch, None)
                case Grant(ticket=ticket, target=target, epoch=epoch):
                    assert epoch in self.ready, "granted on an engine that is not ready"
                    assert epoch not in self.stopping
                    assert self.waiting.pop(ticket) == target
                    if ticket not in self.presence:
                        assert epoch not in self.running.values(), "two at once"
                        self.running[ticket] = epoch
                case Refuse(ticket=ticket):
                    self.waiting.pop(ticket)

    @rule(model=TARGETS, presence=st.booleans(), front=st.booleans())
    def request(self, model, presence, front):
        self.tickets += 1
        self.waiting[self.tickets] = model
        if presence:
            self.presence.add(self.tickets)
        self.handle(Requested(ticket=self.tickets, target=model, presence=presence, front=front))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data):
        ticket = data.draw(st.sampled_from(sorted(self.waiting)))
        del self.waiting[ticket]
        self.handle(Cancelled(ticket=ticket))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data):
        ticket = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[ticket]
        self.handle(Done(ticket=ticket))

    @precondition(lambda self: self.fetching)
    @rule(data=st.data(), good=st.booleans())
    def fetched(self, data, good):
        target = data.draw(st.sampled_from(sorted(self.fetching)))
        self.fetching.remove(target)
        self.handle(
            Fetched(target=target) if good else FetchFailed(target=target, error=ModelFilesError("x"))
        )

    @precondition(lambda self: self.loading)
    @rule(data=st.data(), good=st.booleans())
    def loaded(self, data, good):
        epoch = data.draw(st.sampled_from(sorted(self.loading)))
        target = self.loading.pop(epoch)
        if good:
            self.ready.add(epoch)
            self.handle(Loaded(target=target, epoch=epoch))
        else:
            del self.alive[epoch]
            self.handle(LoadFailed(target=target, epoch=epoch, error=EngineLoadError("x")))

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
        target = self.alive.pop(epoch)
        self.ready.discard(epoch)
        self.handle(Exited(target=target, epoch=epoch))

    @rule(model=TARGETS)
    def unload(self, model):
        self.handle(UnloadWanted(target=model))

    @rule(seconds=st.sampled_from([0.0, 1.0, 49.0, 50.0, 200.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.handle(Ticked())

    @rule(model=TARGETS, epoch=st.integers(-1, 50))
    def stale_news(self, model, epoch):
        if epoch not in self.alive:
            self.handle(Exited(target=model, epoch=epoch))
            self.handle(Loaded(target=model, epoch=epoch))

    @precondition(lambda self: self.tickets > 15)
    @rule()
    def shut_down(self):
        self.shut = True
        self.handle(ShutdownWanted())

    @invariant()
    def exclusive_device_holds_one_worker(self):
        assert sum(MODELS[target].device is GPU for target in self.alive.values()) <= 1

    @invariant()
    def shared_device_keeps_its_memory_limit(self):
        here = [MODELS[target].model.memory_bytes for target in self.alive.values()]
        shared = [b for b, t in zip(here, self.alive.values(), strict=True) if MODELS[t].device is CPU]
        assert len(shared) <= 1 or sum(shared) <= CPU.memory_bytes

    @invariant()
    def books_agree(self):
        """Every admitted ticket waits, runs or is over; the scheduler counts the same."""
        for state in self.scheduler.states():
            assert state.waiting == sum(target == state.target for target in self.waiting.values())
        busy = {state.target for state in self.scheduler.states() if state.busy}
        assert busy == {self.alive[epoch] for epoch in self.running.values()}

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
            elif self.fetching:
                target = min(self.fetching)
                self.fetching.remove(target)
                self.handle(Fetched(target=target))
            elif self.loading:
                epoch = min(self.loading)
                self.ready.add(epoch)
                self.handle(Loaded(target=self.loading.pop(epoch), epoch=epoch))
            else:
                break
        assert not self.waiting, "somebody waits and nothing happens"


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
