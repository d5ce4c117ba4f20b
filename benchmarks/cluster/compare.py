"""Runs of the comparison, and what they show."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Final

from benchmarks.cluster.cluster import Cluster, Router, worlds
from benchmarks.cluster.forecast import Forecast
from benchmarks.cluster.routers import Clairvoyant, Homes, TwoRandom
from benchmarks.lifecycle.workloads import WORKLOADS, Site, arrivals, speak, transcribe
from benchmarks.lifecycle.world import Clock, World
from speechhub.errors import UnavailableError
from speechhub_ray.policy import Dispatcher

WARM_UP_S: Final = 600.0
"""What comes before is left out: until then, homes move by one in eight a minute."""
SWITCH_S: Final = 3.0
MODELS: Final = ("stt", "tts")


def even(world: Site) -> None:
    """As much work of either direction, at random; 70 % of what the GPUs can do."""
    arrivals(world, transcribe, 2600)
    arrivals(world, speak, 285)


def mostly_speech(world: Site) -> None:
    """Three times as much work of speech as of transcripts, at random; 70 % of what the GPUs can do."""
    arrivals(world, transcribe, 1300)
    arrivals(world, speak, 428)


SCALED: Final[dict[str, Callable[[Site], None]]] = {**WORKLOADS, "even": even, "3 : 1": mostly_speech}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run showed after the warm-up; times in seconds."""

    mean: dict[str, float]
    p95: dict[str, float]
    """By model."""
    all_s: float
    """Mean wait of all requests."""
    refused: float
    """Part of the requests that were refused, 0 to 1."""
    switches: float
    """For each hundred requests."""
    busy: float
    """Part of the replicas' time that was work on requests."""


def homes(clock: Clock, found: list[World], seed: int, length_s: float, *, routers: int = 1) -> Homes:
    """Return the homes policy with so many routers."""
    return Homes(
        clock=clock,
        worlds=found,
        rng=Random(f"router {seed}"),
        length_s=length_s,
        dispatchers=[Dispatcher(turns=Random(f"turns {seed} {index}")) for index in range(routers)],
    )


def two_random(clock: Clock, found: list[World], seed: int, length_s: float) -> TwoRandom:  # noqa: ARG001
    """Return Ray Serve's default router."""
    return TwoRandom(rng=Random(f"router {seed}"), open=[0] * len(found))


def clairvoyant(clock: Clock, found: list[World], seed: int, length_s: float) -> Clairvoyant:  # noqa: ARG001
    """Return the router that knows every time in advance."""
    return Clairvoyant(forecasts=[Forecast(world=world) for world in found])


ROUTERS: Final[dict[str, Callable[[Clock, list[World], int, float], Router]]] = {
    "default": two_random,
    "homes": homes,
    "greedy": clairvoyant,
}


def run(workload: str, router: str, replicas: int, *, length_s: float, seed: int) -> Result:
    """Return what one run shows."""
    clock = Clock()
    found = worlds(replicas, clock, switch_s=SWITCH_S, seed=seed)
    cluster = Cluster(clock=clock, worlds=found, router=ROUTERS[router](clock, found, seed, length_s))
    cluster.run(SCALED[workload], length_s=length_s, seed=seed)
    tickets = [ticket for world in found for ticket in world.tickets.values() if ticket.arrived >= WARM_UP_S]
    waits = {
        model: sorted(t.wait_s for t in tickets if t.model == model and t.error is None) for model in MODELS
    }
    turns = sum(WARM_UP_S <= time <= length_s for world in found for time in world.turns)
    return Result(
        mean={model: fmean(times) for model, times in waits.items()},
        p95={model: times[int(0.95 * (len(times) - 1))] for model, times in waits.items()},
        all_s=fmean([*waits["stt"], *waits["tts"]]),
        refused=sum(isinstance(ticket.error, UnavailableError) for ticket in tickets) / len(tickets),
        switches=100 * turns / len(tickets),
        busy=sum(world.busy_s for world in found) / clock.now / len(found),
    )


def average(results: list[Result]) -> Result:
    """Return the means over seeds."""

    def each(field: str) -> dict[str, float]:
        return {model: fmean(getattr(result, field)[model] for result in results) for model in MODELS}

    return Result(
        mean=each("mean"),
        p95=each("p95"),
        all_s=fmean(result.all_s for result in results),
        refused=fmean(result.refused for result in results),
        switches=fmean(result.switches for result in results),
        busy=fmean(result.busy for result in results),
    )
