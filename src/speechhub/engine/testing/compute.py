"""What a plugin tells of its environment, against its promises."""

import importlib

from speechhub.engine.compute import ARCHITECTURE, Compute
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.engine.testing.subject import Plan


def compute(plan: Plan) -> None:
    """A function that says what the environment can compute on exists, and says it in a `Compute`."""
    spec = plan.spec
    if not spec.compute:
        return
    name, _, function = spec.compute.partition(":")
    try:
        asked = getattr(importlib.import_module(name), function)
    except (ImportError, AttributeError) as error:
        raise AssertionError(
            f"compute is {spec.compute!r}, which cannot be imported: {error}. Name a function of the plugin."
        ) from error
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
