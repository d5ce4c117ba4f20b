"""Compares routers for clusters of GPUs that hold one engine at a time, in virtual time.

Run: .venv/bin/python -m benchmarks.cluster --svg docs/cluster-waits.svg
Prints a row for each run as it ends, and then the tables of docs/cluster.md; takes half an hour.
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy/ray/src"))

from benchmarks.cluster.compare import ROUTERS, SCALED, Result, average, run
from benchmarks.cluster.plot import svg

LENGTH_S: Final = {2: 3600.0, 8: 3600.0, 64: 1200.0, 1000: 660.0}
"""Replicas → how long clients come."""
SEEDS: Final = {2: 3, 8: 1, 64: 1, 1000: 1}
LARGE: Final = ("voice loop", "crash storm")
"""Workloads for a thousand replicas: the others take too long to simulate."""
FLOOD_S: Final = 720.0
"""How long the flood lasts for 64 replicas: 256 requests come in each second."""

Case = tuple[int, str, str]


def _length_s(replicas: int, workload: str) -> float:
    return FLOOD_S if workload == "STT flood" and replicas == 64 else LENGTH_S[replicas]


def _run(case: Case) -> Result:
    replicas, workload, router = case
    return average(
        [
            run(workload, router, replicas, length_s=_length_s(replicas, workload), seed=seed)
            for seed in range(SEEDS[replicas])
        ]
    )


COLUMNS: Final = (
    "Replicas",
    "Workload",
    "Router",
    "STT mean / p95, s",
    "TTS mean / p95, s",
    "mean, s",
    "refused",
    "switches in 100 requests",
    "busy",
)


def row(case: Case, result: Result) -> str:
    """Return one run as a row in Markdown."""
    stt, tts = (f"{result.mean[model]:.2f} / {result.p95[model]:.1f}" for model in ("stt", "tts"))
    cells = [
        *map(str, case),
        stt,
        tts,
        f"{result.all_s:.3f}",
        f"{result.refused:.1%}",
        f"{result.switches:.2f}",
        f"{result.busy:.0%}",
    ]
    return f"| {' | '.join(cells)} |"


def summary(results: dict[Case, Result], shown: Callable[[Result], str]) -> str:
    """Return a table with the workloads below each other and the sizes beside each other, for all routers.

    Args:
        results: All runs.
        shown: Returns what a cell has of one run.
    """
    sizes = list(dict.fromkeys(replicas for replicas, _, _ in results))
    lines = [
        f"| Workload | {' | '.join(f'{size} replicas' for size in sizes)} |",
        f"| --- |{' --- |' * len(sizes)}",
    ]
    for workload in dict.fromkeys(workload for _, workload, _ in results):
        cells = [
            " / ".join(shown(results[size, workload, router]) for router in ROUTERS)
            if (size, workload, "homes") in results
            else "–"  # noqa: RUF001
            for size in sizes
        ]
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run everything."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--replicas", type=int, nargs="*", default=list(LENGTH_S), choices=list(LENGTH_S))
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--svg", type=Path)
    chosen = options.parse_args()
    cases = [
        (replicas, workload, router)
        for replicas in chosen.replicas
        for workload in (LARGE if replicas > 64 else SCALED)
        for router in ROUTERS
    ]
    with ProcessPoolExecutor(chosen.processes) as pool:
        print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
        results = {}
        for case, result in zip(cases, pool.map(_run, cases), strict=True):
            results[case] = result
            print(row(case, result), flush=True)
    print(
        f"\nMean wait in seconds, {' / '.join(ROUTERS)}:\n\n{summary(results, lambda it: f'{it.all_s:.2f}')}"
    )
    print(f"\nSwitches in 100 requests:\n\n{summary(results, lambda it: f'{it.switches:.2f}')}")
    if chosen.svg:
        waits = {case: result.all_s for case, result in results.items()}
        sizes = [replicas for replicas in chosen.replicas if replicas <= 64]
        chosen.svg.write_text(svg(waits, sizes, list(SCALED), list(ROUTERS)), "utf-8")


if __name__ == "__main__":
    main()
