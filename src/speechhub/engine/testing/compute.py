"""Checks of the functions that a spec names beside the engine: `compute` and `prebuild`."""

import importlib
from typing import Any

from speechhub.engine.compute import ARCHITECTURE, Compute
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.engine.testing.subject import LoadPlan


def compute(plan: LoadPlan) -> None:
    """The function that `compute` names exists, and returns a consistent `Compute`."""
    spec = plan.spec
    if not spec.compute:
        return
    asked = _named("compute", spec.compute)
    answer = promise_type(asked(), Compute, f"{spec.compute} must return a speechhub.engine.Compute.")
    for kind in answer.kinds:
        promise(kind in spec.devices, f"{spec.compute} names {kind!r}, which `devices` of the spec lacks.")
    missing = [kind for kind in spec.devices if kind not in answer.kinds]
    promise(
        not missing or bool(answer.problem and answer.fix),
        f"{spec.compute} leaves out {', '.join(missing)}: say why in `problem`, and in `fix` what to do.",
    )
    for architecture in answer.architectures:
        promise(
            ARCHITECTURE.fullmatch(architecture) is not None,
            f"{spec.compute} names the architecture {architecture!r}; write it as sm_86 or compute_90.",
        )


def prebuild(plan: LoadPlan) -> None:
    """The function that `prebuild` names exists; it is not called, because it may take minutes."""
    if plan.spec.prebuild:
        named = _named("prebuild", plan.spec.prebuild)
        promise(callable(named), f"prebuild is {plan.spec.prebuild!r}, which is not a function.")


def _named(field: str, function: str) -> Any:
    """Return what a field of the spec names.

    Raises:
        AssertionError: It cannot be imported.
    """
    name, _, attribute = function.partition(":")
    try:
        return getattr(importlib.import_module(name), attribute)
    except (ImportError, AttributeError) as error:
        raise AssertionError(
            f"{field} is {function!r}, which cannot be imported: {error}. Name a function of the plugin."
        ) from error
