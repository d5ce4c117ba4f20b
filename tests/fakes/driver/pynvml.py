"""A pretended NVIDIA driver: the part of NVML's binding that speechhub asks, over cards in a JSON file.

Put this folder on PYTHONPATH and the file's path into PRETENDED_DRIVER, and a real hub, or any program that
asks NVML, has these cards. The file is read at every question, so that a test can change what is said:

    {"driver": "550.54.15", "cuda": 12040, "error": 0,
     "cards": [{"uuid": "GPU-…", "name": "…", "capability": [8, 6], "total": 4e9, "used": 2e8,
                "processes": {"4711": 3e8}, "memory": "told", "slices": [{"uuid": "MIG-…", …}]}]}

``error`` is an nvmlReturn_t that the start fails with. ``hangs`` names the functions that never return,
``fails`` those that fail, with their nvmlReturn_t, for all cards, or within a card's own ``fails`` for that
one; a name with lone surrogates stands for bytes that are no UTF-8. ``processes`` is null where the driver
has no list, and a size is null where it does not tell it; ``memory`` is ``forbidden`` for what a container
may not see; a card with ``slices`` is cut (MIG). Standard library only.
"""

import functools
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

NVML_TEMPERATURE_GPU = 0
NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, LIBRARY_NOT_FOUND = 3, 4, 6, 12
WORDS = {
    3: "Not Supported",
    4: "Insufficient Permissions",
    6: "Not Found",
    9: "Driver Not Loaded",
    12: "NVML Shared Library Not Found",
    18: "Driver/library version mismatch",
    999: "Unknown Error",
}


class NVMLError(Exception):
    """What NVML fails with."""

    def __init__(self, value):
        super().__init__(WORDS.get(value, f"error {value}"))
        self.value = value


def _state():
    try:
        return json.loads(Path(os.environ["PRETENDED_DRIVER"]).read_text("utf-8"))
    except (KeyError, FileNotFoundError):
        raise NVMLError(LIBRARY_NOT_FOUND) from None


def _as_told(function):
    """Have *function* hang or fail where the file says so."""

    @functools.wraps(function)
    def answer(*arguments):
        state, name = _state(), function.__name__
        while name in state.get("hangs", ()):
            time.sleep(0.05)
            state = _state()
        handle = arguments[0] if arguments else None
        number = handle[0] if isinstance(handle, tuple) else handle
        card = state["cards"][number] if isinstance(number, int) and number < len(state["cards"]) else {}
        if error := state.get("fails", {}).get(name) or card.get("fails", {}).get(name):
            raise NVMLError(error)
        return function(*arguments)

    return answer


def _at(handle):
    """Return what the file says of a card, (3,), or of a slice, (3, 0)."""
    cards = _state()["cards"]
    card = cards[handle[0]]
    return card["slices"][handle[1]] if len(handle) > 1 else card


@_as_told
def nvmlInit():  # noqa: N802
    if error := _state().get("error"):
        raise NVMLError(error)
    if log := os.environ.get("PRETENDED_DRIVER_LOG"):  # how often anybody starts the library
        with Path(log).open("a", encoding="utf-8") as file:
            file.write("nvmlInit\n")


@_as_told
def nvmlShutdown():  # noqa: N802
    pass


@_as_told
def nvmlSystemGetDriverVersion():  # noqa: N802
    return _state().get("driver", "550.54.15")


@_as_told
def nvmlSystemGetCudaDriverVersion_v2():  # noqa: N802
    return _state().get("cuda", 12040)


@_as_told
def nvmlDeviceGetCount():  # noqa: N802
    return len(_state()["cards"])


@_as_told
def nvmlDeviceGetHandleByIndex(index):  # noqa: N802
    if index >= nvmlDeviceGetCount():
        raise NVMLError(NOT_FOUND)
    return (index,)


@_as_told
def nvmlDeviceGetUUID(handle):  # noqa: N802
    return _at(handle)["uuid"]


@_as_told
def nvmlDeviceGetName(handle):  # noqa: N802
    name = _at(handle).get("name", "NVIDIA Pretended")
    return name.encode(
        "utf-8", "surrogateescape"
    ).decode()  # the real binding decodes, and fails at what is no UTF-8


@_as_told
def nvmlDeviceGetMigMode(handle):  # noqa: N802
    cut = "slices" in _at(handle)
    return [int(cut), int(cut)]


@_as_told
def nvmlDeviceGetMaxMigDeviceCount(handle):  # noqa: N802
    return 7


@_as_told
def nvmlDeviceGetMigDeviceHandleByIndex(handle, number):  # noqa: N802
    if number >= len(_at(handle).get("slices", ())):
        raise NVMLError(NOT_FOUND)
    return (*handle, number)


@_as_told
def nvmlDeviceGetCudaComputeCapability(handle):  # noqa: N802
    return tuple(_at(handle).get("capability", (8, 6)))


@_as_told
def nvmlDeviceGetMemoryInfo(handle):  # noqa: N802
    it = _at(handle)
    if it.get("memory") == "forbidden":
        raise NVMLError(NO_PERMISSION)
    return SimpleNamespace(
        total=int(it["total"]), used=int(it["used"]), free=int(it["total"]) - int(it["used"])
    )


@_as_told
def nvmlDeviceGetUtilizationRates(handle):  # noqa: N802
    if len(handle) > 1:
        raise NVMLError(NOT_SUPPORTED)
    return SimpleNamespace(gpu=0)


@_as_told
def nvmlDeviceGetTemperature(handle, sensor):  # noqa: N802
    raise NVMLError(NOT_SUPPORTED)


@_as_told
def nvmlDeviceGetPowerUsage(handle):  # noqa: N802
    raise NVMLError(NOT_SUPPORTED)


@_as_told
def nvmlDeviceGetComputeRunningProcesses(handle):  # noqa: N802
    held = _at(handle).get("processes", {})
    if held is None:
        raise NVMLError(NOT_SUPPORTED)
    return [SimpleNamespace(pid=int(pid), usedGpuMemory=size) for pid, size in held.items()]


@_as_told
def nvmlDeviceGetGraphicsRunningProcesses(handle):  # noqa: N802
    if _at(handle).get("processes", {}) is None:
        raise NVMLError(NOT_SUPPORTED)
    return []
