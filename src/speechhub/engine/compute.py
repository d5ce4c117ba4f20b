"""The devices that an engine's environment can compute on; the hub asks once, before it places models."""

import re
from dataclasses import dataclass
from typing import Final

ARCHITECTURE: Final = re.compile(r"(?P<kind>sm|compute)_(?P<major>\d+)(?P<minor>\d)(?P<only>[af]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """What one engine can compute on, as its own Python environment is now.

    An `EngineSpec` names a function without arguments that returns this; see `EngineSpec.compute`.
    """

    kinds: tuple[str, ...]
    """Kinds of device: ``cuda``, ``cpu``."""
    architectures: tuple[str, ...] = ()
    """The GPUs that it has kernels for, as ``torch.cuda.get_arch_list`` writes them: ``sm_86``,
    ``compute_90``. Empty if it runs on every GPU that the driver supports."""
    problem: str = ""
    """Why it cannot use CUDA, in a sentence; empty where it can."""
    fix: str = ""
    """The command that fixes the problem, or what to do where no command helps."""
    may_pass: bool = False
    """Whether the problem may go away without an installation, as when CUDA finds no GPU because another
    program has exclusive use of it, or after the machine slept; the next start then asks again."""

    def why_not(self, kind: str, capability: str) -> str:
        """Return why a device cannot be used; empty if it can.

        Args:
            kind: ``cuda`` or ``cpu``.
            capability: Compute capability of a GPU, such as ``8.6``; empty if it is not known.
        """
        if kind not in self.kinds:
            return self.problem or f"The engine's environment cannot compute on {kind}."
        if kind != "cuda" or not self.architectures or not capability:
            return ""
        if any(runs_on(architecture, capability) for architecture in self.architectures):
            return ""
        return (
            f"Its libraries have no kernels for a GPU of compute capability {capability}; they have them for "
            f"{', '.join(self.architectures)}."
        )


def runs_on(architecture: str, capability: str) -> bool:
    """Return whether code for *architecture* runs on a GPU of *capability*, such as ``8.6``.

    Machine code (``sm_86``) runs where the major version is the same and the minor is not smaller; with an
    ``a`` on exactly that GPU. PTX (``compute_86``) is compiled for any GPU that is not older.
    Source: CUDA C++ Programming Guide, "Binary Compatibility", "PTX Compatibility", "Architecture-Specific
    Features".
    """
    found = ARCHITECTURE.fullmatch(architecture)
    major, _, minor = capability.partition(".")
    if found is None or not (major.isdigit() and minor.isdigit()):
        return False
    built, here = (int(found["major"]), int(found["minor"])), (int(major), int(minor))
    if found["only"] == "a":
        return built == here
    if found["kind"] == "sm" or found["only"] == "f":
        return built[0] == here[0] and built[1] <= here[1]
    return built <= here
