"""Where recordings are cut, from probabilities alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.codecs.cuts import (
    MARGIN,
    MAX_SILENCE,
    MIN_SILENCE,
    MIN_SPEECH,
    PADDING,
    SPEECH,
    Cutter,
    Stretch,
)

RUNS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.29, 0.3, 0.6, 1.0]), st.integers(1, 250)), max_size=40)


def cut(probabilities, longest):
    cutter = Cutter(longest)
    found = []
    for probability in probabilities:
        found += cutter.add(probability)
    return found + cutter.finish()


def runs(*lengths):
    """Speech and silence in turns, speech first."""
    return [probability for turn, n in enumerate(lengths) for probability in [1.0 - turn % 2] * n]


@given(RUNS, st.integers(31, 400))
def test_all_speech_is_in_stretches_that_fit(pattern, longest):
    """Stretches are in order, apart, never too long, and hold all speech but for clicks."""
    probabilities = [probability for probability, count in pattern for _ in range(count)]

    stretches = cut(probabilities, longest)

    inside = set()
    end = 0
    for stretch in stretches:
        assert end <= stretch.first < stretch.end <= len(probabilities)
        assert stretch.end - stretch.first <= longest
        assert sum(it >= SPEECH for it in probabilities[stretch.first : stretch.end]) >= MIN_SPEECH
        end = stretch.end
        inside |= set(range(stretch.first, stretch.end))
    lost = [place for place, it in enumerate(probabilities) if it >= SPEECH and place not in inside]
    for place in lost:
        near = probabilities[max(0, place - MIN_SPEECH) : place + MIN_SPEECH + 1]
        assert sum(it >= SPEECH for it in near) < MIN_SPEECH


@given(RUNS, st.integers(31, 400))
def test_cuts_are_decided_in_time(pattern, longest):
    """What is still needed is never more than a passage and the longest silence, and nothing older."""
    cutter = Cutter(longest)
    now = 0
    for probability, count in pattern:
        for _ in range(count):
            needed = cutter.needed_from
            now += 1
            for stretch in cutter.add(probability):
                assert stretch.first >= needed
            assert now - cutter.needed_from <= longest + MAX_SILENCE + PADDING


def test_silence_has_no_stretches():
    assert cut([0.1] * 1000, 100) == []


def test_a_click_is_no_speech():
    assert cut([0.0] * 300 + [1.0] * (MIN_SPEECH - 1) + [0.0] * 300, 100) == []


def test_speech_keeps_a_little_silence_around_it():
    assert cut(runs(0, 100, 50, 100), 900) == [Stretch(first=100 - PADDING, end=150 + PADDING)]


def test_short_silences_do_not_divide():
    """Everything that fits is one stretch, pauses included."""
    assert cut(runs(100, 50, 100, 50, 100), 900) == [Stretch(first=0, end=400)]


def test_a_long_silence_divides():
    """Nobody speaks for a long time: that time is left out."""
    found = cut(runs(100, 1000, 100), 9000)

    assert found == [Stretch(first=0, end=100 + PADDING), Stretch(first=1100 - PADDING, end=1200)]


def test_the_longest_silence_of_the_last_third_is_taken():
    """Silences at 400, 610, 730 and 830 of 900: the one at 730 is the longest that is late enough."""
    first, second = cut(runs(400, 60, 150, 20, 100, 40, 60, 10, 300), 900)

    assert first == Stretch(first=0, end=730 + PADDING)
    assert second == Stretch(first=770 - PADDING, end=1140)


def test_a_silence_shared_by_two_stretches_is_halved():
    """Where there is no room for all the padding, it ends in the middle."""
    first, second = cut(runs(700, 10, 300), 900)

    assert (first.end, second.first) == (705, 705)


def test_an_early_silence_is_better_than_none():
    first, second = cut(runs(200, 20, 1000)[:1100], 900)

    assert (first, second) == (Stretch(first=0, end=210), Stretch(first=210, end=1100))


@pytest.mark.parametrize("gap", [0, MIN_SILENCE - 1])
def test_speech_without_silence_is_cut_where_it_is_least_like_speech(gap):
    """A dip in the probability is a better place than the middle of a vowel."""
    probabilities = [1.0] * 750 + [0.0] * gap + [0.4] + [1.0] * 500

    first, second = cut(probabilities, 900)

    assert first.end == second.first
    assert 750 <= first.end <= 750 + gap
    assert second.end == len(probabilities)


def test_a_cut_in_speech_leaves_enough_for_the_next_passage():
    """Engines need not transcribe a splinter."""
    _, second = cut([1.0] * 901, 900)

    assert second.end - second.first > MARGIN
