"""Machines with a pretended driver, by what people have: see `driver/pynvml.py`."""

import json
import os
from pathlib import Path

GB = 10**9
FOLDER = Path(__file__).with_name("driver")

CARD = {
    "uuid": "GPU-11111111-aaaa-4000-8000-000000000001",
    "name": "NVIDIA GeForce GTX 1650",
    "capability": [7, 5],
    "total": 4 * GB,
    "used": 200_000_000,
    "processes": {},
}
SECOND = CARD | {"uuid": "GPU-22222222-bbbb-4000-8000-000000000002", "total": 8 * GB, "capability": [8, 6]}
SLICES = [
    {"uuid": f"MIG-{n * 11111111}-cccc-5000-8000-00000000000{n}", "total": 5 * GB, "used": 20_000_000}
    for n in (1, 2)
]
MACHINES = {
    "host pids": {"cards": [CARD | {"processes": {"900001": 50_000_000}}]},
    "no list": {"cards": [CARD | {"processes": None}]},
    "WSL2": {"cards": [CARD | {"processes": {"0": None}}], "driver": "551.23"},
    "MIG": {
        "cards": [
            CARD | {"name": "NVIDIA A100", "capability": [8, 0], "memory": "forbidden", "slices": SLICES}
        ]
    },
    "two cards": {"cards": [CARD, SECOND]},
}
"""Machines on which the driver shows a GPU."""


def pretend(machine, folder):
    """Return the variables that give a process this machine's driver; what it says lies below *folder*."""
    state = Path(folder) / "driver.json"
    state.write_text(json.dumps(machine), "utf-8")
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(FOLDER), os.environ.get("PYTHONPATH")))),
        "PRETENDED_DRIVER": str(state),
        "PRETENDED_DRIVER_LOG": str(Path(folder) / "driver.log"),
    }
