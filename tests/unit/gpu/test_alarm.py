"""gpu.alarm: the warning near a full GPU."""

from hypothesis import given
from hypothesis import strategies as st

from speechhub.gpu.alarm import CLEAR_SHARE, WARN_SHARE, Crossing, MemoryAlarm


def test_each_crossing_is_told_once():
    """Full at 90 %, over below 85 %, silent in between."""
    alarm = MemoryAlarm()

    told = [alarm.feed(share) for share in (0.5, 0.90, 0.95, 0.86, 0.91, 0.85, 0.84, 0.5, 0.99)]
    assert told == [None, "full", None, None, None, None, "clear", None, "full"]


@given(st.lists(st.floats(0, 1), max_size=60))
def test_crossings_alternate(shares):
    """Whatever the memory does, warnings and their ends take turns, and the alarm knows which stands."""
    alarm = MemoryAlarm()
    told = []
    for share in shares:
        if crossing := alarm.feed(share):
            told.append(crossing)
        assert alarm.full or share < WARN_SHARE
        assert not alarm.full or share >= CLEAR_SHARE

    assert told == [Crossing.FULL, Crossing.CLEAR] * (len(told) // 2) + [Crossing.FULL] * (len(told) % 2)
