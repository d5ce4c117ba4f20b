"""The command line: ``scripts/check_gpu --help``."""

import argparse
import asyncio
import datetime as dt
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import structlog

from gpu_check.bench import TWIN, Bench, Plan
from gpu_check.cards import Card, PretendedCard, RealCard
from gpu_check.report import Outcome, Report, summary
from gpu_check.steps import STEPS, CannotTryError, Step
from gpu_check.subjects import HERE, Subject, kinds, pythons, size_bytes, subject, versions, wrapped, write
from speechhub.errors import SpeechhubError

WRITE_LIMIT_S: Final = 300.0


def main(arguments: Sequence[str]) -> int:
    """Check; return 0 if all held, 1 if something did not, 2 if nothing could be tried."""
    options = _options(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(10 if options.verbose else 50))
    pretended = options.device == "cpu"
    size = "tiny" if options.tiny else "full"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="check-gpu-")))
        card: Card = PretendedCard(folder / "card") if pretended else RealCard(_index(options.device))
        device = card.device()
        if device is None:
            print(f"No card {options.device}: {getattr(card, 'problem', None) or 'the driver shows none'}.")
            return 2
        sample = card.sample(0 if pretended else _index(options.device))
        named = dict(it.split("=", 1) for it in options.python)
        found = pythons({name: Path(path) for name, path in named.items()}, _engines_dir())
        chosen = {name: versions(found[name]) for name in options.engines}
        report = Report(
            {
                "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
                "card": device.name,
                "driver": device.driver,
                "cuda": device.cuda,
                "compute_capability": device.compute_capability,
                "total_bytes": device.total_bytes,
                "used_before_bytes": sample.used_bytes if sample else None,
                "processes_told": bool(sample and sample.processes is not None),
                "size": size,
                "engines": list(options.engines),
                "versions": chosen,
                "machine": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
            }
        )
        if options.only or options.resume:
            report.read(options.report)
        print(f"{device.name}, driver {device.driver}, {device.total_bytes / 1e9:.1f} GB, {size} models")
        place = Path(options.checkpoints) if options.checkpoints else folder / "checkpoints"
        try:
            subjects = _subjects(options, found, card, folder, place, report)
        except AssertionError as error:
            print(f"The checkpoints cannot be written: {error}")
            return 2
        plan = Plan(
            size=size,
            device=options.device,
            rounds=options.rounds or (1 if options.tiny else 5),
            calls=options.calls or (4 if options.tiny else 50),
            pretended=pretended,
            cold_cache=options.drop_cache,
        )
        asyncio.run(_check(card, subjects, plan, folder, report, options))
        print(f"\n{report.table()}\n\n{options.report} has it all.")
        return 0 if report.held else 1


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
    try:
        async with asyncio.timeout(step.limit_s):
            values = await step.run(bench)
    except TimeoutError:
        held, problem = False, f"not done after {step.limit_s:.0f} s"
    except CannotTryError as error:
        held, problem = None, str(error)
    except (AssertionError, SpeechhubError) as error:
        held, problem = False, f"{type(error).__name__}: {error}".removeprefix("AssertionError: ")
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
    programs = folder / "programs"
    programs.mkdir()
    made: list[Subject] = []
    known = kinds()
    for name in options.engines:
        kind = known[name]
        python = found[name]
        path = os.pathsep.join([str(HERE.parent), *map(str, HERE.parents[1].glob("plugins/*/src"))])
        environment = {**card.environment, "PYTHONPATH": path, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        if card.environment and size == "full":
            environment["PRETENDED_CARD_NO_WORK"] = "1"
        program = wrapped(python, programs, environment)
        for model in [it for it in kind.models if it in (options.models or kind.models)]:
            target = place / size / model
            done = target / "written"
            if not done.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                write(kind, model, python=python, folder=target, device=options.device, size=size)
                done.touch()
            made.append(
                subject(
                    kind, model, python=program, folder=target, size=size, pretended=bool(card.environment)
                )
            )
        if len(options.engines) == 1 and len(made) == 1:
            made.append(
                subject(
                    kind,
                    made[0].target + TWIN,
                    python=program,
                    folder=made[0].folder,
                    size=size,
                    pretended=bool(card.environment),
                )
            )
    sizes = {it.target: size_bytes(it.folder) for it in made}
    outcome = Outcome(
        name="checkpoints",
        held=True,
        took_s=time.monotonic() - began,
        limit_s=WRITE_LIMIT_S,
        values={f"{name}_bytes": bytes_ for name, bytes_ in sizes.items()},
    )
    report.add(outcome)
    _say(outcome)
    return made


def _say(outcome: Outcome) -> None:
    seen = outcome.problem or summary(outcome.values)
    print(f"{outcome.mark:8}{outcome.name:12}{outcome.took_s:7.1f} s  {seen}", flush=True)


def _index(device: str) -> int:
    return int(device.partition(":")[2] or 0)


def _engines_dir() -> Path:
    try:
        from speechhub.settings import Settings  # noqa: PLC0415  # an environment may lack what it needs

        return Settings().engines_dir
    except (ImportError, SpeechhubError):
        return Path(os.devnull)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/check_gpu",
        description="Whether everything holds on this GPU. Needs no weights and no network; takes 7 minutes "
        "at most on a fast card. docs/gpu-check.md explains the steps and the report.",
    )
    parser.add_argument("--device", default="cuda:0", help="the card, or cpu for a pretended one")
    parser.add_argument("--tiny", action="store_true", help="tiny models in place of full size")
    parser.add_argument("--engines", default="qwen-asr,indextts", help="which, with commas between")
    parser.add_argument("--models", default="", help="which of their models, with commas between")
    parser.add_argument("--python", action="append", default=[], metavar="ENGINE=PATH", help="its Python")
    parser.add_argument("--only", action="append", choices=tuple(STEPS), help="a step; may be repeated")
    parser.add_argument("--resume", action="store_true", help="leave out steps that held before")
    parser.add_argument("--report", type=Path, default=Path("gpu-report.json"), help="where it goes")
    parser.add_argument("--checkpoints", help="a folder that keeps them for the next run")
    parser.add_argument("--rounds", type=int, help="turns to and fro, cold and with standby")
    parser.add_argument("--calls", type=int, help="calls in the look at leaks")
    parser.add_argument("--drop-cache", action="store_true", help="one more cold turn each, from the disk")
    parser.add_argument("--verbose", action="store_true", help="the hub's log, too")
    options = parser.parse_args(arguments)
    options.engines = tuple(options.engines.split(","))
    options.models = tuple(filter(None, options.models.split(",")))
    if unknown := set(options.engines) - {"qwen-asr", "indextts"}:
        parser.error(f"unknown engine: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
