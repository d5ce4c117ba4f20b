"""The limit of the conformance kit, for an engine that hangs in native code."""

import signal
import subprocess
import sys

DEADLINE_S = 60


NATIVE = """
import ctypes
from speechhub.engine import SttEngine
from speechhub.engine.testing import check_stt_engine, limit

limit.GRACE_S = 0.1


class Native(SttEngine):
    def load(self, context):
        lock, lib = (ctypes.c_char * 64)(), ctypes.CDLL(None)
        lib.pthread_mutex_lock(lock)
        lib.pthread_mutex_lock(lock)

    def transcribe(self, batch, call): ...

    def close(self): ...


check_stt_engine(Native, limit_s=0.1)
"""


def test_an_engine_that_hangs_in_native_code_ends_the_process():
    """Nothing can interrupt it; the check, the reason and the line of the engine are on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", NATIVE], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )

    assert done.returncode == -signal.SIGABRT
    assert "Native: loading ..." in done.stderr
    assert "The engine hangs in native code" in done.stderr
    assert 'File "<string>", line 13 in load' in done.stderr
