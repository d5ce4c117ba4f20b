"""Checks, says what was seen, and leaves nothing behind, whatever way that ends."""

import argparse
import asyncio
import datetime as dt
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from gpu_check.bench import TWIN, Bench, Plan
from gpu_check.cards import Card, PretendedCard, RealCard
from gpu_check.options import options as read_options
from gpu_check.report import Outcome, Report, summary
from gpu_check.steps import STEPS, CannotTryError, Step
from gpu_check.subjects import (
    HERE,
    CannotStartError,
    Subject,
    kinds,
    pythons,
    size_bytes,
    subject,
    temporary,
    try_card,
    versions,
    wrapped,
    write,
)
from gpu_check.timed import NO_WORK
from speechhub.errors import SpeechhubError
from speechhub.gpu.values import GpuDevice
from speechhub.gpu.visible import ORDER

WRITE_LIMIT_S: Final = 600.0
INTERRUPTED: Final = 130
"""Exit status, as shells have it of Ctrl-C."""


def main(arguments: Sequence[str]) -> int:
    """Check; return 0 if all held, 1 if something did not, 2 if nothing could be tried."""
    options = read_options(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(10 if options.verbose else 50))
    try:
        with _folder() as folder:
            return _in(folder, options)
    except CannotStartError as error:
        print(error)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. With --resume, the next run goes on with the steps that have not held yet.")
        return INTERRUPTED
    except OSError as error:  # of our own files, such as a disk that is full
        print(f"Stopped: {error}. TMPDIR, --checkpoints and --report choose other places.")
        return 2


def _in(folder: Path, options: argparse.Namespace) -> int:
    pretended = options.device == "cpu"
    size = "tiny" if options.tiny else "full"
    card: Card = PretendedCard(folder / "card") if pretended else RealCard(_index(options.device))
    device = card.device()
    if device is None:
        raise CannotStartError(f"No card {options.device}. {getattr(card, 'problem', '')}")
    found = pythons(options.python, _engines_dir())
    chosen = {name: versions(found[name]) for name in options.engines}
    for name, packages in chosen.items():
        if "torch" not in packages:
            raise CannotStartError(
                f"{found[name]} has no PyTorch for {name}: 'speechhub engines install {name}' makes an "
                f"environment for it, and --python {name}=PATH names another Python."
            )
        if not pretended:
            try_card(kinds()[name], found[name], options.device)
    report = Report(_about(card, device, options, size, chosen))
    if options.only or options.resume:
        report.read(options.report)
    print(f"{device.name}, driver {device.driver}, {device.total_bytes / 1e9:.1f} GB, {size} models")
    place = Path(options.checkpoints).absolute() if options.checkpoints else folder / "checkpoints"
    subjects = _subjects(options, found, card, folder, place, report)
    plan = Plan(
        size=size,
        rounds=options.rounds or (1 if options.tiny else 5),
        calls=options.calls or (4 if options.tiny else 50),
        pretended=pretended,
        cold_cache=options.drop_cache,
    )
    asyncio.run(_check(card, subjects, plan, folder, report, options))
    print(f"\n{report.table()}\n\n{options.report} has it all.")
    return 0 if report.held else 1


