"""What the hub asks of the C library."""

import ctypes

import pytest

from speechhub.http import memory


class Libc:
    def __init__(self):
        self.asked = {}

    def mallopt(self, option, value):
        self.asked[option] = value
        return 1


def test_memory_of_a_clip_is_kept_and_that_of_a_long_recording_is_not(monkeypatch):
    """Source of the numbers: malloc.h; 30 s at 16 kHz are 1.9 MB of float32, 300 s are 19 MB."""
    libc = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)

    memory.keep_freed_memory()

    assert libc.asked.keys() == {-1, -3, -8}
    assert libc.asked[-8] == 1, "one heap for all threads"
    assert 2_000_000 < libc.asked[-3] < 19_000_000
    assert libc.asked[-1] > 2 * libc.asked[-3]


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch, error):
    def without(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", without)

    memory.keep_freed_memory()
