"""Making an engine's environment: aside, from beginning to proof; the last step makes it the real one."""

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechhub import __version__
from speechhub.environments.builds import choose_build, fault_of, release_of
from speechhub.environments.driver import read_driver
from speechhub.environments.folders import EnvironmentHome, home_of
from speechhub.environments.packages import Installer, InstallError
from speechhub.environments.pins import (
    PackagePin,
    PackagePins,
    frozen,
    installed,
    needs_torch,
    parse_pins,
    pins_of,
)
from speechhub.environments.prebuild import prebuild
from speechhub.environments.read import DescriptionError, describe
from speechhub.environments.record import FREEZE_NAME, Description, Record, state_of, write_record
from speechhub.environments.source import Source, build_lock
from speechhub.mirrors import Mirror
from speechhub.store.folder import size_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Choices of the operator who installs an engine."""

    build: str = "auto"
    """Build of PyTorch: ``cpu``, ``cu126`` …; ``auto`` goes by the GPUs and their driver."""
    torch: str = ""
    """Version of PyTorch, for plugins that carry no pins; it wins over theirs."""
    pins: Path | None = None
    """File with the exact set to install, such as another environment's freeze.txt; it wins over theirs."""
    offline: bool = False
    """Whether to use no package index."""
    editable: bool = False
    """Whether the plugin is imported from its folder, so that what its author changes there counts."""


def install_engine(
    source: Source, engines_dir: Path, *, mirror: Mirror, wishes: Wishes, say: Callable[[str], None]
) -> Record:
    """Install *source* into an environment of its own; replaces the one that is there only when all is done.

    The former environment stays on disk until the next installation, for a server that runs from it.
    What the engine builds once is built last: by then all is done, whatever becomes of that.

    Raises:
        InstallError: It did not work; nothing has changed.
        ConfigurationError: The plugin's pins, or the wishes, make no sense.
    """
    home = home_of(engines_dir, source.name)
    with home.lock(lambda: say(f"another installation of {source.name} is running; waiting for it")) as lock:
        home.path.mkdir(parents=True, exist_ok=True)
        home.clear_unused()
        folder = home.new_folder()
        try:
            record = _make(source, home, folder, lock, mirror=mirror, wishes=wishes, say=say)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            if not any(home.path.iterdir()):
                home.path.rmdir()
            raise
        write_record(home.path, record)
        prebuild(home, record, say)
    return record


def _make(
    source: Source,
    home: EnvironmentHome,
    folder: Path,
    lock: int,
    *,
    mirror: Mirror,
    wishes: Wishes,
    say: Callable[[str], None],
) -> Record:
    say(f"making {folder}")
    venv.EnvBuilder(symlinks=True, with_pip=False, prompt=f"speechhub {home.name}").create(folder)
    python = folder / "bin" / "python"
    installer = Installer(
        python=python,
        mirror=mirror,
        offline=wishes.offline,
        lock=lock,
        build_lock=build_lock(source),
        say=say,
    )
    say(f"installing {source.requirement}")
    installer.install("--no-deps", source.requirement, alone=True)
    search_path = _search_path(python)
    build = _fill(installer, source, folder, search_path, wishes, say)
    if wishes.editable:
        say(f"linking the environment to {source.requirement}")
        # Not at once: only a copy lists the plugin's files, and its pins among them.
        installer.install("--no-deps", "--editable", source.requirement, alone=True)
    say("proving that the engine's code can be imported")
    description = _proved(python, source)
    (folder / FREEZE_NAME).write_text(frozen(search_path), "utf-8")
    return Record(
        name=home.name,
        folder=folder.name,
        requirement=source.requirement,
        editable=wishes.editable,
        build=build,
        state=state_of(description.folders, __version__),
        description=description,
    )


