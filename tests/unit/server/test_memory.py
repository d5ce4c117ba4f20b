"""What the hub asks of the C library."""

import asyncio
import ctypes

import pytest

from speechhub.pools import Pool
from speechhub.server import memory


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


class Heap:
    """A C library whose process has 100 MB more than it uses, until that is given back."""

    def __init__(self, monkeypatch):
        self.resident, self.used = 100_000_000, 40_000_000
        self.mallinfo2 = lambda: memory._Heap(uordblks=self.used, hblkhd=10_000_000)
        monkeypatch.setattr(memory, "_resident_bytes", lambda: self.resident)

    def malloc_trim(self, keep):
        assert keep == 0
        self.resident = self.used + 10_000_000 + 50_000_000


def test_what_was_freed_is_surplus_and_what_is_used_is_not(monkeypatch):
    heap = Heap(monkeypatch)
    freed = memory.FreedMemory(heap)
    heap.resident, heap.used = 600_000_000, 540_000_000
    held = freed.surplus()

    heap.used = 40_000_000

    assert held == 0
    assert freed.surplus() == 500_000_000
    assert freed.give_back() == 500_000_000
    assert freed.surplus() == 0


def test_what_cannot_be_given_back_is_tried_once(monkeypatch):
    """Python's own pools stay: to try again and again would be work for nothing."""
    heap = Heap(monkeypatch)
    freed = memory.FreedMemory(heap)
    heap.resident = 400_000_000
    heap.malloc_trim = lambda keep: None

    assert freed.surplus() == 300_000_000
    assert freed.give_back() == 0
    assert freed.surplus() == 0


def test_a_c_library_that_tells_nothing_is_left_alone():
    freed = memory.FreedMemory(object())

    assert (freed.surplus(), freed.give_back()) == (0, 0)


@pytest.mark.parametrize(("busy", "surplus", "given"), [(0, 1.5, 1), (1, 1.5, 0), (1, 4.5, 1), (0, 0.5, 0)])
async def test_it_is_given_back_when_idle_or_when_it_is_much(monkeypatch, busy, surplus, given):
    """While requests run, only what no work leaves goes back."""
    looks, trims = asyncio.Event(), []

    class Freed:
        def surplus(self):
            if trims or looks.is_set():
                return 0
            looks.set()
            return round(surplus * memory.MARK_BYTES)

        def give_back(self):
            trims.append(1)
            return 0

    monkeypatch.setattr(memory, "FreedMemory", Freed)
    monkeypatch.setattr(memory, "LOOK_S", 0.0)
    pool = Pool("test", 1)
    async with asyncio.timeout(20), memory.freed_memory_given_back(pool, busy=lambda: bool(busy)):
        await looks.wait()
        await pool.run(lambda: None)
        for _ in range(3):
            await asyncio.sleep(0)
    pool.close()

    assert len(trims) == given
