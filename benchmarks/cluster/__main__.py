"""Compares routers for clusters of GPUs that hold one engine at a time, in virtual time.

Run: .venv/bin/python -m benchmarks.cluster --svg docs/cluster-waits.svg
Prints a table in Markdown; takes a quarter of an hour on two cores.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy/ray/src"))

from benchmarks.cluster.compare import ROUTERS, SCALED, Result, average, run
from benchmarks.cluster.plot import svg

LENGTH_S: Final = {2: 3600.0, 8: 3600.0, 64: 1200.0, 1000: 720.0}
"""Replicas → how long clients come."""
SEEDS: Final = {2: 3, 8: 1, 64: 1, 1000: 1}
LARGE: Final = ("voice loop", "ABAB adversary", "crash storm")
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


def table(results: dict[Case, Result]) -> str:
    """Return the results in Markdown."""
    columns = ["Replicas", "Workload", "Router", "STT mean / p95, s", "TTS mean / p95, s", "wait / greedy's"]
    columns += ["refused", "switches in 100 requests", "busy"]
    lines = [
        f"| {' | '.join(columns)} |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (replicas, workload, router), result in results.items():
        stt, tts = (f"{result.mean[model]:.2f} / {result.p95[model]:.1f}" for model in ("stt", "tts"))
        ratio = result.all_s / results[replicas, workload, "greedy"].all_s
        lines.append(
            f"| {replicas} | {workload} | {router} | {stt} | {tts} | {ratio:.2f} | {result.refused:.1%} "
            f"| {result.switches:.2f} | {result.busy:.0%} |"
        )
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
        results = dict(zip(cases, pool.map(_run, cases), strict=True))
    print(table(results))
    if chosen.svg:
        waits = {case: result.all_s for case, result in results.items()}
        sizes = [replicas for replicas in chosen.replicas if replicas <= 64]
        chosen.svg.write_text(svg(waits, sizes, list(SCALED), list(ROUTERS)), "utf-8")


if __name__ == "__main__":
    main()
