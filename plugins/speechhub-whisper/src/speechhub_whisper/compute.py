"""The libraries that CTranslate2 needs on a GPU: finding them, and recognising errors about them.

Its wheels bring their CUDA code and open NVIDIA's cuBLAS at run time; 4.8.5 needs no cuDNN. A library that
comes as a wheel does not lie on the loader's path, so it is opened here first: then CTranslate2 finds it by
its name, without LD_LIBRARY_PATH. Source: dlopen(3), and the names in libctranslate2.so of 4.8.5.
"""

import contextlib
import ctypes
import importlib.util
import re
import shlex
import sys
from pathlib import Path
from typing import Final, NamedTuple

from speechhub.engine import Compute, EngineDeviceError

CUBLAS: Final = "libcublas.so.12"
CUBLAS_WHEEL: Final = "nvidia-cublas-cu12>=12.1,<13"
"""The wheel that contains `CUBLAS`; the extra ``cuda`` in pyproject.toml installs it, too."""
_DRIVER: Final = (
    "install NVIDIA driver 525.60.13 or newer; a container needs NVIDIA_DRIVER_CAPABILITIES=compute,utility."
)
"""Source: NVIDIA, CUDA Compatibility, "Minor Version Compatibility", CUDA 12.x."""


class Fault(NamedTuple):
    """An error of CTranslate2 or CUDA about an environment, a driver or a GPU that do not fit together."""

    said: re.Pattern[str]
    cause: str
    """What it means; ``{0}`` is the first group of `said`."""
    wheel: str = ""
    """Package that fixes it."""
    fix: str = ""
    """What to do where no package fixes it."""


FAULTS: Final = (
    Fault(
        re.compile(r"(libcudnn\S*?)(?::| is not found| cannot)", re.IGNORECASE),
        "This CTranslate2 needs cuDNN, and {0} is not installed.",
        wheel="nvidia-cudnn-cu12>=9,<10",
    ),
    Fault(
        re.compile(r"(libcublas\S*?)(?::| is not found| cannot)", re.IGNORECASE),
        "NVIDIA's library {0} is not installed.",
        wheel=CUBLAS_WHEEL,
    ),
    Fault(
        re.compile(r"CUDA driver version is insufficient"),
        "The NVIDIA driver is missing, or too old for CUDA 12.",
        fix=_DRIVER,
    ),
    Fault(
        re.compile(r"no CUDA-capable device|CUDA driver initialization|libcuda\.so\S* "),
        "CUDA finds no GPU that it can use.",
        fix=_DRIVER,
    ),
    Fault(
        re.compile(r"no kernel image is available|unsupported toolchain"),
        "This CTranslate2 has no code for this GPU.",
        wheel="ctranslate2>=4.8.5,<5",
    ),
)
NOT_SUPPORTED: Final = re.compile(r"CUBLAS_STATUS_NOT_SUPPORTED")
"""CTranslate2's error where the GPU lacks a compute type, as some versions do for int8 on RTX 50."""


def compute() -> Compute:
    """Say what this environment can compute on; see `EngineSpec.compute`."""
    import ctranslate2  # noqa: PLC0415  # this module must import without it

    if not open_cublas():
        return _cannot(f"NVIDIA's library {CUBLAS} is not installed.", install(CUBLAS_WHEEL))
    try:
        if not ctranslate2.get_cuda_device_count():
            return _cannot("CTranslate2 finds no GPU that it can use.", _DRIVER, may_pass=True)
        ctranslate2.get_supported_compute_types("cuda")
    except Exception as error:  # noqa: BLE001  # its native parts raise all kinds
        cause, fix = explain(error) or (f"CTranslate2 cannot use the GPU: {error}.", _DRIVER)
        return _cannot(cause, fix, may_pass=True)
    return Compute(kinds=("cuda", "cpu"))


def open_cublas() -> bool:
    """Open cuBLAS for CTranslate2, from its wheel if that is installed; return whether it was found."""
    for name in ("libcublasLt.so.12", CUBLAS):
        paths = [folder / name for folder in _wheel_folders("cublas")]
        path = next((path for path in paths if path.exists()), None)
        try:
            ctypes.CDLL(str(path or name), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            return False
    _open_cudnn()
    return True


def _open_cudnn() -> None:
    """Open cuDNN, if its wheel is installed, for versions of CTranslate2 that use it."""
    for folder in _wheel_folders("cudnn"):
        if (folder / "libcudnn.so.9").exists():
            with contextlib.suppress(OSError):  # whatever needs it reports a damaged one
                ctypes.CDLL(str(folder / "libcudnn.so.9"), mode=ctypes.RTLD_GLOBAL)
            return


def device_error(error: Exception, device: str) -> EngineDeviceError | None:
    """Return *error* in words for the operator, if it is about this environment or *device*; None if not."""
    found = explain(error)
    if found is None:
        return None
    cause, fix = found
    return EngineDeviceError(f"Whisper cannot compute on {device}: {cause} To fix it: {fix} ({error})")


def explain(error: Exception) -> tuple[str, str] | None:
    """Return the cause of an error that `FAULTS` lists, and what to do; None for any other."""
    for fault in FAULTS:
        if found := fault.said.search(str(error)):
            cause = fault.cause.format(*found.groups())
            return cause, install(fault.wheel) if fault.wheel else fault.fix
    return None


def install(wheel: str) -> str:
    """Return the command that installs *wheel* into this environment."""
    python = shlex.quote(sys.executable)
    if importlib.util.find_spec("pip") is None:  # engines' own environments have none
        return f"uv pip install --python {python} {shlex.quote(wheel)}"
    return f"{python} -m pip install {shlex.quote(wheel)}"


def _cannot(problem: str, fix: str, *, may_pass: bool = False) -> Compute:
    return Compute(kinds=("cpu",), problem=problem, fix=fix, may_pass=may_pass)


def _wheel_folders(library: str) -> list[Path]:
    """Return the folders in which NVIDIA's wheel of *library* keeps its files; none without that wheel."""
    try:
        spec = importlib.util.find_spec(f"nvidia.{library}")
    except ModuleNotFoundError:
        return []
    return [Path(root) / "lib" for root in (spec.submodule_search_locations or ())] if spec else []
