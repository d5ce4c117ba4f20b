"""The command line: ``scripts/check_gpu --help``."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gpu_check.steps import STEPS
from gpu_check.subjects import kinds

LEAST: Final = {"rounds": 1, "calls": 2}
"""Smallest numbers that tell anything."""


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what is wrong with it ends the program."""
    parser = parser_of_options()
    found = parser.parse_args(arguments)
    known = kinds()
    found.engines = tuple(found.engines.split(","))
    if unknown := set(found.engines) - set(known):
        parser.error(f"unknown engine: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    models = [model for name in found.engines for model in known[name].models]
    found.models = tuple(filter(None, found.models.split(",")))
    if unknown := set(found.models) - set(models):
        parser.error(f"unknown model: {', '.join(sorted(unknown))}; there are {', '.join(models)}")
    found.models = tuple(model for model in models if model in (found.models or models))
    found.engines = tuple(name for name in found.engines if set(known[name].models) & set(found.models))
    if not re.fullmatch(r"cpu|cuda(:\d+)?", found.device):
        parser.error(f"no device is called {found.device!r}; cuda:0 is the first card, cpu a pretended one")
    if found.device == "cuda":
        found.device = "cuda:0"
    named = [it.partition("=") for it in found.python]
    if wrong := [name for name, _, path in named if name not in known or not path]:
        parser.error(f"--python takes ENGINE=PATH, and the engines are {', '.join(known)}: {wrong[0]!r}")
    # Not resolved: an environment's Python is a link, by which it knows itself.
    found.python = {name: Path(path).absolute() for name, _, path in named}
    for name in ("rounds", "calls"):
        if (number := getattr(found, name)) is not None and number < LEAST[name]:
            parser.error(f"--{name} is {LEAST[name]} or more")
    folder = found.report.absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        parser.error(f"the report cannot be written into {folder}: --report names another file")
    return found


def parser_of_options() -> argparse.ArgumentParser:
    """Return what knows all options."""
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
    return parser
