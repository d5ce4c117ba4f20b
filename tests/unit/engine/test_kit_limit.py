"""The kit's time limit: an engine that hangs fails the check that it hangs in."""

import signal
import threading
import traceback

import pytest

from speechhub.domain.transcript import Transcript
from speechhub.engine import SttEngine
from speechhub.engine.testing import check_stt_engine
from speechhub.engine.testing.limit import OverdueError, limited

pytestmark = pytest.mark.lengthy

LIMIT_S = 0.5
DEADLINE_S = 60


class Quiet(SttEngine):
    """Hears nothing, and writes down what was called."""

    def __init__(self):
        self.called = []

    def load(self, context):
        self.called.append("load")

    def transcribe(self, batch, call):
        call.raise_if_cancelled()
        return [Transcript(text="", duration_s=request.audio.duration_s) for request in batch]

    def close(self):
        self.called.append("close")


class HangsInLoad(Quiet):
    def load(self, context):
        threading.Event().wait()


class HangsInCall(Quiet):
    def transcribe(self, batch, call):
        while True:
            call.raise_if_cancelled()


class HangsInClose(Quiet):
    def close(self):
        threading.Event().wait()


class SwallowsAll(Quiet):
    def load(self, context):
        try:
            threading.Event().wait()
        except:  # noqa: E722
            return


@pytest.mark.parametrize(
    ("engine", "check", "method"),
    [
        (HangsInLoad, "loading", "load"),
        (HangsInCall, "transcript", "transcribe"),
        (HangsInClose, "closing", "close"),
        (SwallowsAll, "loading", None),
    ],
)
def test_an_engine_that_hangs_fails_its_check(engine, check, method):
    """The message names the check and the limit; the cause leads to the line of the engine."""
    with pytest.raises(AssertionError) as caught:
        check_stt_engine(engine, limit_s=LIMIT_S)

    heading, rest = str(caught.value).split("\n")
    assert heading.startswith(f"{engine.__name__} fails {check!r}: ")
    assert rest.startswith("The check was not done after 0.5 s and was stopped.")
    cause = caught.value.__cause__
    assert isinstance(cause, OverdueError)
    if method:
        calls = traceback.extract_tb(cause.__traceback__)
        assert (__file__, method) in [(it.filename, it.name) for it in calls]


def test_an_engine_that_hung_is_closed():
    """What it holds is not left to the tests that follow."""
    made = []

    class Hangs(HangsInCall):
        def __init__(self):
            super().__init__()
            made.append(self)

    with pytest.raises(AssertionError, match="transcript"):
        check_stt_engine(Hangs, limit_s=LIMIT_S)

    [engine] = made
    assert engine.called == ["load", "close"]


def test_the_limit_leaves_nothing_behind():
    """Neither a timer nor its handler nor its thread outlives the block."""
    handler, threads = signal.getsignal(signal.SIGALRM), set(threading.enumerate())

    with limited(DEADLINE_S):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0

    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is handler
    for thread in set(threading.enumerate()) - threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_a_timer_that_runs_already_is_left_alone():
    """Such as pytest-timeout's, which would be lost."""
    before = signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    try:
        with limited(LIMIT_S):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > DEADLINE_S / 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert before == (0, 0)
