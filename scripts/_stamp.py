"""Stamp in .venv that records what is installed there.

Imports next to nothing and keeps away from pathlib (15 ms): each start of scripts/serve passes through here.
"""

import hashlib
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, ".speechhub-installed")
PYTHON_VERSION = "{}.{}.{}".format(*sys.version_info)

CPU_ENGINES = ("speechhub-whisper", "speechhub-piper")
PLUGINS = {"serve": CPU_ENGINES, "test": (*CPU_ENGINES, "speechhub-echo")}
"""Plugins that share the hub's environment, by purpose."""
LOCKS = os.path.join(ROOT, "requirements")
"""The committed lock: every package by version and hash, a file for each purpose; made by scripts/lock.py."""


def is_ready(purpose: str) -> bool:
    """Return whether .venv was made here, by this Python, and holds what *purpose* needs now."""
    stamp = read()
    # The link to a Python that was uninstalled dangles.
    python_is_there = os.path.exists(os.path.join(VENV, "bin", "python"))
    return python_is_there and fits(stamp) and stamp.get(purpose) == fingerprint(purpose)


def fits(stamp: dict[str, str]) -> bool:
    """Return whether the environment of *stamp* works in this folder and with this Python."""
    return stamp.get("root") == ROOT and stamp.get("python") == PYTHON_VERSION


def read() -> dict[str, str]:
    """Return the stamp's lines ``key value``; none if there is no stamp, as during an installation."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            return dict(line.rstrip("\n").split(" ", 1) for line in file)
    except (OSError, ValueError):
        return {}


def write(purpose: str, before: dict[str, str]) -> None:
    """Record that what *purpose* needs is installed, and keep what still holds of the stamp *before*.

    The file appears whole or not at all.
    """
    stamp = {"root": ROOT, "python": PYTHON_VERSION, purpose: fingerprint(purpose)}
    if fits(before):
        stamp |= {other: before[other] for other in PLUGINS if before.get(other) == fingerprint(other)}
    with open(STAMP + ".new", "w", encoding="utf-8") as file:
        file.writelines(f"{key} {value}\n" for key, value in stamp.items())
    os.replace(STAMP + ".new", STAMP)


def fingerprint(purpose: str) -> str:
    """Return a hash of all that decides what is installed for *purpose*."""
    digest = hashlib.sha256(repr(PLUGINS[purpose]).encode())
    projects = [os.path.join(folder, "pyproject.toml") for folder in (ROOT, *plugin_folders(purpose))]
    for path in (lock(purpose), *projects):
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def lock(purpose: str) -> str:
    """Return the path of the lock for *purpose*."""
    return os.path.join(LOCKS, f"{purpose}.txt")


def plugin_folders(purpose: str) -> list[str]:
    """Return the folders of the plugins for *purpose* that this checkout has."""
    folders = [os.path.join(ROOT, "plugins", name) for name in PLUGINS[purpose]]
    return [folder for folder in folders if os.path.exists(os.path.join(folder, "pyproject.toml"))]
