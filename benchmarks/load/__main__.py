"""Runs many clients with valid and invalid requests of all kinds; reports whether the server stayed healthy.

.venv/bin/python -m benchmarks.load [--minutes 15] [--clients 16] [--engines real] [--svg docs/load.svg]

Exits with status 1 if an answer was neither right nor a documented refusal, or if something grew.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.load.bad import LIMIT_BYTES
from benchmarks.load.client import KEY, Client
from benchmarks.load.engines import ECHO, REAL, Engines
from benchmarks.load.mix import KINDS, Mix, Outcome
from benchmarks.load.plot import svg
from benchmarks.load.verdict import growth
from benchmarks.load.watch import Sample, Watch, look
from tests.e2e.server import Server, serving, until

MOST_REQUESTS = 200_000
MOST_GROWTH_MB = 16.0
"""How much the memory of a process may grow over the run, after the warm-up."""
POOL_THREADS = (os.cpu_count() or 1) + 4
"""Threads that asyncio starts for blocking work, and keeps. Source: ThreadPoolExecutor's max_workers."""
QUEUE_LIMIT = 8
"""Small, so that some requests meet a full queue."""
ECHO_MODELS = ("echo-stt", "echo-clone")
"""The echo engines' models that are used whatever the other engines are."""
REFUSED_PAUSE_S = 1.0
"""How long a client waits after it met a full queue: the time in Retry-After would leave the server idle."""


def settings(engines: Engines, *, exclusive: bool) -> dict[str, str]:
    """Return the server's environment."""
    return engines.env | {
        "SPEECHHUB_OFFLINE": "true",
        "SPEECHHUB_API_KEYS": KEY,
        "SPEECHHUB_STT_MODEL": engines.stt,
        "SPEECHHUB_TTS_MODEL": engines.tts,
        "SPEECHHUB_MAX_UPLOAD_BYTES": str(LIMIT_BYTES),
        "SPEECHHUB_QUEUE_LIMIT": str(QUEUE_LIMIT),
        "SPEECHHUB_CPU_EXCLUSIVE": str(exclusive).lower(),
        "SPEECHHUB_PRELOAD": ",".join(sorted({engines.stt, engines.tts, *ECHO_MODELS})),
        "SPEECHHUB_IDLE_UNLOAD_S": "0",
    }


