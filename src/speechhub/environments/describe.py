"""A program that an engine environment's Python runs: it says, as JSON, which engines are installed there.

Run by its path, with the folder of the hub's own `speechhub` package as first argument and, to have the
engines' code imported too, ``--factories`` as second. With ``--compute package.module:function`` it calls
that function instead, and says what it returns: what an engine can compute on here. With ``--prebuild
package.module:function FOLDER`` it has that function build into a folder, and says nothing.

Nothing else of the hub becomes importable, and the environment needs no speechhub of its own. What plugins
print goes to standard error.

Standard library and numpy only.
"""

import contextlib
import ctypes
import dataclasses
import importlib
import importlib.util
import json
import os
import platform
import signal
import site
import sys
import sysconfig
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
"""Source: linux/prctl.h."""


def preload(folder: Path) -> None:
    """Import the package `speechhub` from *folder*, whatever is on the path."""
    spec = importlib.util.spec_from_file_location(
        "speechhub", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        sys.exit(f"{folder} is not the speechhub package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["speechhub"] = package
    spec.loader.exec_module(package)


def describe(*, factories: bool) -> dict[str, Any]:
    """Return a `record.Description` as plain values."""
    from speechhub.discovery import discover  # noqa: PLC0415  # after preload

    found = discover()
    broken = [dataclasses.asdict(plugin) for plugin in found.broken]
    engines = []
    for engine in found.engines:
        fault = _fault(engine.spec.factory) if factories else ""
        if fault:
            broken.append(
                {"entry_point": engine.spec.factory, "distribution": engine.distribution, "error": fault}
            )
        engines.append({"distribution": engine.distribution, "spec": dataclasses.asdict(engine.spec)})
    folders = dict.fromkeys([*site.getsitepackages(), *map(sysconfig.get_path, ("purelib", "platlib"))])
    return {
        "python": platform.python_version(),
        "search_path": [str(folder) for folder in folders],
        "engines": engines,
        "broken": broken,
    }


def call(function: str, *arguments: object) -> Any:
    """Return what *function*, ``package.module:name``, returns."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(*arguments)


def end_with_parent() -> None:
    """Have the kernel end this process with the installation that waits for it, however that ends."""
    with contextlib.suppress(AttributeError):  # other systems than Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _fault(factory: str) -> str:
    """Import what *factory* names, as a worker would; return what is wrong, or nothing."""
    from speechhub.errors.origin import import_fault  # noqa: PLC0415  # after preload

    module, _, name = factory.partition(":")
    try:
        getattr(importlib.import_module(module), name)
    except Exception as error:  # noqa: BLE001  # whatever a plugin's libraries raise is the finding
        return import_fault(error, module)
    return ""


def main(arguments: list[str]) -> None:
    """Describe this environment on standard output."""
    asked = "--compute" in arguments
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # stray prints of a plugin must not get into the answer
        preload(Path(arguments[0]))
        match arguments[1:]:
            case ["--compute", function]:
                said = dataclasses.asdict(call(function))
            case ["--prebuild", function, folder]:
                end_with_parent()
                call(function, Path(folder))
                return
            case options:
                said = describe(factories="--factories" in options)
        json.dump(said, answer, default=_plain)
    if asked:  # libraries of CUDA's hang and crash in their exit handlers
        sys.stdout.flush()
        os._exit(0)


def _plain(value: object) -> Any:
    """Write what JSON lacks: sets and paths."""
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])
