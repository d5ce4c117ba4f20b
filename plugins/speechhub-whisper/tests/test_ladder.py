"""Budgets, temperatures and repeats, without a model."""

from dataclasses import replace

import pytest

from speechhub_whisper.clips import Clip
from speechhub_whisper.ladder import LADDER, NOTHING, Attempt, climb
from speechhub_whisper.loops import without_loop
from speechhub_whisper.rounds import fits
from speechhub_whisper.work import MAX_TOKENS, SpentError, Work, budget

GOOD = Attempt(tokens=(1, 2, 3), temperature=0.0, avg_logprob=-0.3, compression_ratio=1.2, no_speech_prob=0.1)
GUESS = replace(GOOD, avg_logprob=-1.2)
NONSENSE = replace(GOOD, avg_logprob=-1.8)
REPEAT = replace(GOOD, tokens=(1,) * 50, compression_ratio=5.0, avg_logprob=-0.1)
ENDLESS = replace(REPEAT, tokens=(1,) * 106, ran_away=True)


def climbing(*attempts, salvaged=NOTHING):
    """Climb with these attempts; return the temperatures that were tried, and what was believed."""
    rest, tried = iter(attempts), []

    def attempt(temperature):
        tried.append(temperature)
        return replace(next(rest), temperature=temperature)

    return tried, climb(LADDER, attempt, lambda one: salvaged)


def test_a_good_text_is_taken_at_once():
    """Nothing else is tried when the first text is good."""
    assert climbing(GOOD) == ([0.0], GOOD)


def test_silence_is_not_tried_again():
    """A guess that seems to hold no speech is silence."""
    silence = replace(GUESS, no_speech_prob=0.9)

    assert climbing(silence) == ([0.0], silence)


def test_guesses_climb_the_whole_ladder():
    """As in faster-whisper, the likeliest of six guesses is taken, with the last temperature."""
    likeliest = replace(GUESS, avg_logprob=-1.1)

    tried, best = climbing(GUESS, likeliest, GUESS, NONSENSE, GUESS, GUESS)

    assert tried == list(LADDER)
    assert best == replace(likeliest, temperature=1.0)


def test_texts_without_an_end_make_larger_steps():
    """A model that finds no end has three temperatures to find one, and then says nothing."""
    tried, best = climbing(ENDLESS, ENDLESS, ENDLESS)

    assert tried == [0.0, 0.2, 0.6]
    assert best == NOTHING
    assert best.is_silence


def test_a_text_that_nobody_can_say_so_fast_is_nonsense():
    """A text that used up the budget of a short clip is not taken, however sure the model is."""
    tried, best = climbing(*[replace(GOOD, ran_away=True, too_fast=True)] * 3)

    assert tried == [0.0, 0.2, 0.6]
    assert best == NOTHING


def test_a_whole_window_may_be_full():
    """Thirty seconds in a dense script reach Whisper's own limit, and are taken as they are."""
    full = replace(GOOD, ran_away=True)

    assert climbing(full) == ([0.0], full)
    assert Work(29.0).ran_away(MAX_TOKENS)
    assert not Work(29.0).too_fast(MAX_TOKENS)
    assert Work(3.0).too_fast(106)


def test_one_text_without_an_end_costs_no_temperature():
    """What is good at the next temperature is taken."""
    assert climbing(ENDLESS, GOOD) == ([0.0, 0.2], replace(GOOD, temperature=0.2))


@pytest.mark.parametrize(("other", "kept"), [(GUESS, True), (NONSENSE, False)])
def test_nonsense_beside_a_text_without_an_end_is_dropped(other, kept):
    """Where one temperature found no end, another's text is believed if it is no nonsense."""
    salvaged = replace(GOOD, tokens=(7,))

    _, best = climbing(ENDLESS, *[other] * 5, salvaged=salvaged)

    assert best == (replace(other, temperature=1.0) if kept else salvaged)


def test_two_temperatures_that_agree_on_repeats_are_believed():
    """A refrain that two temperatures hear alike is in the recording, and no third is tried."""
    tried, best = climbing(REPEAT, replace(REPEAT, tokens=(1,) * 48))

    assert tried == [0.0, 0.2]
    assert best == REPEAT


