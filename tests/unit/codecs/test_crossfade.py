"""Parts of one speech are joined: the pause that is wanted, no click, and nothing lost."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from speechhub.codecs.crossfade import MARGIN_S, QUIET, Pause, Seams
from tests.generated import examples

pytestmark = pytest.mark.lengthy

RATE = 16_000
ANY = Pause(shortest_s=0.15, longest_s=0.7)


def part(before_s=0.0, sound_s=0.5, after_s=0.0, level=0.3, hertz=200.0):
    """Return a tone with silence around it, which a real voice's is: not quite nothing."""
    silence = [0.001 * np.sin(np.arange(round(s * RATE)) * 0.5) for s in (before_s, after_s)]
    tone = level * np.sin(np.arange(round(sound_s * RATE)) * 2 * np.pi * hertz / RATE + 1)
    return np.concatenate([silence[0], tone, silence[1]]).astype(np.float32)


def joined(*parts, pause=ANY, step=None, late=False):
    """Return the parts as one speech, fed in steps of so many samples; each may come late."""
    seams = Seams(RATE)
    out = []
    for number, samples in enumerate(parts):
        if number:
            out += [seams.settle(pause), seams.settle(pause)] if late else []
            seams.join(pause)
        cuts = range(0, len(samples), step) if step else [0]
        out += [seams.process(samples[first : first + (step or len(samples))]) for first in cuts]
    return np.concatenate([*out, seams.finish()])


def pauses_s(speech, quiet=QUIET):
    """Return the lengths of the silences between sounds, in seconds; a tone's zero crossings are none."""
    sound = np.flatnonzero(np.abs(speech) > quiet)
    gaps = np.diff(sound) / RATE
    return [float(gap) for gap in gaps if gap > 0.004]


def exactly(seconds):
    return Pause(shortest_s=seconds, longest_s=seconds)


@pytest.mark.parametrize("step", [None, 1000, 37])
def test_one_part_passes_unchanged(step):
    """Its silences too, at its ends and in it."""
    speech = np.concatenate([part(0.3, 0.2, 3.0), part(0.1, 0.2, 0.4)])

    assert np.array_equal(joined(speech, step=step), speech)


@pytest.mark.parametrize("step", [None, 999, 37])
@pytest.mark.parametrize("natural_s", [(0.0, 0.0), (0.1, 0.05), (0.0, 0.4), (2.5, 0.0), (1.0, 3.0)])
@pytest.mark.parametrize("pause_s", [0.3, 1.0, 5.0])
def test_a_pause_is_as_long_as_it_was_asked_for(natural_s, pause_s, step):
    """Whatever silence the parts bring along; that which has flowed already is counted."""
    after_s, before_s = natural_s

    speech = joined(part(after_s=after_s), part(before_s=before_s), pause=exactly(pause_s), step=step)

    shortest = max(pause_s, after_s - 2.0)  # so much of it is held back, and no more
    assert pauses_s(speech) == [pytest.approx(shortest, abs=0.03)]


def test_a_pause_of_nothing_keeps_a_margin():
    """Soft consonants stand at the ends of what looks like sound."""
    [pause_s] = pauses_s(joined(part(after_s=0.5), part(before_s=0.5), pause=exactly(0.0)))

    assert pause_s == pytest.approx(2 * MARGIN_S, abs=0.005)


@pytest.mark.parametrize(("natural_s", "pause_s"), [(0.05, 0.15), (0.4, 0.4), (1.5, 0.7)])
def test_a_natural_pause_is_left_alone_within_bounds(natural_s, pause_s):
    """Voices breathe as they do; only too little and too much is changed."""
    speech = joined(part(after_s=natural_s / 2), part(before_s=natural_s / 2))

    assert pauses_s(speech) == [pytest.approx(pause_s, abs=0.01)]


def test_there_is_no_click():
    """Parts that are broken off at full strength meet softly, with a pause between them or without."""
    loud = part(level=0.8, hertz=191.0)
    steepest = np.abs(np.diff(loud)).max()
    assert abs(loud[-1] - loud[0]) > 4 * steepest, "the example would click"

    for pause_s in (0.0, 0.2):
        speech = joined(loud, loud, pause=exactly(pause_s))
        assert np.abs(np.diff(speech)).max() <= 1.2 * steepest


def test_the_level_stays():
    """But for a few milliseconds at the seams, samples are the engine's own, faint voices' too."""
    for level in (0.8, 0.02):
        parts = [part(0.1, 0.5, 0.2, level=level, hertz=203.7) for _ in range(4)]
        speech = joined(*parts)
        tone = parts[0][round(0.11 * RATE) : round(0.59 * RATE)]
        found = np.lib.stride_tricks.sliding_window_view(speech, len(tone))
        assert int((np.abs(found - tone).max(axis=1) < 1e-6).sum()) == 4


def test_silent_and_empty_parts_are_passed_over():
    """A part without a sound makes no second pause, wherever it stands."""
    silent, nothing = part(0.2, 0.0, 0.2), np.empty(0, np.float32)

    speech = joined(nothing, part(), silent, nothing, part(), silent, pause=exactly(0.3))

    assert pauses_s(speech) == [pytest.approx(0.3, abs=0.01)]
    assert len(speech) / RATE == pytest.approx(1.3, abs=0.05)
    assert len(joined(nothing, nothing)) == 0


def test_sound_flows_at_once():
    """Nothing but a few milliseconds of it waits, and nothing of the silence before it."""
    seams = Seams(RATE)

    assert len(seams.process(part(0.3, 0.0))) == round(0.3 * RATE)
    assert len(seams.process(part(sound_s=1.0))) > 0.99 * RATE


@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 0.01, 0.3])] * 3), min_size=1, max_size=4),
    st.sampled_from([exactly(0.0), exactly(0.5), ANY]),
    st.sampled_from([None, 160, 1000]),
)
@settings(max_examples=examples(60), deadline=None)
def test_however_it_is_fed(shapes, pause, step):
    """The result does not depend on the sizes of the pieces, and sounds are all there."""
    parts = [part(*shape) for shape in shapes]

    whole, fed = joined(*parts, pause=pause), joined(*parts, pause=pause, step=step)

    assert np.array_equal(whole, fed)
    assert len(whole) >= sum(round(shape[1] * RATE) for shape in shapes if shape[1])


@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.5])] * 3), min_size=2, max_size=4),
    st.sampled_from([exactly(0.0), exactly(0.5), exactly(2.0), ANY, Pause(shortest_s=0.0, longest_s=0.3)]),
)
@settings(max_examples=examples(60), deadline=None)
def test_a_part_that_comes_late_gets_the_pause_of_a_prompt_one(shapes, pause):
    """What left before it, so that the listener had it all, is part of the pause."""
    parts = [part(before_s, 0.2, after_s) for before_s, _, after_s in shapes]

    prompt, late = joined(*parts, pause=pause), joined(*parts, pause=pause, late=True)

    assert pauses_s(late) == [pytest.approx(pause_s, abs=0.025) for pause_s in pauses_s(prompt)]


def test_all_sound_is_out_when_the_next_part_is_late():
    """Nothing of it waits, and silence follows that empties an encoder."""
    seams = Seams(RATE)
    out = [seams.process(part(after_s=0.01)), seams.settle(ANY)]

    assert len(np.concatenate(out)) == round((0.5 + ANY.shortest_s - MARGIN_S) * RATE)
    assert len(seams.settle(ANY)) == len(seams.finish()) == 0
