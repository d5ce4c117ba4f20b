"""A cluster in virtual time: many worlds of one GPU on one clock, and a router before them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from benchmarks.lifecycle.workloads import Site
from benchmarks.lifecycle.world import Clock, Costs, World
from speechhub.lifecycle.scheduler.limits import Limits


class Router(Protocol):
    """What chooses a replica for each request; all replicas are known by their index."""

    def route(self, model: str, service_s: float) -> int:
        """Return the replica for a request that comes now, which goes there at once."""
        ...

    def ended(self, replica: int, request: int) -> None:
        """Note that a request is over; *request* counts those of the router, from 0."""
        ...


@dataclass(slots=True, kw_only=True)
class Clients:
    """The clients that one replica's share of a workload has, as a `Site`."""

    rng: Random
    costs: Costs
    length_s: float
    cluster: "Cluster"
    on_ready: Callable[[str], None] | None = None

    @property
    def now(self) -> float:
        """Seconds of the clock."""
        return self.cluster.clock.now

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call *action* after *delay_s*."""
        self.cluster.clock.at(delay_s, action)

    def ask(self, model: str, service_s: float, size: float, after: Callable[[], None] | None = None) -> None:
        """Send a request for *model* to the cluster now."""
        self.cluster.ask(model, service_s, size, after)


@dataclass(slots=True, kw_only=True)
class Cluster:
    """The replicas, each with the hub's own scheduler, and their clients."""

    clock: Clock
    worlds: list[World]
    router: Router
    asked: int = 0
    open: int = 0
    """Requests that are not over."""
    _sites: list[Clients] = field(default_factory=list)

    def ask(self, model: str, service_s: float, size: float, after: Callable[[], None] | None) -> None:
        """Route a request."""
        replica = self.router.route(model, service_s)
        request = self.asked
        self.asked += 1
        self.open += 1

        def over() -> None:
            self.open -= 1
            self.router.ended(replica, request)
            if after is not None:
                after()

        self.worlds[replica].ask(model, service_s, size, over)

    def run(self, workload: Callable[[Site], None], *, length_s: float, seed: int) -> None:
        """Run the workload once for each replica, all at the same time, until no request is left."""
        for index, world in enumerate(self.worlds):
            site = Clients(
                rng=Random(f"clients {seed} {index}"), costs=world.costs, length_s=length_s, cluster=self
            )
            self._sites.append(site)
            workload(site)
            world.on_ready = site.on_ready
        self.clock.run(length_s, lambda: not self.open)


def worlds(number: int, clock: Clock, *, switch_s: float, seed: int) -> list[World]:
    """Return the replicas' worlds, with the hub's usual limits."""
    return [
        World(
            limits=Limits(),
            costs=Costs.of_switch(switch_s),
            rng=Random(f"world {seed} {index}"),
            clock=clock,
        )
        for index in range(number)
    ]
