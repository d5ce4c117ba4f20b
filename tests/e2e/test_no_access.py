"""What decoding recordings asks of the kernel: no file is opened, no connection made, no program started.

Damaged recordings count too, and whatever a demuxer would like to open. Each is decoded twice, and what the
second time asks for counts: the first may load a table of characters of the C library's, for the names of
stations in a broadcast. Needs strace, and skips without it.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unhurried

ROOT = Path(__file__).resolve().parents[2]
CASES = 300
PROGRAM = f"""
import os
from speechhub.codecs.decode import decode
from speechhub.errors import AudioError
from tests.fuzz.damage import damaged
from tests.fuzz.recordings import good_recordings

def heard(data):
    try:
        return decode(data, sample_rate=16_000, max_duration_s=600).duration_s
    except AudioError:
        return 0

recordings = good_recordings()
cases = [damaged(recordings, number)[1] for number in range({CASES})]
for data in cases:
    heard(data)
os.path.exists("/marker")
assert all(heard(data) for data in recordings.values())
for data in cases:
    heard(data)
os.path.exists("/marker")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_decoding_reaches_nothing_outside(tmp_path):
    """Between the markers nothing but memory is asked for."""
    log = tmp_path / "strace"
    calls = "trace=%file,%network,%process"

    done = subprocess.run(
        ["strace", "-f", "-o", str(log), "-e", calls, sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    if "PTRACE" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    _, between, _ = re.split(r'.*"/marker".*\n', log.read_text())
    assert between == ""
