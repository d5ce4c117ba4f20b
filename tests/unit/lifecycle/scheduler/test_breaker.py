"""A model that cannot be loaded is left alone for a while."""

from speechhub.errors import EngineLoadError
from speechhub.lifecycle.scheduler.breaker import Breaker


def test_pauses_double_up_to_a_minute():
    """1, 2, 4 … 60 s, for as long as it fails."""
    breaker = Breaker()
    pauses = []

    for _ in range(40):
        breaker.fail(EngineLoadError("no"), 100.0)
        pauses.append(breaker.until - 100)

    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pauses[-1] == 60


def test_success_forgets():
    """The next failure begins at the beginning."""
    breaker = Breaker()
    breaker.fail(EngineLoadError("no"), 100.0)
    breaker.fail(EngineLoadError("no"), 102.0)
    breaker.succeed()
    assert breaker.until < 0

    breaker.fail(EngineLoadError("no"), 200.0)
    assert breaker.until == 201
