"""Turns of a speaker: where they begin and end, whatever is heard and whatever the client does."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from speechhub.codecs.turns import WINDOW_MS, Started, Stopped, TurnDetector, TurnRules

RULES = TurnRules(threshold=0.5, prefix_ms=300, silence_ms=200, longest_ms=30_000)


def heard(detector, *probabilities):
    """Return what begins and ends in so many windows."""
    return [turn for probability in probabilities for turn in detector.add(probability)]


def test_a_turn_begins_with_three_windows_of_speech_in_a_row():
    """Fewer are a click, however many there are; the turn begins the prefix before the first."""
    detector = TurnDetector(RULES)

    assert heard(detector, *[0.0] * 20, *[0.9, 0.9, 0.1] * 5) == []
    assert heard(detector, 0.9, 0.5) == []
    assert heard(detector, 0.9) == [Started(35 * WINDOW_MS - 300)]
    assert detector.speaking


def test_a_turn_ends_with_silence_which_belongs_to_it():
    """Windows a little below the threshold are not silence yet, and one of speech begins it anew."""
    detector = TurnDetector(RULES)
    [started] = heard(detector, *[0.9] * 3)

    assert started == Started(0), "there is nothing before the start"
    assert heard(detector, *[0.36] * 20) == []
    assert heard(detector, *[0.34] * 6, 0.36, *[0.34] * 6) == []
    assert heard(detector, 0.34) == [Stopped(37 * WINDOW_MS)]
    assert not detector.speaking


def test_a_turn_does_not_begin_in_the_one_before():
    """The prefix ends where the last turn, or what the client committed, ends."""
    detector = TurnDetector(RULES)
    heard(detector, *[0.9] * 3)

    [stopped] = heard(detector, *[0.0] * 7)
    assert heard(detector, *[0.9] * 3) == [Started(stopped.at_ms)]
    detector.end(430)
    assert heard(detector, *[0.9] * 3) == [Started(430)]


def test_a_long_turn_is_cut_where_it_is_least_like_speech_in_its_last_third():
    """The next one begins there at once; nothing is lost between them."""
    detector = TurnDetector(replace(RULES, longest_ms=3200, silence_ms=1000))
    heard(detector, *[0.9] * 3)

    found = heard(detector, *[0.9] * 47, 0.36, *[0.9] * 29, 0.4, *[0.9] * 20)

    assert found == [Stopped(80 * WINDOW_MS), Started(80 * WINDOW_MS)]
    assert detector.speaking
    assert detector.needed_from_ms == 80 * WINDOW_MS


def test_a_threshold_near_zero_still_has_silence_below_it():
    """The hysteresis would else be negative, and no turn would ever end."""
    detector = TurnDetector(replace(RULES, threshold=0.1))

    kinds = list(map(type, heard(detector, *[0.2] * 5, *[0.0] * 7)))

    assert kinds == [Started, Stopped]


def test_audio_that_was_not_judged_moves_the_time_on():
    """Speech on both sides of the gap is not in a row."""
    detector = TurnDetector(RULES)
    heard(detector, 0.9, 0.9)

    detector.seek(5000)

    assert heard(detector, 0.9, 0.9) == []
    assert heard(detector, 0.9) == [Started(4700)]
    detector.seek(10)
    assert heard(detector, *[0.0] * 7) == [Stopped(5000 + 10 * WINDOW_MS)], "time never goes back"


def probabilities(step):
    """Return the windows of one step of a made-up session; none if the client does something."""
    if isinstance(step, str):
        return []
    return [step] if isinstance(step, float) else [step[0]] * step[1]


WINDOWS = st.lists(
    st.one_of(
        st.floats(0, 1),
        st.sampled_from(["commit", "clear", "rules"]),
        st.tuples(st.sampled_from([0.0, 0.9]), st.integers(1, 40)),
    ),
    max_size=60,
)


@given(
    windows=WINDOWS,
    threshold=st.floats(0, 1),
    prefix_ms=st.integers(0, 5000),
    silence_ms=st.integers(50, 2000),
    longest_ms=st.integers(1000, 5000),
)
def test_turns_come_in_order_and_do_not_overlap(windows, threshold, prefix_ms, silence_ms, longest_ms):
    """Each begun turn ends, or the client ends it; times never go back; no turn is longer than allowed."""
    rules = TurnRules(threshold=threshold, prefix_ms=prefix_ms, silence_ms=silence_ms, longest_ms=longest_ms)
    detector = TurnDetector(rules)
    now_ms, last_ms, start_ms = 0, 0, None
    for step in windows:
        if step in ("commit", "clear"):
            last_ms, start_ms = now_ms, None
            detector.end(now_ms)
        elif step == "rules":
            detector.rules = replace(rules, prefix_ms=300, silence_ms=200)
        for probability in probabilities(step):
            now_ms += WINDOW_MS
            for turn in detector.add(probability):
                assert last_ms <= turn.at_ms <= now_ms
                if isinstance(turn, Started):
                    assert start_ms is None
                    start_ms = turn.at_ms
                else:
                    assert start_ms is not None
                    assert start_ms < turn.at_ms <= start_ms + longest_ms + WINDOW_MS
                    start_ms = None
                last_ms = turn.at_ms
            assert detector.speaking == (start_ms is not None)
            assert detector.needed_from_ms <= now_ms
            if start_ms is not None:
                assert detector.needed_from_ms == start_ms
                assert now_ms - start_ms <= longest_ms