@pytest.mark.parametrize(
    "other",
    [replace(REPEAT, tokens=(1,) * 40), replace(REPEAT, avg_logprob=-0.8), replace(REPEAT, ran_away=True)],
    ids=["other length", "unsure", "endless"],
)
def test_repeats_that_differ_are_not_believed(other):
    """Two temperatures that hear different repeats do not agree."""
    tried, _ = climbing(REPEAT, other, GOOD)

    assert len(tried) == 3


def test_the_budget_grows_with_the_clip():
    """A clip may have several times the tokens that speech has, and a long one all that Whisper can write."""
    assert budget(0.0) == 16
    assert budget(3.0) == 106
    assert budget(29.0) == budget(3600.0) == MAX_TOKENS


@pytest.mark.parametrize("prompt_tokens", [3, 4, 120, 227])
def test_ctranslate2_is_told_the_budget(prompt_tokens):
    """CTranslate2 halves its limit and takes the prompt off: what remains for text is the budget."""
    work = Work(3.0)

    limit = work.max_length(prompt_tokens, 448)

    assert min(limit // 2, limit - prompt_tokens) == work.max_tokens
    assert Work(29.0).max_length(prompt_tokens, 448) == 448, "a whole window is as it was"


def test_a_clip_ends_when_it_has_cost_enough():
    """Windows that use up their budgets leave fewer temperatures for the next ones, and then none."""
    work = Work(3.0)

    for temperatures in ([*LADDER], [0.0], [0.0]):
        assert work.begin_window(list(LADDER)) == temperatures
        for _ in temperatures[:3]:
            work.count(work.max_tokens)
    with pytest.raises(SpentError):
        work.begin_window(list(LADDER))


def test_windows_that_do_not_move_on_end():
    """A window costs something even when its text is empty, so that the search ends."""
    work = Work(3.0)

    for _ in range(16):
        assert work.begin_window(list(LADDER)) == list(LADDER)
    for _ in range(11):
        assert work.begin_window(list(LADDER)) == [0.0]
    with pytest.raises(SpentError):
        work.begin_window(list(LADDER))


def test_a_long_clip_may_cost_more():
    """Without the voice detector, an hour is one clip: it has the work of 120 windows."""
    work = Work(3600.0)

    for _ in range(120):
        assert work.begin_window(list(LADDER)) == list(LADDER)
        work.count(MAX_TOKENS)


@pytest.mark.parametrize(
    ("tokens", "left"),
    [
        ([9, 8, *[1, 2, 3] * 5, 1], [9, 8, 1, 2, 3]),
        ([5, *[7] * 20], [5, 7]),
        ([*range(20)], [*range(20)]),
        ([9, 1, 1, 1], [9, 1, 1, 1]),
        ([], []),
    ],
    ids=["a phrase", "a word", "none", "no, no, no", "nothing"],
)
def test_circles_are_cut_after_the_first_round(tokens, left):
    """What ends in circles is left with one of them; ordinary text and a few repeats stay."""
    assert without_loop(tokens) == left


def words(count, length_s, step_s):
    return [(n * step_s, n * step_s + length_s) for n in range(count)]


CLIP = Clip(start_s=0.0, end_s=20.0, speech=((0.0, 9.0), (10.0, 20.0)))


@pytest.mark.parametrize(
    ("some", "tokens", "does"),
    [
        (words(60, 0.3, 0.33), 70, True),
        (words(30, 0.3, 0.66), 35, False),
        (words(20, 1.2, 1.0), 25, False),
        (words(60, 0.3, 0.33) + words(20, 0.0, 0.1), 90, False),
        (words(60, 0.3, 0.33), 200, False),
    ],
    ids=["round for round", "left out", "stretched", "made up", "too fast"],
)
def test_repeats_fit_the_sound(some, tokens, does):
    """A text with as many rounds as the recording fits it; one with more or fewer does not."""
    assert fits(some, CLIP, tokens) is does