def _about(
    card: Card, device: GpuDevice, options: argparse.Namespace, size: str, packages: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return what a report says beside its steps; docs/gpu-check.md explains it."""
    sample = card.sample()
    return {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "card": device.name,
        "driver": device.driver,
        "cuda": device.cuda,
        "compute_capability": device.compute_capability,
        "total_bytes": device.total_bytes,
        "used_before_bytes": sample.used_bytes if sample else None,
        "processes_told": bool(sample and sample.processes is not None),
        "size": size,
        "warm_up": "left out" if card.environment and size == "full" else "in load_s",
        "engines": list(options.engines),
        "models": list(options.models),
        "versions": packages,
        "machine": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
    }


async def _check(
    card: Card, subjects: list[Subject], plan: Plan, folder: Path, report: Report, options: argparse.Namespace
) -> None:
    work = folder / "work"
    work.mkdir()
    bench = Bench(card, subjects, plan, work)
    bench.watcher.start()
    try:
        for name, step in STEPS.items():
            if name in (options.only or STEPS) and not (options.resume and report.has_held(name)):
                outcome = await _run(step, bench)
                report.add(outcome)
                report.write(options.report)
                _say(outcome)
    finally:
        bench.watcher.stop()
        await bench.close()


async def _run(step: Step, bench: Bench) -> Outcome:
    began = time.monotonic()
    held: bool | None = True
    problem, values = "", {}
    limit = asyncio.timeout(step.limit_s)
    try:
        async with limit:
            values = await step.run(bench)
    except CannotTryError as error:
        held, problem = None, str(error)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what was found; the next step may hold
        held, problem = False, f"{type(error).__name__}: {error}".removeprefix("AssertionError: ")
        if isinstance(error, TimeoutError) and limit.expired():
            problem = (
                f"not done after {step.limit_s:.0f} s; --only {step.name} --verbose shows where it stops"
            )
    took_s = time.monotonic() - began
    return Outcome(
        name=step.name, held=held, took_s=took_s, limit_s=step.limit_s, problem=problem, values=values
    )


def _subjects(
    options: argparse.Namespace,
    found: dict[str, Path],
    card: Card,
    folder: Path,
    place: Path,
    report: Report,
) -> list[Subject]:
    """Write what checkpoints are missing; return the models, those first that take turns."""
    size, began = ("tiny" if options.tiny else "full"), time.monotonic()
    pretended = bool(card.environment)
    programs = folder / "programs"
    programs.mkdir()
    made: list[Subject] = []
    for name in options.engines:
        kind = kinds()[name]
        path = os.pathsep.join([str(HERE.parent), *map(str, HERE.parents[1].glob("plugins/*/src"))])
        environment = {**card.environment, **ORDER, **temporary(), "PYTHONPATH": path}
        if pretended and size == "full":
            environment[NO_WORK] = "1"
        program = wrapped(found[name], programs, environment)
        device = "cuda:0" if pretended else options.device
        for model in [it for it in kind.models if it in options.models]:
            target = place / size / model
            done = target / "written"
            if not done.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                limit_s = WRITE_LIMIT_S - (time.monotonic() - began)
                write(
                    kind,
                    model,
                    python=found[name],
                    folder=target,
                    device=options.device,
                    size=size,
                    limit_s=limit_s,
                )
                done.touch()
            # One model alone takes turns with itself.
            twins = ("", TWIN) if len(options.models) == 1 else ("",)
            how: dict[str, Any] = {"python": program, "folder": target, "size": size, "device": device}
            made += [subject(kind, model + twin, **how, pretended=pretended) for twin in twins]
    outcome = Outcome(
        name="checkpoints",
        held=True,
        took_s=time.monotonic() - began,
        limit_s=WRITE_LIMIT_S,
        values={f"{it.target}_bytes": size_bytes(it.folder) for it in made},
    )
    report.add(outcome)
    _say(outcome)
    return made


def _say(outcome: Outcome) -> None:
    seen = outcome.problem or summary(outcome.values)
    print(f"{outcome.mark:8}{outcome.name:12}{outcome.took_s:7.1f} s  {seen}", flush=True)


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder for all files, those of the programs that we start included; it does not outlive us.

    A request to end, or a terminal that is gone, is what Ctrl-C is, so that all is put away first.
    """
    folder = Path(tempfile.mkdtemp(prefix="check-gpu-"))
    handlers = {it: signal.getsignal(it) for it in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    elsewhere, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        for it in (signal.SIGTERM, signal.SIGHUP):
            if handlers[it] is not signal.SIG_IGN:  # as nohup has it
                signal.signal(it, lambda *_: signal.raise_signal(signal.SIGINT))
        yield folder
    finally:
        for it in handlers:
            signal.signal(it, signal.SIG_IGN)
        tempfile.tempdir = elsewhere
        shutil.rmtree(folder, ignore_errors=True)
        for it, handler in handlers.items():
            signal.signal(it, handler)


def _index(device: str) -> int:
    return int(device.partition(":")[2])


def _engines_dir() -> Path:
    try:
        from speechhub.settings import Settings  # noqa: PLC0415  # an environment may lack what it needs

        return Settings().engines_dir
    except (ImportError, SpeechhubError):
        return Path(os.devnull)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
