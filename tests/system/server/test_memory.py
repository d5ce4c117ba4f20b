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


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_voice_detectors_that_come_and_go_leave_no_holes():
    """Two dozen at a time, with small objects in between: the third time takes no more than the first."""
    script = (
        "import numpy as np;"
        "from speechhub.codecs.vad import VoiceDetector;"
        "from speechhub.server.memory import keep_freed_memory, _resident_bytes;"
        "keep_freed_memory(); VoiceDetector(24_000); before = _resident_bytes(); small = [];\n"
        "for wave in range(3):\n"
        "    held = []\n"
        "    for number in range(24):\n"
        "        held.append(VoiceDetector(24_000)); held[-1].process(np.ones(2_400, np.float32))\n"
        "        small.append([bytes(700) for _ in range(60)])\n"
        "    most = _resident_bytes() - before\n"
        "    held.clear()\n"
        "    print(most, _resident_bytes() - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)

    (first, _), _, (last, left) = (map(int, line.split()) for line in told.stdout.splitlines())
    assert first > 24 * 2_000_000
    assert last < first + 15_000_000
    assert left < 15_000_000
