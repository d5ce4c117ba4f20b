"""engine.live: the sessions that an engine keeps."""

import numpy as np
import pytest

from speechhub.engine import (
    Audio,
    Call,
    EngineError,
    Hypothesis,
    ListenRequest,
    LiveSession,
    LiveSessionLostError,
    SttEngine,
    Transcript,
)
from speechhub.engine.live import LONGEST_IDLE_S


class Counting(LiveSession):
    """Hears the number of samples that it was fed."""

    def __init__(self, engine, request):
        self.engine, self.request, self.count = engine, request, 0
        engine.living.add(request.session)

    def feed(self, audio, call):
        call.raise_if_cancelled()
        if self.engine.error:
            raise self.engine.error
        self.count += len(audio.samples)
        return Hypothesis(text=str(self.count), stable_chars=1)

    def finish(self, call):
        if self.engine.error:
            raise self.engine.error
        return Hypothesis(text=f"{self.count}.")

    def close(self):
        self.engine.living.remove(self.request.session)  # KeyError: closed twice


class Engine(SttEngine):
    """Does not call its base class's __init__, as most engines do not."""

    def __init__(self):
        self.living, self.error = set(), None

    def load(self, context):
        pass

    def transcribe(self, batch, call):
        return [Transcript(text="", duration_s=1.0) for _ in batch]

    def begin(self, request):
        return Counting(self, request)


@pytest.fixture
def engine():
    return Engine()


def ask(engine, session, samples=1, now=0.0, **fields):
    audio = Audio(samples=np.zeros(samples, np.float32), sample_rate=16_000)
    return engine.listen(ListenRequest(session=session, audio=audio, **fields), Call(began=now))


def test_sessions_go_on_beside_each_other(engine):
    """Each hears its own pieces alone."""
    assert ask(engine, "a", 10, first=True).text == "10"
    assert ask(engine, "b", 1, first=True).text == "1"
    assert ask(engine, "a", 5) == Hypothesis(text="15", stable_chars=1)
    assert ask(engine, "b", 1).text == "2"
    assert ask(engine, "b", 3, last=True).text == "5."
    assert ask(engine, "a", 0, last=True).text == "15."
    assert engine.living == set()


def test_a_session_may_be_one_request(engine):
    """The first is then also the last."""
    assert ask(engine, "a", 7, first=True, last=True).text == "7."
    assert engine.living == set()


def test_a_piece_without_audio_has_the_last_answer(engine):
    """The session is not fed nothing; before any audio, nothing was heard."""
    assert ask(engine, "a", 0, first=True) == Hypothesis(text="")
    ask(engine, "a", 4)
    assert ask(engine, "a", 0) == Hypothesis(text="4", stable_chars=1)


@pytest.mark.parametrize("how", ["unknown", "finished", "abandoned", "idle", "crowded out", "closed"])
def test_a_session_that_is_not_here_is_lost(engine, how):
    """Whatever the reason, and it stays lost."""
    if how != "unknown":
        ask(engine, "a", first=True)
    now = 0.0
    match how:
        case "finished":
            ask(engine, "a", last=True)
        case "abandoned":
            ask(engine, "a", abandon=True)
        case "idle":
            now = LONGEST_IDLE_S + 1
        case "crowded out":
            for number in range(Engine.most_sessions):
                ask(engine, f"other {number}", first=True)
        case "closed":
            engine.end_sessions()

    for fields in ({}, {"last": True}):
        with pytest.raises(LiveSessionLostError):
            ask(engine, "a", now=now, **fields)
    assert "a" not in engine.living


def test_the_session_that_was_idle_for_longest_makes_room(engine):
    """Not the one that began first; and there are never more than the limit."""
    for number in range(Engine.most_sessions):
        ask(engine, str(number), first=True)
    ask(engine, "0")
    ask(engine, "new", first=True)

    assert len(engine.living) == Engine.most_sessions
    assert {"0", "new"} <= engine.living
    assert "1" not in engine.living


def test_sessions_in_use_outlive_idle_ones(engine):
    """The time counts from the last request."""
    ask(engine, "a", first=True)
    ask(engine, "b", first=True)
    ask(engine, "a", now=LONGEST_IDLE_S)
    ask(engine, "a", now=LONGEST_IDLE_S + 1)

    assert engine.living == {"a"}


def test_a_session_whose_call_fails_is_over(engine):
    """What it holds after a failure, or after half a piece, is not known."""
    for fields in ({}, {"last": True}):
        engine.error = None
        ask(engine, "a", first=True)
        engine.error = RuntimeError("broken")
        with pytest.raises(RuntimeError):
            ask(engine, "a", **fields)
        assert engine.living == set()


def test_an_id_that_comes_again_begins_anew(engine):
    """Nothing of the session before is heard."""
    ask(engine, "a", 10, first=True)

    assert ask(engine, "a", 3, first=True).text == "3"
    assert engine.living == {"a"}


def test_abandoning_what_is_not_there_is_no_error(engine):
    """The hub cannot know what an engine still keeps."""
    assert ask(engine, "never", abandon=True) == Hypothesis(text="")


def test_an_engine_without_sessions_says_so():
    """The hub never asks one, since it does not declare them."""

    class Deaf(Engine):
        begin = SttEngine.begin

    with pytest.raises(EngineError, match="Deaf has no live sessions"):
        ask(Deaf(), "a", first=True)