def _fill(
    installer: Installer,
    source: Source,
    folder: Path,
    search_path: tuple[Path, ...],
    wishes: Wishes,
    say: Callable[[str], None],
) -> str:
    """Install what the plugin needs; return the build of PyTorch, or nothing if it needs none."""
    plugin = installed(source.distribution, search_path)
    if plugin is None:
        raise InstallError(f"{source.requirement} did not install the distribution {source.distribution}.")
    pins = pins_of(plugin)
    if wishes.pins is not None:
        given = parse_pins(wishes.pins.read_text("utf-8"), str(wishes.pins))
        others = (pin for pin in given.others if not pin.requirement.startswith(f"{source.distribution}=="))
        pins = PackagePins(torch=given.torch, others=tuple(others))
    torch = (f"torch=={wishes.torch}",) if wishes.torch else pins.torch if pins else ()
    if not torch and needs_torch(plugin):
        raise InstallError(
            f"{source.distribution} needs PyTorch but does not say which version. Name one: --torch 2.13.0"
        )
    chosen = folder / "constraints.txt"
    chosen.write_text("".join(f"{pin.requirement}\n" for pin in pins.others) if pins else "", "utf-8")
    build = ""
    if torch:
        build = _build(torch[0].partition("==")[2], wishes, say)
        say(f"installing {', '.join(torch)}, build {build}")
        installer.install_torch(torch, build, chosen)
    if pins is None:
        say("installing what it needs; the plugin carries no pins, so the index decides what that is")
        # Without a version that was chosen, none may come along: it would be gigabytes of CUDA.
        lines = [f"{pin}+{build}" for pin in torch] or ["torch<0"]
        chosen.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        installer.install(source.requirement, "-c", str(chosen))
    elif pins.others:
        say(f"installing {len(pins.others)} packages, as the plugin pins them")
        chosen.write_text("".join(f"{pin.line}\n" for pin in pins.others), "utf-8")
        installer.install("--no-deps", *_hashed(pins.others, say), "-r", str(chosen))
    return build


def _build(torch: str, wishes: Wishes, say: Callable[[str], None]) -> str:
    """Return the build to install, and tell people why it is that one, or what speaks against theirs."""
    driver, release = read_driver(), release_of(torch)
    if wishes.build != "auto":
        if fault := fault_of(wishes.build, driver, release):
            say(f"as you asked, build {wishes.build}, but {fault}")
        return wishes.build
    choice = choose_build(driver, release)
    say(f"build {choice.build} of PyTorch, because {choice.reason}")
    if choice.warning:
        say(f"note: {choice.warning}")
    return choice.build


def _hashed(pins: Sequence[PackagePin], say: Callable[[str], None]) -> list[str]:
    """Return the option that has each file compared with a hash; nothing where the set has none.

    Raises:
        InstallError: Some have hashes and some have none: what those are for would be lost.
    """
    bare = [pin.requirement for pin in pins if not pin.hashes]
    if not bare:
        return ["--require-hashes"]
    if len(bare) < len(pins):
        raise InstallError(
            f"Of {len(pins)} pins these have no hash, and the others have: {', '.join(bare)}. Add theirs, as "
            "'uv pip compile --generate-hashes' writes them, or leave out all."
        )
    say("these pins have no hashes: whatever file the index has of a version is taken")
    return []


def _search_path(python: Path) -> tuple[Path, ...]:
    program = "import sysconfig as s; print(s.get_path('purelib')); print(s.get_path('platlib'))"
    told = subprocess.run([str(python), "-I", "-c", program], capture_output=True, text=True, check=False)
    if told.returncode != 0:
        raise InstallError(
            f"{python} does not start: {told.stderr.strip()}. speechhub runs on {sys.executable}."
        )
    return tuple(dict.fromkeys(map(Path, told.stdout.splitlines())))


def _proved(python: Path, source: Source) -> Description:
    try:
        description = describe(python, factories=True)
    except DescriptionError as error:
        raise InstallError(f"{source.distribution} was installed, but {error}.") from error
    if description.broken:
        fault = description.broken[0]
        raise InstallError(f"{fault.distribution} was installed, but does not work: {fault.error}.")
    if not description.engines:
        raise InstallError(
            f"{source.distribution} was installed, but it registers no engine, so it is not a plugin."
        )
    return description


def remove_engine(home: EnvironmentHome, say: Callable[[str], None]) -> int:
    """Delete an environment and all that lies beside it; return the bytes freed.

    The record goes first: from then on nothing finds the environment, however far the deletion comes.
    """
    with home.lock(lambda: say(f"an installation of {home.name} is running; waiting for it")):
        freed_bytes = size_of(home.path)
        (home.path / "environment.json").unlink(missing_ok=True)
        shutil.rmtree(home.path)
    return freed_bytes


def clean_home(home: EnvironmentHome, say: Callable[[str], None]) -> None:
    """Delete the environments that the record does not name."""
    with home.lock(lambda: say(f"an installation of {home.name} is running; waiting for it")):
        home.clear_unused()
