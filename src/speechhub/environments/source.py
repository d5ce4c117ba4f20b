"""Source of an installation: a name, folder or wheel → a requirement for pip, and the environment's name."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import speechhub
from speechhub.environments.folders import environment_name
from speechhub.errors import ConfigurationError

REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9._,-]+\])?((?:[=<>!~]=?=?[A-Za-z0-9.*+!,<>=~]+)?)"
)
"""A distribution's name, extras, versions. Source: PEP 508, without addresses and markers."""
CHECKOUT_PLUGINS = Path(speechhub.__file__).parents[2] / "plugins"
"""The plugins beside an editable installation of the repository; elsewhere there is no such folder."""
LOCK = CHECKOUT_PLUGINS.with_name("requirements") / "serve.txt"
"""The lock beside them, which holds what builds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A plugin that can be installed."""

    name: str
    """Name of its environment."""
    distribution: str
    """Name of the distribution."""
    requirement: str
    """The argument for pip: ``speechhub-foo==1.2``, or the absolute path of a folder or wheel."""


def find_source(wanted: str, folder: Path | None) -> Source:
    """Return the source that *wanted* names.

    Args:
        wanted: ``foo`` or ``speechhub-foo``, with versions if need be, or the path of a plugin or wheel.
        folder: Where plugins and wheels are looked for by name; by default among those of the repository
            that speechhub runs from, if it does. What is not found there comes from the package index.

    Raises:
        ConfigurationError: There is no such plugin, or *wanted* makes no sense.
    """
    path = Path(wanted).expanduser()
    if path.suffix == ".whl" or "/" in wanted or wanted in (".", ".."):
        return _of_path(path.absolute())
    match = REQUIREMENT.fullmatch(wanted)
    if match is None:
        raise ConfigurationError(f"{wanted!r} is neither the name of an engine nor the path of a plugin.")
    name = environment_name(match[1])
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder}.")
    found = _in_folder(folder or CHECKOUT_PLUGINS, name)
    if found and not match[3]:
        return _of_path(found)
    if folder is not None:
        raise ConfigurationError(f"{folder} has no plugin {name!r}.")
    distribution = f"speechhub-{name}"
    return Source(
        name=name, distribution=distribution, requirement=f"{distribution}{match[2] or ''}{match[3]}"
    )


def build_lock(source: Source) -> Path | None:
    """Return the lock whose hashes hold for what builds *source*; None where its own project decides that.

    Only the repository's own plugins are built by what that lock has.
    """
    own = Path(source.requirement).parent == CHECKOUT_PLUGINS and LOCK.is_file()
    return LOCK if own else None


def _in_folder(folder: Path, name: str) -> Path | None:
    for candidate in (folder / f"speechhub-{name}", folder / name):
        if (candidate / "pyproject.toml").is_file():
            return candidate.absolute()
    wheels = sorted(
        folder.glob(f"speechhub_{name.replace('-', '_')}-*.whl"), key=lambda wheel: wheel.stat().st_mtime
    )
    return wheels[-1].absolute() if wheels else None


def _of_path(path: Path) -> Source:
    if path.suffix == ".whl" and path.is_file():
        distribution = path.name.partition("-")[0].replace("_", "-")
    elif (path / "pyproject.toml").is_file():
        try:
            distribution = str(tomllib.loads((path / "pyproject.toml").read_text("utf-8"))["project"]["name"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"{path / 'pyproject.toml'} has no project name.") from error
    else:
        raise ConfigurationError(f"{path} is neither a wheel nor a folder with a pyproject.toml.")
    return Source(name=environment_name(distribution), distribution=distribution, requirement=str(path))
