"""Routers of the comparison: the homes policy, Ray Serve's default, and one that knows all times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from benchmarks.cluster.forecast import Forecast
from benchmarks.lifecycle.world import Clock, World
from speechhub.lifecycle.scheduler.states import Phase
from speechhub_ray.policy import Dispatcher, Wish

PERIOD_S: Final = 1.0
"""How often a replica reports; a report arrives up to so much later."""
BEAT_S: Final = 5.0
"""How often a report changes although nothing happens, as a replica's."""


@dataclass(slots=True, kw_only=True)
class TwoRandom:
    """Ray Serve's default: of two random replicas, the one with fewer open requests."""

    rng: Random
    open: list[int]

    def route(self, model: str, service_s: float) -> int:  # noqa: ARG002
        """Return the less busy of two."""
        two = self.rng.sample(range(len(self.open)), 2) if len(self.open) > 1 else [0, 0]
        chosen = min(two, key=self.open.__getitem__)
        self.open[chosen] += 1
        return chosen

    def ended(self, replica: int, request: int) -> None:  # noqa: ARG002
        """Count one less."""
        self.open[replica] -= 1


@dataclass(slots=True, kw_only=True)
class Clairvoyant:
    """Sends each request where it will begin first, with every queue, service and switch known in advance."""

    forecasts: list[Forecast]

    def route(self, model: str, service_s: float) -> int:  # noqa: ARG002  # it takes as long everywhere
        """Return where the request begins first; of equals, where nothing must switch, and least is open."""
        return min(range(len(self.forecasts)), key=lambda index: self.forecasts[index].key(model))

    def ended(self, replica: int, request: int) -> None:
        """Nothing to note: it looks at the replicas themselves."""


@dataclass(slots=True, kw_only=True)
class Homes:
    """The routing policy, with reports as old as Ray Serve's; several routers take turns at random."""

    clock: Clock
    worlds: Sequence[World]
    rng: Random
    length_s: float
    dispatchers: list[Dispatcher]
    late: bool = True
    names: list[str] = field(init=False)
    _tokens: dict[int, tuple[Dispatcher, object]] = field(default_factory=dict)
    _sent: int = 0

    def __post_init__(self) -> None:
        self.names = [f"replica-{index:04}" for index in range(len(self.worlds))]
        for dispatcher in self.dispatchers:
            dispatcher.replicas(self.names, 0.0)
        for index in range(len(self.worlds)):
            self.clock.at(self.rng.uniform(0, PERIOD_S), lambda index=index: self._report(index, {}))

    def route(self, model: str, service_s: float) -> int:  # noqa: ARG002
        """Return what one of the routers ranks first."""
        dispatcher = self.rng.choice(self.dispatchers) if len(self.dispatchers) > 1 else self.dispatchers[0]
        wish = Wish(slot=model)
        name = dispatcher.rank(wish, self.clock.now)[0]
        self._tokens[self._sent] = dispatcher, dispatcher.sent(name, wish, self.clock.now)
        self._sent += 1
        return int(name.rpartition("-")[2])

    def ended(self, replica: int, request: int) -> None:  # noqa: ARG002
        """Tell the router that sent it."""
        dispatcher, token = self._tokens.pop(request)
        dispatcher.done(token, self.clock.now)

    def _report(self, index: int, before: dict[str, object]) -> None:
        stats = report(self.names[index], self.worlds[index])
        if stats != before:
            for dispatcher in self.dispatchers:
                self.clock.at(
                    self.rng.uniform(0, PERIOD_S) if self.late else 0.0,
                    lambda dispatcher=dispatcher: dispatcher.report(self.names[index], stats, self.clock.now),
                )
        if self.clock.now < self.length_s:
            self.clock.at(PERIOD_S, lambda: self._report(index, stats))


def report(name: str, world: World) -> dict[str, object]:
    """Return what the hub of *world* reports."""
    scheduler = world.scheduler
    models = {}
    for model, slot in (("stt", "stt"), ("tts", "tts")):
        state = scheduler.state(model)
        ready = state.phase is Phase.READY
        models[model] = {
            "slot": slot,
            "default": True,
            "ready": ready,
            "wait_s": round(scheduler.wait_s(model, world.now), 2),
            "switch_s": 0.0 if ready else round(scheduler.switch_s("cuda:0"), 2),
            "service_s": round(world.service_s[model].value, 2),
            "work_s": round(world.work_s[model], 2),
            "possible": (state.failing_until or 0.0) <= world.now,
            "exclusive": True,
        }
    return {"replica": name, "models": models, "draining": False, "beat": int(world.now / BEAT_S)}
