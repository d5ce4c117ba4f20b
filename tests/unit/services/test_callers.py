"""The limiters: how many requests in a minute, and how many at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.services.callers import ConcurrencyLimiter, RateLimiter, duration_text


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_minutes_worth_may_come_at_once(clock):
    """A fresh caller may use its whole minute in one moment, and then not one request more."""
    limiter = RateLimiter(3, clock=clock)

    quotas = [limiter.take("a") for _ in range(4)]

    assert [quota.remaining for quota in quotas] == [2, 1, 0, 0]
    assert [quota.retry_after_s for quota in quotas] == pytest.approx([0, 0, 0, 20])
    assert [quota.reset_s for quota in quotas] == pytest.approx([20, 40, 60, 60])


def test_who_waits_as_long_as_told_is_let_in(clock):
    """The time to wait is right: a moment earlier is too early."""
    limiter = RateLimiter(3, clock=clock)
    for _ in range(3):
        limiter.take("a")
    wait_s = limiter.take("a").retry_after_s

    clock.now += wait_s - 0.01
    assert limiter.take("a").retry_after_s
    clock.now += 0.01
    assert not limiter.take("a").retry_after_s


def test_a_refused_request_costs_nothing(clock):
    """Asking again too early does not push the next chance away."""
    limiter = RateLimiter(1, clock=clock)
    limiter.take("a")
    for _ in range(100):
        limiter.take("a")

    clock.now += 60

    assert not limiter.take("a").retry_after_s


def test_callers_do_not_share(clock):
    """One caller's greed is not another's."""
    limiter = RateLimiter(1, clock=clock)
    limiter.take("a")

    assert limiter.take("a").retry_after_s
    assert not limiter.take("b").retry_after_s


@given(st.integers(1, 500), st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_has_more_than_twice_the_limit(per_minute, pauses):
    """However the requests come, a minute sees at most a full bucket and what flows into it."""
    clock, admitted = Clock(), []
    limiter = RateLimiter(per_minute, clock=clock)
    for pause_s in pauses:
        clock.now += pause_s
        if not limiter.take("a").retry_after_s:
            admitted.append(clock.now)

    for start in admitted:
        assert sum(start <= at <= start + 60 for at in admitted) <= 2 * per_minute
    assert len(admitted) >= min(per_minute, len(pauses))


def test_memory_is_bounded_and_the_busiest_stay_known(clock):
    """A flood of addresses neither fills the memory nor washes away who has used its minute up."""
    limiter = RateLimiter(5, clock=clock, max_callers=10)
    for _ in range(5):
        limiter.take("greedy")
    for number in range(1000):
        limiter.take(f"address {number}")

    assert len(limiter._full_at) <= 10
    assert limiter.take("greedy").retry_after_s


def test_slots_come_back(clock):
    """A caller has so many slots, each free again when it is given back, and none are remembered then."""
    limiter = ConcurrencyLimiter(2)

    assert [limiter.enter("a") for _ in range(3)] == [True, True, False]
    assert limiter.enter("b")
    limiter.leave("a")
    assert limiter.enter("a")
    for caller in ("a", "a", "b"):
        limiter.leave(caller)
    assert not limiter._running


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0, "0ms"), (0.0001, "1ms"), (0.006, "6ms"), (1, "1s"), (1.2, "2s"), (59.9999, "1m0s"), (360, "6m0s")],
)
def test_durations_are_written_as_openai_writes_them(duration_s, text):
    """Milliseconds, seconds, or minutes and seconds; rounded up."""
    assert duration_text(duration_s) == text
