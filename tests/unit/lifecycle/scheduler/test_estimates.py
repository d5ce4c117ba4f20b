"""What is learnt from times."""

import pytest

from speechhub.lifecycle.scheduler.estimates import FIRST_GUESS_S, Mean, ServiceTimes, Succession


def test_mean_starts_with_its_first_sample_and_follows_slowly():
    """A guess stands until something was measured, and then counts nothing."""
    mean = Mean(5.0, weight=0.5)
    assert mean.value == 5

    mean.add(1.0)
    assert mean.value == 1
    mean.add(3.0)
    assert mean.value == 2


def test_service_time_is_a_guess_then_a_mean_then_by_size():
    """Sizes are used as soon as they are known of both what was done and what is asked."""
    times = ServiceTimes()
    assert times.predict(0) == times.predict(10) == FIRST_GUESS_S

    times.note(4.0, 0)
    assert times.predict(0) == times.predict(10) == 4
    times.note(4.0, 8)
    assert times.predict(10) == 5
    assert times.predict(0) == 4


def test_service_time_has_a_part_that_does_not_grow():
    """Two calls of one second are dearer than one of two: what each costs is learnt."""
    times = ServiceTimes()
    for size in (1, 5, 10, 20):
        times.note(3.0 + 0.5 * size, size)

    assert times.predict(8) == pytest.approx(7.0)
    assert 2 * times.predict(1) > times.predict(2)


@pytest.mark.parametrize(
    ("measured", "size", "expected"),
    [
        ([(1, 2.0), (2, 2.0), (3, 2.0)], 100, 2.0),
        ([(1, 3.0), (2, 2.0), (3, 1.0)], 100, 2.0),
        ([(1, 0.1), (2, 3.0), (3, 5.9)], 1, 1.5),
        ([(4, 2.0), (4, 4.0)], 8, 6.0),
    ],
    ids=["flat", "falling", "through zero", "one size"],
)
def test_service_time_never_falls_with_the_size(measured, size, expected):
    """And never comes out below nothing, whatever was measured."""
    times = ServiceTimes()
    for units, seconds in measured:
        times.note(seconds, units)

    assert times.predict(size) == pytest.approx(expected)


def test_service_time_forgets_what_is_long_ago():
    """An engine that got slower is believed after 50 calls."""
    times = ServiceTimes()
    for seconds in [1.0] * 200 + [5.0] * 50:
        times.note(seconds, 1)

    assert times.predict(1) == 5.0


def test_succession_learns_and_unlearns():
    """After a dozen alternations the next one is expected; a few repetitions end it."""
    succession = Succession()
    for _ in range(12):
        succession.note("stt")
        succession.note("tts")

    assert succession.after("stt")["tts"] >= 0.7
    assert succession.after("nothing yet") == {}

    succession.note("stt")
    for _ in range(3):
        succession.note("stt")
    assert succession.after("stt")["tts"] < 0.7
    assert sum(succession.after("stt").values()) == pytest.approx(1, abs=0.3)
