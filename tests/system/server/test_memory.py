"""The memory of a real process goes back to the system."""

import ctypes
import subprocess
import sys

import pytest


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_real_memory_goes_back():
    """200 MB in pieces, with something in use behind them, leave the process."""
    script = (
        "from speechhub.server.memory import FreedMemory, keep_freed_memory, _resident_bytes;"
        "keep_freed_memory(); freed = FreedMemory(); before = _resident_bytes();"
        "held = [b'x' * 1_000_000 for _ in range(200)]; last = held[-1]; del held;"
        "stays = _resident_bytes() - before; surplus = freed.surplus(); freed.give_back();"
        "print(stays, surplus, _resident_bytes() - before)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)

    stays, surplus, left = map(int, told.stdout.split())
    assert stays > 150_000_000
    assert surplus > 150_000_000
    assert left < 50_000_000
