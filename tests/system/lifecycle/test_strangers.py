"""A process that ended, and another one with its number."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

from speechhub.errors import GpuMemoryError
from speechhub.lifecycle.gpu_memory import GpuMemory
from tests.fakes.virtual_time import Here, in_virtual_time

MB = 1024**2


TOTAL, OWN = 4000 * MB, 200 * MB


HOST = 7_000_000
"""What the host's ids are ahead of ours."""


@dataclass(frozen=True)
class Look:
    used_bytes: int
    processes: dict | None

    @property
    def free_bytes(self):
        return TOTAL - self.used_bytes


class Card:
    """A GPU with our engines and strangers on it."""

    def __init__(self, telling):
        self.telling = telling
        self.ours = {}
        self.strangers = {}

    @property
    def free_bytes(self):
        return TOTAL - OWN - sum(self.ours.values()) - sum(self.strangers.values())

    def set_stranger(self, pid, size_bytes):
        """Let a stranger hold so much, as far as there is room; 0 ends it."""
        before = self.strangers.pop(pid, 0)
        if size := min(size_bytes, self.free_bytes):
            self.strangers[pid] = size
        return before

    def __call__(self, index):
        assert index == 0
        shift = 0 if self.telling == "own ids" else HOST
        held = {pid + shift: size for pid, size in self.ours.items()} | self.strangers
        if self.telling == "no list":
            processes = None
        else:
            processes = {pid: None if "no sizes" in self.telling else size for pid, size in held.items()}
        return Look(TOTAL - self.free_bytes, processes)


def test_a_number_that_another_process_has_by_now_locks_nothing():
    """Numbers of processes are given anew, in a container soon; this one leads a group, as a shell's job."""
    card = Card("no list")

    async def scene(pid):
        card.set_stranger(1, 0)
        memory = GpuMemory(card, pool=Here())
        await memory.before_load("cuda:0")
        await memory.after_load("cuda:0", "stt", pid)
        card.set_stranger(1, 100 * MB)
        await memory.freed("cuda:0", ["stt"])

    with (
        subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
        ) as child,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("speechhub.lifecycle.gpu_memory.uptime_s", lambda: 1.0)  # it was seen long before
        in_virtual_time(scene(child.pid))
        patch.undo()
        with pytest.raises(GpuMemoryError):
            in_virtual_time(scene(child.pid))
        child.communicate(b"\n")
