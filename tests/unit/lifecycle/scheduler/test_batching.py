"""Which tickets share a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.lifecycle.scheduler.batching import MAX_RATIO, batch_size
from speechhub.lifecycle.scheduler.served_model import Ticket


def line(*lengths):
    """Return a line of tickets with these recordings each; empty for one that wants the engine for itself."""
    return [
        Ticket(
            number=number,
            order=number,
            arrived=0.0,
            keep_warm=False,
            deadline=9.0,
            size=sum(recordings),
            recordings_s=tuple(recordings),
        )
        for number, recordings in enumerate(lengths)
    ]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([[5]], 1),
        ([[5], [5], [5]], 3),
        ([[5]] * 6, 4),
        ([[5, 5, 5], [5, 5]], 1),
        ([[5, 5], [5, 5], [5]], 2),
        ([[]], 1),
        ([[], [5], [5]], 1),
        ([[5], [], [5]], 1),
        ([[5], [20], [5]], 3),
        ([[5], [21], [5]], 1),
        ([[30], [30], [30], [5]], 2),
        ([[90], [30]], 1),
        ([[1, 9], [5]], 1),
    ],
    ids=str,
)
def test_how_many_go_together(lengths, expected):
    """Up to 4 recordings and 60 s; none four times as long as another; nobody who wants to be alone."""
    assert batch_size(line(*lengths), most_recordings=4, audio_s=60) == expected


@pytest.mark.invariant("in-order")
@given(
    st.lists(st.lists(st.sampled_from([1.0, 3.0, 5.0, 12.0]), max_size=3), min_size=1, max_size=8),
    st.integers(1, 6),
    st.sampled_from([5.0, 20.0, 100.0]),
)
def test_a_batch_keeps_its_limits_and_is_as_large_as_they_allow(lengths, most, audio_s):
    """One ticket is always taken; more only within all limits, and the next one would break one of them."""
    size = batch_size(line(*lengths), most_recordings=most, audio_s=audio_s)

    def allowed(count):
        together = [length for recordings in lengths[:count] for length in recordings]
        return (
            all(lengths[:count])
            and len(together) <= most
            and sum(together) <= audio_s
            and max(together) <= MAX_RATIO * min(together)
        )

    assert size == 1 or allowed(size)
    assert size == len(lengths) or not allowed(size + 1)
