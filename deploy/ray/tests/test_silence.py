"""Requests that need no engine, when a replica has been silent for long."""

from speechhub_ray.policy import Dispatcher, Wish
from speechhub_ray.replica import SILENT_S

ANYWHERE = Wish(slot=None, holds_engine=False)
REPORT = {"models": {"ears": {"slot": "stt"}, "mouth": {"slot": "tts"}}}


def test_a_replica_that_says_nothing_any_more_comes_last():
    """It hangs, or its machine does: scrapes and probes go to those that answer, however busy."""
    dispatcher = Dispatcher()
    dispatcher.replicas(["a", "b"], 0)
    for name in ("a", "b"):
        dispatcher.report(name, REPORT, 0)
    dispatcher.sent("b", ANYWHERE, 1)
    assert dispatcher.rank(ANYWHERE, 2) == ["a", "b"]

    dispatcher.report("b", REPORT, SILENT_S)

    assert dispatcher.rank(ANYWHERE, SILENT_S + 1) == ["b", "a"]
    assert dispatcher.rank(Wish(slot=None, replica="a", holds_engine=False), SILENT_S + 1) == ["a"]
