"""The work of ``speechhub setup`` and of ``speechhub serve --gpu``: plan, print, ask, install, fetch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from speechhub.cli._weights import Shelf
    from speechhub.services.machine import Machine
    from speechhub.services.setup import SetupPlan
    from speechhub.settings import Reading, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers given on the command line, so that the command does not ask."""

    yes: bool = False
    accept_license: bool = False
    engines: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    folder: Path | None = None
    on_cpu: bool = False


def set_up(reading: "Reading", answers: Answers) -> "SetupPlan | None":
    """Plan, print the plan, ask, and carry it out; return the plan, or None if only a plan was shown.

    Without a GPU, and unless the CPU was asked for, only a plan for a machine with a GPU is shown.

    Raises:
        ConfigurationError: The driver is too old for the GPU, or there is no such engine.
        RequestError: An answer is needed, and there is no terminal to ask at.
        click.Abort: The answer was not yes.
    """
    from speechhub.cli._setup_text import plan_text
    from speechhub.cli._typed import as_typed
    from speechhub.errors import ConfigurationError
    from speechhub.services.machine import as_with_a_gpu
    from speechhub.services.setup import make_plan

    machine, shelf = look_here(reading.settings), _shelf(reading)
    blind = machine.card is None and not answers.on_cpu
    if blind and machine.driver is not None:
        raise ConfigurationError(
            f"NVIDIA's driver {machine.driver.version} is installed, but it reports no GPU: "
            f"{machine.problem} If it was upgraded, restart the machine; nvidia-smi must show the GPU."
        )
    plan = make_plan(
        as_with_a_gpu(machine) if blind else machine,
        store=shelf.store,
        licences=shelf.licences,
        only=answers.engines,
        parts=answers.parts,
        on_cpu=answers.on_cpu,
    )
    _check_parts(plan, answers.parts)
    if blind:
        click.echo(
            f"Nothing is installed, because no NVIDIA GPU was found here: {machine.problem}\n"
            "On a machine with the smallest GPU that everything fits on, this would be installed:\n"
        )
    click.echo(as_typed(plan_text(plan, machine)))
    if blind:
        click.echo(as_typed("\nTo install for the CPU, where these models are slow: speechhub setup --cpu"))
        return None
    if not plan.engines:
        raise ConfigurationError(
            "No known model fits into this memory; nothing is installed. The engines that come with "
            "speechhub need no GPU: start the server without --gpu, and they serve from the CPU."
        )
    if not plan.todo:
        click.echo("\nEverything is already in place.")
        return plan
    if fault := plan.disk_fault(machine.free_bytes):
        raise ConfigurationError(fault)
    click.echo()
    _agree(plan, shelf, answers)
    carry_out(plan, reading.settings, shelf, answers, _say)
    return plan


def look_here(settings: "Settings") -> "Machine":
    """Inspect this machine's GPUs, driver and memory; blocks."""
    from speechhub.environments.driver import read_driver
    from speechhub.gpu.find import find_gpus
    from speechhub.lifecycle.host_memory import available_bytes
    from speechhub.log import configure_logging
    from speechhub.services.machine import look

    configure_logging("critical", settings.log_format)  # the plan reports problems
    monitor, _ = find_gpus()
    try:
        return look(settings, monitor=monitor, driver=read_driver(), host_memory_bytes=available_bytes())
    finally:
        monitor.close()


def _shelf(reading: "Reading") -> "Shelf":
    from speechhub.cli._weights import Shelf
    from speechhub.store import Licences, open_store

    settings = reading.settings
    return Shelf(
        store=open_store(settings, hub_named=reading.hub_named),
        licences=Licences(settings.licences_file, accepted=settings.accept_licenses),
    )


def _check_parts(plan: "SetupPlan", parts: Sequence[str]) -> None:
    from speechhub.errors import ConfigurationError

    known = sorted({part.name for step in plan.weights for part in step.model.parts if part.optional})
    for name in parts:
        if name not in known:
            raise ConfigurationError(
                f"None of these models has an optional part {name!r}; "
                f"there are: {', '.join(known) or 'none'}."
            )


def _agree(plan: "SetupPlan", shelf: "Shelf", answers: Answers) -> None:
    """Ask the operator to accept licences and to confirm; options on the command line count as answers."""
    from speechhub.cli._terminal import attended
    from speechhub.cli._weights import Weights
    from speechhub.cli.pull import asked_to_accept
    from speechhub.errors import RequestError

    missing = []
    if not answers.yes:
        missing.append("--yes to go on without being asked")
    if plan.to_accept and not answers.accept_license:
        told = ", ".join(f"{model.licence} for {model.id}: {model.licence_url}" for model in plan.to_accept)
        missing.append(f"--accept-license once you have read the licence ({told})")
    if missing and not attended():
        raise RequestError(
            f"There is no terminal to ask at, so nothing was installed. Add {' and '.join(missing)}. "
            "--engine installs only one engine."
        )
    accepted = [
        model for model in plan.to_accept if answers.accept_license or asked_to_accept(Weights(model=model))
    ]
    if not answers.yes:
        click.confirm("Install and fetch all this?", default=True, abort=True, err=True)
    shelf.licences.accept(accepted)


def carry_out(
    plan: "SetupPlan", settings: "Settings", shelf: "Shelf", answers: Answers, say: Callable[[str], None]
) -> None:
    """Install the engines and fetch the models that are missing."""
    from speechhub.cli._weights import Weights
    from speechhub.cli.pull import fetch
    from speechhub.environments.find import discover_all
    from speechhub.environments.install import Wishes, install_engine
    from speechhub.environments.signals import ended_by_signals
    from speechhub.environments.source import find_source
    from speechhub.mirrors import MIRRORS

    with ended_by_signals():
        for step in plan.engines:
            if step.todo:
                install_engine(
                    find_source(step.engine.name, answers.folder),
                    settings.engines_dir,
                    mirror=MIRRORS[settings.mirror],
                    wishes=Wishes(build=step.build, offline=settings.offline),
                    say=say,
                )
                click.echo(f"engine {step.engine.name}: installed")
        # The plugin that was just installed has the most accurate list of its models.
        told = {
            model.id: (model, tuple(engine.search_path))
            for engine in discover_all(settings.engines_dir).engines
            for model in engine.spec.models
        }
        for wanted in plan.weights:
            if wanted.todo:
                model, search_path = told.get(wanted.model.id, (wanted.model, ()))
                folder = fetch(shelf, Weights(model=model, search_path=search_path), wanted.parts)
                click.echo(f"model {model.id}: {folder}")


def _say(text: str) -> None:
    click.echo(f"speechhub: {text}", err=True)
