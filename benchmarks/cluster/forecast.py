"""Forecasts of when a request would begin at a replica, from everything that is going on there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.lifecycle.world import Ticket, World
from speechhub.lifecycle.scheduler.policy import DeviceSnapshot, ModelQueue
from speechhub.lifecycle.scheduler.states import Phase


@dataclass(slots=True, kw_only=True)
class Forecast:
    """What one replica will do if no other request comes; looks again when its world has changed."""

    world: World
    _version: int = -1
    _holder: str | None = None
    _free_at: float = 0.0
    """When the engine that holds the device, or will, has ended its call or is ready."""
    _since: float = 0.0
    """When that engine became ready, or will."""
    _waiting: dict[str, list[Ticket]] = field(default_factory=dict)

    def key(self, model: str) -> tuple[float, bool, int]:
        """Return when a request for *model* would begin; whether its engine must be loaded; what is open."""
        if self._version != self.world.version:
            self._look()
            self._version = self.world.version
        return self._begins(model), self._holder != model, self.world.open

    def _look(self) -> None:
        world, costs = self.world, self.world.costs
        states = {state.model: state for state in world.scheduler.states()}
        holder = next((state for state in states.values() if state.phase is not None), None)
        tickets = [world.tickets[number] for number in world.open_tickets]
        self._waiting = {
            model: [ticket for ticket in tickets if ticket.model == model and ticket.granted is None]
            for model in states
        }
        self._holder, self._free_at, self._since = None, world.now, world.now
        if holder is None or holder.since is None:
            return
        since = holder.since
        match holder.phase:
            case Phase.LOADING:
                self._holder, self._free_at = holder.model, since + costs.load_s
                self._since = self._free_at
            case Phase.READY | Phase.DRAINING:
                ends = [t.granted + t.service_s for t in tickets if t.granted is not None]
                self._holder, self._free_at, self._since = holder.model, max(ends, default=world.now), since
            case Phase.STOPPING:
                self._free_at = since + costs.stop_s + costs.verify_s
            case Phase.VERIFYING:
                self._free_at = since + costs.verify_s

    def _begins(self, model: str) -> float:
        others = any(queue for name, queue in self._waiting.items() if name != model)
        now = max(self.world.now, self._free_at)
        if not others and self._holder == model:
            return now + sum(ticket.service_s for ticket in self._waiting[model])
        if not others and not self._waiting[model]:
            return now + (self._switch_s if self._holder is not None else self.world.costs.load_s)
        return self._played(model, now)

    @property
    def _switch_s(self) -> float:
        costs = self.world.costs
        return costs.stop_s + costs.verify_s + costs.load_s

    def _played(self, model: str, now: float) -> float:
        """Return the same by playing the hub's policy until the request begins."""
        world, costs = self.world, self.world.costs
        limits = world.limits
        mine = Ticket(model=model, arrived=world.now, service_s=0.0, size=0.0, ahead=0)
        queues: dict[str, Sequence[Ticket]] = {
            name: [*queue, mine] if name == model else queue for name, queue in self._waiting.items()
        }
        last_here = {name: float("-inf") for name in queues}
        holder, since, used = self._holder, self._since, self._free_at < self._since + 1e-9
        used = not used
        while True:
            if holder is not None and not used and queues[holder]:
                choice: str | None = holder
            else:
                snapshot = DeviceSnapshot(
                    now=now,
                    resident=holder,
                    stay_s=now - since,
                    switch_s=world.scheduler.switch_s("cuda:0"),
                    queues={
                        name: ModelQueue(
                            arrivals=tuple(ticket.arrived for ticket in queue),
                            order=min(1e9, queue[0].arrived),  # type: ignore[arg-type]  # any order will do
                            last_here=last_here[name],
                            max_wait_s=limits.stt_max_wait_s,
                        )
                        for name, queue in queues.items()
                        if queue
                    },
                )
                choice = limits.policy.choose(snapshot)
            assert choice is not None
            if choice != holder:
                if holder is not None:
                    last_here[holder] = now
                    now += costs.stop_s + costs.verify_s
                now += costs.load_s
                holder, since, used = choice, now, False
            first, *rest = queues[choice]
            if first is mine:
                return now
            queues[choice] = rest
            now += first.service_s
            used = True
