"""``speechhub doctor``."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from speechhub.environments.known import KnownEngine
    from speechhub.hub import Hub

OK, WARN, FAIL = "ok", "warn", "FAIL"
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
"""Files by which docker and podman mark a container."""
Finding = tuple[str, str, str]
"""Verdict, what was checked, what was found and what to do."""


@click.command(short_help="Look for problems, and say what to do about them.")
@click.option("--mirrors", is_flag=True, help="Check and compare the sources of packages and models instead.")
@click.option(
    "--fix",
    is_flag=True,
    help="Move damaged files below 'home' aside; make files readable by their owner.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(mirrors: bool, fix: bool, as_json: bool) -> None:
    """Look for problems, and say what to do about them; exit status 1 if something must be fixed.

    It checks the settings, the disk, the files below 'home', the GPUs, the engines and the default models. It
    asks the port for Home Assistant, if one is set, what it offers. It changes, downloads and starts nothing.

    With --fix, damaged files below 'home' are renamed, so that new ones can take their place, and files that
    their owner cannot read become readable again. Nothing is deleted.

    With --mirrors, it connects to the package indexes, PyTorch's wheels and model hubs that the setting
    'mirror' and pip's configuration name, in the order in which they are tried.

    \b
    speechhub doctor
    speechhub doctor --mirrors
    speechhub doctor --fix
    speechhub doctor --json
    SPEECHHUB_HOME=/srv/speechhub speechhub doctor
    """  # noqa: D301
    import json

    from speechhub.cli._typed import as_typed

    colours = {OK: "green", WARN: "yellow", FAIL: "red"}
    found = []
    for verdict, subject, finding in _places() if mirrors else _findings(fix=fix):
        found.append({"verdict": verdict.lower(), "subject": subject, "finding": finding})
        if not as_json:
            mark = click.style(f"{verdict:>4}", fg=colours[verdict])
            click.echo(f"{mark}  {subject}: {as_typed(finding)}")
    failed = any(finding["verdict"] == FAIL.lower() for finding in found)
    if as_json:
        click.echo(json.dumps({"ok": not failed, "findings": found}, indent=2, ensure_ascii=False))
    sys.exit(1 if failed else 0)


def _findings(*, fix: bool) -> Iterator[Finding]:
    import platform

    from speechhub import __version__
    from speechhub.cli._here import open_hub
    from speechhub.cli._settings import read_own
    from speechhub.errors import SpeechhubError
    from speechhub.placement import notes

    yield OK, "speechhub", f"{__version__} on Python {platform.python_version()}, {platform.platform()}"
    try:
        reading = read_own(hint=False)
        hub = open_hub(hint=False)
    except SpeechhubError as error:
        yield FAIL, "settings", error.message
        return
    files = ", ".join(str(file.path) for file in reading.files)
    yield OK, "settings", f"home is {hub.settings.home}{f'; read from {files}' if files else ''}"
    remarks = [file.remark for file in reading.files if file.remark]
    for text in [*(file.text for file in reading.ignored), *remarks]:
        yield WARN, "settings", text
    yield _disk(hub)
    yield from _damages(hub, fix=fix)
    yield _gpus(hub)
    yield from _gpu_engines(hub)
    for engine, note in notes(hub.manager.placements.values()):
        yield FAIL, f"engine {engine}", note
    for plugin in hub.broken_plugins:
        yield FAIL, f"plugin {plugin.distribution}", f"{plugin.error}. Repair it, or pip uninstall it."
    for found in hub.findings:
        yield (FAIL if found.breaks else WARN), found.subject, found.text
    if hub.settings.wyoming_port:
        yield _wyoming(hub)
    yield from _defaults(hub)
    yield from _pins(hub)
    for listing in hub.catalog.listings():
        model = listing.placement.model
        if not listing.alias_of and model.must_accept_licence:
            refusal = hub.licences.refusal(model)
            accepted = f"{model.licence}, accepted"
            yield (
                (WARN if refusal else OK),
                f"licence of {model.id}",
                refusal.message if refusal else accepted,
            )


def _gpus(hub: "Hub") -> Finding:
    """Name the GPUs that the driver reports; without any, report hints that there is one."""
    import os

    from speechhub.gpu.monitor import NoGpus
    from speechhub.gpu.visible import VARIABLE

    if gpus := hub.monitor.devices():
        chosen = VARIABLE in os.environ or any(gpu.index != gpu.driver_index for gpu in gpus)
        shown = (
            f"{gpu.cuda_name} is {gpu.name}"
            + (f" (number {gpu.driver_index} in nvidia-smi, {gpu.uuid})" if chosen else "")
            for gpu in gpus
        )
        found = f"{', '.join(shown)}; driver {gpus[0].driver}"
        lost = hub.monitor.problem  # of another card
        return (WARN, "GPUs", f"{found}. {lost}") if lost else (OK, "GPUs", found)
    hint = hub.monitor.hint if isinstance(hub.monitor, NoGpus) else None
    problem = hub.monitor.problem or NoGpus.NONE
    if hint is not None:
        return (FAIL if hint.broken else WARN), "GPUs", problem
    return OK, "GPUs", f"none; engines run on the CPU{'' if problem == NoGpus.NONE else f'. {problem}'}"


def _gpu_engines(hub: "Hub") -> Iterator[Finding]:
    """Say how to use a GPU if none of the engines that need one most is installed."""
    import os
    from pathlib import Path

    from speechhub.environments.known import KnownEngine, known_engines

    if not hub.monitor.devices() or hub.settings.device == "cpu":
        return
    best: dict[str, KnownEngine] = {}
    for engine in known_engines():
        if engine.devices[0] == "cuda":
            best[engine.slot] = max(best.get(engine.slot, engine), engine, key=_preference)
    if not best or any(engine.engine in hub.installed for engine in best.values()):
        return
    names = ", ".join(engine.name for engine in best.values())
    boxed = any(Path(mark).exists() for mark in CONTAINER_MARKS) or "KUBERNETES_SERVICE_HOST" in os.environ
    if boxed and not os.access(_there(hub.settings.engines_dir), os.W_OK):
        how = f"build the image with --build-arg ENGINES='{names.replace(',', '')}'"
    else:
        how = "speechhub setup shows what they cost, asks, and installs them"
    yield WARN, "GPU engines", f"those that use a GPU best are not installed: {names}; {how}"


def _preference(engine: "KnownEngine") -> int:
    return max((model.preference for model in engine.models), default=0)


def _pins(hub: "Hub") -> Iterator[Finding]:
    """Say for each model on disk, and each default, whether the next pull would fetch the same files."""
    from speechhub.store import ModelState

    defaults = set(hub.catalog.defaults.values())
    for place in (listing.placement for listing in hub.catalog.listings() if not listing.alias_of):
        status = hub.store.status(place.model, local=place.path, search_path=place.engine.search_path)
        subject = f"source of {place.model.id}"
        for fault in status.pin_faults:
            yield FAIL, subject, f"{fault}."
        if status.state is not ModelState.READY and place.model.id not in defaults:
            continue
        if status.moving:
            advice = f"to keep the files that you tested: speechhub models pull {place.model.id} --pin"
            yield WARN, subject, f"{', '.join(status.moving)} can change, and the next pull with it; {advice}"
        elif status.pinned:
            yield OK, subject, f"pinned to {', '.join(status.pinned)}"


def _places() -> Iterator[Finding]:
    """Ask each source, and say for each kind whether any source serves it."""
    import os

    from speechhub.cli._settings import own_settings
    from speechhub.environments.builds import choose_build
    from speechhub.environments.driver import read_driver
    from speechhub.environments.probe import places, probe
    from speechhub.errors import SpeechhubError
    from speechhub.log import configure_logging
    from speechhub.mirrors import MIRRORS

    try:
        settings = own_settings()
    except SpeechhubError as error:
        yield FAIL, "settings", error.message
        return
    configure_logging("critical", settings.log_format)  # the findings report problems
    try:
        choice = choose_build(read_driver())
    except SpeechhubError as error:
        yield FAIL, "build of PyTorch", error.message
        return
    yield OK, "settings", f"mirror is {settings.mirror}"
    yield OK, "build of PyTorch", f"{choice.build}, because {choice.reason}"
    if choice.warning:
        yield WARN, "build of PyTorch", choice.warning
    served: dict[str, str] = {}
    for place in places(
        MIRRORS[settings.mirror],
        hf_endpoint=settings.hf_endpoint,
        modelscope=settings.modelscope,
        build=choice.build,
        environ=os.environ,
    ):
        served.setdefault(place.kind, "")
        answer = probe(place)
        took = "" if answer.latency_s is None else f", {answer.latency_s * 1000:.0f} ms"
        yield (OK if answer.works else WARN), place.kind, f"{place.shown} {answer.finding}{took}"
        if answer.works:
            served[place.kind] = served[place.kind] or place.shown
    for kind, url in served.items():
        if not url:
            yield FAIL, kind, "no source serves them; check the network, or choose another SPEECHHUB_MIRROR"
        elif kind == "torch":
            yield OK, kind, f"would come from {url}"


def _there(folder: "Path") -> "Path":
    """Return *folder*, or its nearest parent that exists."""
    import os

    return next(one for one in (folder, *folder.parents) if os.path.lexists(one))


def _disk(hub: "Hub") -> Finding:
    import os
    import shutil

    from speechhub.cli._tables import readable

    home = hub.settings.home
    parent = _there(home)
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        return FAIL, "disk", f"cannot write to {parent}: set SPEECHHUB_HOME to a folder of your own"
    free_bytes = shutil.disk_usage(parent).free
    return (OK if free_bytes > 1e9 else WARN), "disk", f"{readable(free_bytes)} free at {parent}"


def _damages(hub: "Hub", *, fix: bool) -> Iterator[Finding]:
    """Check everything below home; with *fix*, make the repairs that are safe."""
    from speechhub.home import repair

    for damage in hub.survey():
        subject = "home"
        done = repair(damage) if fix else ""
        if done:
            yield OK, subject, f"{damage.path} {damage.problem}; {damage.aside or damage.path} {done}"
        else:
            yield FAIL, subject, damage.text


def _wyoming(hub: "Hub") -> Finding:
    """Say whether the port for Home Assistant is free, or answers as it should."""
    from speechhub.cli._wyoming import look

    well, found = look(hub.settings)
    return (OK if well else FAIL), "port for Home Assistant", found


def _defaults(hub: "Hub") -> Iterator[Finding]:
    """Check the model that each slot uses when a request names none, or one of OpenAI's."""
    from speechhub.engine import Slot
    from speechhub.services.inspection import INSTALL_ENGINES
    from speechhub.store import ModelState

    meaning = {
        ModelState.READY: (OK, "files are in place"),
        ModelState.WHEEL: (OK, "files are installed; the first use puts them in place"),
        ModelState.HUB: (WARN, "files are not here yet; the first use downloads them"),
        ModelState.MISSING: (FAIL, "files are missing"),
    }
    for slot in Slot:
        model = hub.catalog.defaults[slot]
        if model is None:
            if not hub.catalog.listings():  # already reported: no engine is installed
                continue
            yield WARN, slot.value, f"there is no default model. Install engines: {INSTALL_ENGINES}"
            continue
        placement = hub.catalog.model(model, slot)
        status = hub.store.status(
            placement.model, local=placement.path, search_path=placement.engine.search_path
        )
        if refusal := hub.licences.refusal(placement.model):
            yield FAIL, f"{slot.value} model {model}", refusal.message
            continue
        if status.state is ModelState.MISSING and model in hub.settings.models:
            continue  # a finding about the settings says so
        verdict, finding = meaning[status.state]
        engine = f"engine {placement.engine.distribution} on {placement.device.name}"
        advice = "" if verdict == OK else f". {status.detail}"
        yield verdict, f"{slot.value} model {model}", f"{finding}; {engine}{advice}"
