"""Limits on FFmpeg that hold for the whole process."""

import subprocess
import sys

PROGRAM = """
import os
import numpy as np
from speechhub.codecs.decode import decode_blocks
from speechhub.codecs.encode import Encoder, SpeechFormat, encode_all
from speechhub.codecs.stretch import Stretcher
from speechhub.domain.audio import Audio

def threads():
    return len(os.listdir("/proc/self/task"))

before = threads()
second = np.zeros(24_000, np.float32)
stretcher = Stretcher(1.5, 24_000)
stretcher.process(second)
assert threads() == before, "stretching"
for name in SpeechFormat:
    encoder = Encoder(name, source_rate=22_050)
    encoder.encode(second)
    assert threads() == before, name
    if name is not SpeechFormat.PCM:
        file = encode_all(Audio(samples=np.zeros(240_000, np.float32), sample_rate=24_000), name)
        blocks = decode_blocks(file, sample_rate=16_000, max_duration_s=60, block_s=1)
        next(blocks)
        assert threads() == before, name
"""


def test_works_in_the_thread_that_calls():
    """Streams that are still open, as an abandoned one is until it is collected, have no threads."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
