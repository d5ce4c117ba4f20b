"""Compares policies for a GPU that holds one engine at a time, in virtual time, on the real scheduler.

Run: .venv/bin/python -m benchmarks.lifecycle.compare --svg docs/lifecycle-waits.svg
Prints a table in Markdown; takes half a minute.
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.lifecycle.plot import svg
from benchmarks.lifecycle.workloads import WORKLOADS
from benchmarks.lifecycle.world import HOUR_S, Costs, World
from speechhub.errors import UnavailableError
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import Fifo, Greedy, NetRent, Policy

POLICIES: dict[str, Policy] = {"fifo": Fifo(), "greedy": Greedy(), "net-rent": NetRent()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of an hour of a workload, as means of all seeds; times in seconds."""

    mean: dict[str, float]
    p95: dict[str, float]
    longest: dict[str, float]
    """By model."""
    rejected: float
    switches_per_min: float
    busy: float
    """Share of the time in which the GPU worked on a request."""


def run(workload: str, policy: Policy, switch_s: float, batch: int, seed: int) -> Result:
    """Return the result of one hour."""
    world = World(
        limits=Limits(policy=policy),
        costs=Costs.of_switch(switch_s),
        rng=random.Random(seed),
        max_batch=batch,
    )
    WORKLOADS[workload](world)
    world.run(HOUR_S)
    waits = {
        model: sorted(
            ticket.wait_s
            for ticket in world.tickets.values()
            if ticket.model == model and ticket.error is None
        )
        for model in ("stt", "tts")
    }
    refused = sum(isinstance(ticket.error, UnavailableError) for ticket in world.tickets.values())
    return Result(
        mean={model: fmean(found) for model, found in waits.items()},
        p95={model: found[int(0.95 * (len(found) - 1))] for model, found in waits.items()},
        longest={model: found[-1] for model, found in waits.items()},
        rejected=refused,
        switches_per_min=world.switches * 60 / world.now,
        busy=world.busy_s / world.now,
    )


def average(results: list[Result]) -> Result:
    """Return the means over seeds, and the longest of the longest waits."""

    def each(field: str) -> dict[str, float]:
        return {model: fmean(getattr(result, field)[model] for result in results) for model in ("stt", "tts")}

    return Result(
        mean=each("mean"),
        p95=each("p95"),
        longest={model: max(result.longest[model] for result in results) for model in ("stt", "tts")},
        rejected=fmean(result.rejected for result in results),
        switches_per_min=fmean(result.switches_per_min for result in results),
        busy=fmean(result.busy for result in results),
    )


def table(results: dict[tuple[str, str], Result]) -> str:
    """Return the results in Markdown."""
    head = (
        "| Workload | Policy | STT mean / p95 / max, s | TTS mean / p95 / max, s | refused | switches/min "
        "| busy |"
    )
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- |"]
    for (workload, policy), result in results.items():
        stt, tts = (
            f"{result.mean[model]:.1f} / {result.p95[model]:.1f} / {result.longest[model]:.0f}"
            for model in ("stt", "tts")
        )
        lines.append(
            f"| {workload} | {policy} | {stt} | {tts} | {result.rejected:.0f} "
            f"| {result.switches_per_min:.1f} | {result.busy:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run everything."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--switch", type=float, default=3.0, help="how long a switch takes, in seconds")
    options.add_argument("--batch", type=int, default=1, help="recordings that one call may take")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--svg", type=Path)
    chosen = options.parse_args()
    results = {
        (workload, name): average(
            [run(workload, policy, chosen.switch, chosen.batch, seed) for seed in range(chosen.seeds)]
        )
        for workload in WORKLOADS
        for name, policy in POLICIES.items()
    }
    print(table(results))
    if chosen.svg:
        p95 = {key: (result.p95["stt"], result.p95["tts"]) for key, result in results.items()}
        chosen.svg.write_text(svg(p95, list(WORKLOADS), list(POLICIES)), "utf-8")


if __name__ == "__main__":
    main()
