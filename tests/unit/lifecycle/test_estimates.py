"""What is learnt from times."""

import pytest

from speechhub.lifecycle.estimates import FIRST_GUESS_S, Mean, ServiceTimes, Succession


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
