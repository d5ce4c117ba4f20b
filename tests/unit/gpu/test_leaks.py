"""gpu.leaks: residuals, slopes and verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.gpu.leaks import (
    FEWEST,
    MB,
    RESIDUAL_LIMIT_BYTES,
    SLOPE_LIMIT_BYTES,
    VISIT_CALLS,
    between_residents,
    inside_visit,
    residual,
    slope,
)

sizes = st.integers(min_value=0, max_value=4096 * MB)


def test_strangers_are_no_residual():
    """What a process that is not ours holds is its own affair; what our orphan holds is not."""
    processes = {7: 300 * MB, 8: 100 * MB}

    assert residual(600 * MB, 200 * MB, processes, ours={8}) == 100 * MB


@given(used=sizes, baseline=sizes, foreign=st.dictionaries(st.integers(1, 9), st.none() | sizes))
def test_residual_is_never_negative_nor_more_than_is_used(used, baseline, foreign):
    """Whatever the driver says, what is left over is a part of what is used."""
    assert 0 <= residual(used, baseline, foreign, ours=()) <= used


@given(start=sizes, step=st.integers(-50 * MB, 50 * MB), count=st.integers(2, 40))
def test_slope_of_a_line_is_its_slope(start, step, count):
    """Theil and Sen find the slope of a straight line."""
    assert slope([start + step * i for i in range(count)]) == pytest.approx(step)


@given(values=st.lists(sizes, min_size=2, max_size=30), shift=sizes)
def test_slope_does_not_depend_on_the_level(values, shift):
    """The same growth on top of more memory is the same growth."""
    assert slope([v + shift for v in values]) == slope(values)


@pytest.mark.mission("4.6")
def test_one_outlier_is_no_leak():
    """A browser that opened for one switch does not move the verdict."""
    values = [10 * MB] * 15
    values[7] = 2000 * MB

    assert not between_residents(values).suspected


@given(st.lists(st.integers(0, RESIDUAL_LIMIT_BYTES // 2), min_size=FEWEST, max_size=FEWEST))
def test_a_sudden_step_is_a_leak(noise):
    """Residuals that jump up and stay there are suspect, whatever the noise."""
    assert between_residents([*noise, *(n + 2 * RESIDUAL_LIMIT_BYTES for n in noise)]).suspected


@pytest.mark.mission("4.6")
@given(st.integers(SLOPE_LIMIT_BYTES + 1, 100 * MB), st.integers(FEWEST, 60))
def test_steady_growth_is_a_leak(step, count):
    """More than the limit for each switch is suspect as soon as there are enough switches."""
    verdict = between_residents([step * i for i in range(count)])

    assert verdict.suspected
    assert verdict.slope_bytes == pytest.approx(step)


@given(st.lists(st.integers(0, 40 * MB), min_size=1, max_size=FEWEST - 1))
def test_few_switches_are_not_judged(values):
    """Before there are enough switches nothing is suspect, and the last residual is told."""
    verdict = between_residents(values)

    assert not verdict.suspected
    assert verdict.residual_bytes == values[-1]


def test_no_switch_yet():
    """Before the first switch there is nothing to judge."""
    assert between_residents([]).residual_bytes == 0


def test_growth_all_through_the_last_calls_is_suspect():
    """An engine that holds more after each of the last calls will fill the card; fewer calls tell nothing."""
    growing = [i * MB for i in range(VISIT_CALLS + 1)]

    assert inside_visit(growing)
    assert not inside_visit(growing[1:])


@given(st.integers(1, 4))
def test_a_leak_now_and_then_is_one_too(every):
    """It need not grow with each call, as long as it never gives anything back."""
    assert inside_visit([i // every * MB for i in range(100)])


@given(st.integers(1, VISIT_CALLS))
def test_an_engine_that_gives_something_back_is_clear(place):
    """Once among the last calls is enough."""
    held = [i * MB for i in range(100)]
    held[-place:] = [size - 2 * MB for size in held[-place:]]

    assert not inside_visit(held)


@given(st.integers(0, VISIT_CALLS - VISIT_CALLS // 10))
def test_a_cache_that_fills_is_clear(full_after):
    """It grows like a leak, and then stops."""
    held = [min(i, full_after) * MB for i in range(VISIT_CALLS + 1)]

    assert not inside_visit(held)


def test_growth_that_is_not_worth_a_load_is_clear():
    """A few bytes with each call fill no card in a year."""
    assert not inside_visit([100 * MB + i * 1000 for i in range(100)])
