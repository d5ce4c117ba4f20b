"""A process that ended, and another one with its number."""

import subprocess
import sys

import pytest

from speechhub.errors import GpuMemoryError
from speechhub.lifecycle.gpu_memory import GpuMemory
from tests.fakes.card import MB, Card
from tests.fakes.virtual_time import Here, in_virtual_time


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