def is_idle(server: Server) -> bool:
    """Return whether no request runs or waits."""
    request = urllib.request.Request(f"{server.url}/health", headers={"authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request) as answer:
        models = json.load(answer)["models"]
    return not any(model["busy"] or model["waiting"] for model in models)


def client(mix: Mix, numbers: Iterator[int], until_s: float) -> list[Outcome]:
    """Send one request after another until *until_s*."""
    outcomes = []
    while time.monotonic() < until_s and (number := next(numbers)) < MOST_REQUESTS:
        outcomes.append(mix.send(number))
        if outcomes[-1].became.startswith("503"):
            time.sleep(REFUSED_PAUSE_S)
    return outcomes


def tell(outcomes: list[Outcome]) -> None:
    """Print the outcomes of the requests, by kind."""
    print("| kind | requests | median s | outcomes |\n| --- | --- | --- | --- |")
    for kind in KINDS:
        these = [outcome for outcome in outcomes if outcome.kind == kind]
        became = Counter(outcome.became for outcome in these if outcome.ok)
        bad = sum(not outcome.ok for outcome in these)
        words = [f"{number} {what}" for what, number in became.most_common()]
        words += [f"**{bad} BAD**"] if bad else []
        took_s = median(outcome.took_s for outcome in these) if these else 0.0
        print(f"| {kind} | {len(these)} | {took_s:.2f} | {', '.join(words)} |")
    for outcome in [outcome for outcome in outcomes if not outcome.ok][:20]:
        print(f"\nBAD: {outcome.kind}: {outcome.became} after {outcome.took_s:.1f} s")


def grew(samples: list[Sample]) -> list[str]:
    """Print how memory and counts moved; return the names of what grew too much."""
    series: dict[str, tuple[Callable[[Sample], float], float]] = {
        "hub, MB": (lambda sample: sample.hub_mb, MOST_GROWTH_MB),
        **{
            f"worker {model}, MB": (
                lambda sample, model=model: sample.workers_mb.get(model, 0.0),
                MOST_GROWTH_MB,
            )
            for model in sorted(samples[-1].workers_mb)
        },
        "descriptors of the hub": (lambda sample: sample.descriptors, 4),
        "threads of the hub": (lambda sample: sample.threads, POOL_THREADS),
        "descriptors of the workers": (lambda sample: sample.workers_descriptors, 1),
        "threads of the workers": (lambda sample: sample.workers_threads, 1),
        "children": (lambda sample: sample.children, 0.5),
    }
    print("\n| | median | least | most | grown over the run |\n| --- | --- | --- | --- | --- |")
    bad = []
    for name, (value, allowed) in series.items():
        found = growth([sample.at_s for sample in samples], [value(sample) for sample in samples])
        print(f"| {name} | {found.median:.0f} | {found.least:.0f} | {found.most:.0f} | {found.grown:+.1f} |")
        bad += [name] if found.grown > allowed else []
    return bad


def picture(samples: list[Sample], clients: int) -> str:
    """Return the plot."""
    models = sorted({model for sample in samples for model in sample.workers_mb} - {"starting"})
    return svg(
        f"Memory, descriptors, threads and children of the server under the load of {clients} clients",
        [sample.at_s for sample in samples],
        {
            "resident memory of the hub, MB": {"hub": [sample.hub_mb for sample in samples]},
            "resident memory of the workers, MB": {
                model: [sample.workers_mb.get(model, 0.0) for sample in samples] for model in models
            },
            "how many": {
                "descriptors of the hub": [sample.descriptors for sample in samples],
                "threads of the hub": [sample.threads for sample in samples],
                "children": [sample.children for sample in samples],
            },
        },
    )


def main() -> int:
    """Run, print, draw; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--engines", choices=("real", "echo"), default="real")
    parser.add_argument("--exclusive", action="store_true", help="let the CPU hold one engine at a time")
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    engines = REAL if options.engines == "real" else ECHO
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home), **settings(engines, exclusive=options.exclusive)) as server,
        ThreadPoolExecutor(options.clients) as pool,
    ):
        mix = Mix(Client(server.url, engines))
        outcomes = [mix.send_one(kind, random.Random(kind)) for kind in KINDS]
        until(lambda: is_idle(server), "all is quiet", 120)
        before, watch = look(server), Watch(server)
        watch.start()
        numbers, end_s = count(), time.monotonic() + options.minutes * 60
        for done in [pool.submit(client, mix, numbers, end_s) for _ in range(options.clients)]:
            outcomes += done.result()
        samples = watch.stop()
        until(lambda: is_idle(server), "all is quiet again", 120)
        with contextlib.suppress(AssertionError):  # the table shows it if they are not
            until(lambda: look(server).descriptors <= before.descriptors, "descriptors are back")
        after = look(server)
        ended = [str(line["exit"]) for line in server.logged("worker ended by itself")]
        killed = len(server.logged("engine did not stop a cancelled call; killing it"))
    print(
        f"{len(outcomes)} requests of {options.clients} clients in {samples[-1].at_s / 60:.1f} min; ", end=""
    )
    print(f"load {os.getloadavg()[2]:.1f}\n")
    tell(outcomes)
    bad = grew(samples)
    print(
        f"\nquiet, before → after: children {before.children} → {after.children}, descriptors of the hub "
        f"{before.descriptors} → {after.descriptors}, its threads {before.threads} → {after.threads}, "
        f"its memory {before.hub_mb:.0f} → {after.hub_mb:.0f} MB"
    )
    print(f"workers that ended by themselves: {ended or 'none'}; killed in a cancelled call: {killed}")
    print(f"grew: {', '.join(bad) or 'nothing'}")
    if options.svg:
        options.svg.write_text(picture(samples, options.clients), "utf-8")
    left = after.children != before.children or after.descriptors > before.descriptors
    return 1 if left or bad or ended or any(not outcome.ok for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
