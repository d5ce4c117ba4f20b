"""Measures how long a switch between two real engines takes, cold and with a standby worker, by step.

.venv/bin/python benchmarks/switches.py [rounds]
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

import structlog

from speechhub.hub import Hub
from speechhub.lifecycle.switches import Step, Switch
from speechhub.settings import Settings

ROUNDS = 10
MODELS = ("whisper-base", "piper-en-us-joe")
DEADLINE_S = 120.0


async def measure(home: Path, rounds: int) -> list[Switch]:
    """Switch back and forth on a CPU that holds one engine at a time, alternately cold and with a standby."""
    settings = Settings(home=home, offline=True, cpu_exclusive=True, standby="on")
    async with Hub.assemble(settings) as hub, asyncio.timeout(DEADLINE_S * rounds):
        for target in MODELS:  # the files come into the page cache, and each model is once the last other one
            await hub.manager.switch_to(target)
        for number in range(2 * rounds):
            for target in MODELS:
                await hub.manager.standbys_settled()  # as where requests come less often than imports take
                if number % 2 == 0:
                    hub.manager._workers.standbys.drop("cpu")  # noqa: SLF001  # only this program needs it
                await hub.manager.switch_to(target)
        return list(hub.manager.switches.recent)[len(MODELS) :]


def main() -> None:
    """Print a table of medians, and the ratios."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as home:
        switches = asyncio.run(measure(Path(home), rounds))
    print(f"| to | standby | {' | '.join(Step)} | total, s |")
    print("| --- " * (len(Step) + 3) + "|")
    totals: dict[tuple[str, bool], float] = {}
    for target in MODELS:
        for standby in (False, True):
            these = [switch for switch in switches if (switch.target, switch.standby) == (target, standby)]
            cells = [f"{statistics.median(switch.steps_s[step] for switch in these):.3f}" for step in Step]
            totals[target, standby] = statistics.median(switch.total_s for switch in these)
            print(f"| {target} | {standby} | {' | '.join(cells)} | {totals[target, standby]:.2f} |")
    for target in MODELS:
        print(f"{target}: cold ÷ standby = {totals[target, False] / totals[target, True]:.2f}")
    own_ms = [switch.steps_s[Step.OWN] * 1000 for switch in switches]
    print(
        f"own share: median {statistics.median(own_ms):.1f} ms, most {max(own_ms):.1f} ms, of {len(own_ms)}"
    )


if __name__ == "__main__":
    main()
