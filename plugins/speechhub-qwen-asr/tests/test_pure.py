"""Parts that need no model: words, loops, context, sound, deltas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.engine import split_into_sentences
from speechhub_qwen_asr import ENGINE
from speechhub_qwen_asr.alignment import Unit, place_words, repair, spread
from speechhub_qwen_asr.context import MAX_CHARS, echoes, make_context
from speechhub_qwen_asr.languages import LANGUAGES, code_of
from speechhub_qwen_asr.loops import find_loop
from speechhub_qwen_asr.recognizer import Deltas, budget
from speechhub_qwen_asr.sound import find_sound
from speechhub_qwen_asr.tags import certain_part, without_tags


def units(*texts):
    return [Unit(text=text, start_s=0.2 * k, end_s=0.2 * k + 0.1) for k, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "given_units", "words"),
    [
        (' He said: "Don\'t!"', ["He", "said", "Don't"], [" He", " said:", ' "Don\'t!"']),
        (" twenty-five (or so)…", ["twentyfive", "or", "so"], [" twenty-five", " (or", " so)…"]),
        ("我爱 Python。", ["我", "爱", "Python"], ["我", "爱", " Python。"]),
        (" one two three", ["one", "zwei"], [" one two three"]),
        (" one", ["eins"], []),
        (" - yes", ["yes"], [" - yes"]),
        (" HE is 25", ["he", "is", "25"], [" HE", " is", " 25"]),
        ("one(two)\u201cthree\u201d", ["one", "two", "three"], ["one", "(two)", "\u201cthree\u201d"]),
    ],
)
def test_punctuation_is_mapped_back(text, given_units, words):
    """Words join to the text, whatever the aligner dropped; a unit that does not fit ends the search."""
    assert [word.text for word in place_words(text, units(*given_units), 10.0)] == words


@pytest.mark.parametrize(
    ("times", "fixed"),
    [
        ([(0.1, 0.3), (0.5, 0.9)], [(0.1, 0.3), (0.5, 0.9)]),
        ([(0.16, 0.16), (0.8, 1.0)], [(0.16, 0.24), (0.8, 1.0)]),
        ([(0.0, 0.0), (0.0, 0.0)], [(0.0, 0.08), (0.08, 0.16)]),
        ([(0.0, 0.4), (2.0, 2.0)], [(0.0, 0.4), (1.92, 2.0)]),
        ([(0.0, 1.0), (1.0, 1.0), (1.0, 2.0)], [(0.0, 0.92), (0.92, 1.0), (1.0, 2.0)]),
        ([(1.0, 3.0), (0.5, 4.0)], [(1.0, 1.92), (1.92, 2.0)]),
        ([(0.1, 0.13)], [(0.1, 0.18)]),
        ([(0.1, 0.15)], [(0.1, 0.15)]),
        ([(0.1, 0.1), (1.0, 1.0)], [(0.1, 0.55), (0.55, 1.0)]),
        ([(0.0, 1.0), (1.0, 1.0), (1.06, 2.0)], [(0.0, 1.0), (1.0, 1.06), (1.06, 2.0)]),
    ],
)
def test_times_are_repaired(times, fixed):
    """Words without length get some, from the silence beside them or from the word before."""
    assert repair(times, 2.0) == fixed


# Not st.floats: the aligner's libraries switch off the smallest numbers, and Hypothesis notices.
TIMES_S = st.integers(-100, 900).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.tuples(TIMES_S, TIMES_S), max_size=12), st.integers(1, 80).map(lambda tenths: tenths / 10))
def test_repaired_times_are_in_order(times, duration_s):
    """Whatever the aligner says, words follow each other within the clip."""
    fixed = repair(times, duration_s)

    flat = [time_s for pair in fixed for time_s in pair]
    assert flat == sorted(flat)
    assert all(-0.001 <= time_s <= duration_s + 0.001 for time_s in flat)


@given(st.text(max_size=40), st.lists(st.text(max_size=6), max_size=6))
def test_words_are_always_those_of_the_text(text, texts):
    """Nothing is lost or made up."""
    words = place_words(text, units(*texts), 10.0)

    assert "".join(word.text for word in words) == (text if words else "")


def test_segments_are_sentences():
    """A full stop ends a segment."""
    words = place_words(" Yes. It is.", units("Yes", "It", "is"), 10.0)

    assert ["".join(word.text for word in group) for group in split_into_sentences(words)] == [
        " Yes.",
        " It is.",
    ]


@pytest.mark.parametrize(
    ("tokens", "cut"),
    [
        ([1, 2, *[3] * 24], 3),
        ([1, *[2, 3, 4, 5] * 6], 5),
        ([1, *[2, 3, 4, 5] * 5], None),
        ([9, 2, *[3, 2] * 12], 3),  # "可是", then "但是" for ever, as users report it
        ([4, 5, *[6, 5] * 13], 3),  # But, but, but, …
        ([3, 2] * 11, None),
        ([*[7, 8] * 10], None),
        ([7] * 23, None),
        ([2, 3, 4, 5] * 6, 4),
        ([5, *[2, 3, 4, 5] * 6], 4),
        ([*range(90, 100), *[1, 2, 3, 4, 5] * 5], None),
        ([*range(40)] * 6, 40),
        ([*range(41)] * 6, None),
        (list(range(100)), None),
        ([], None),
    ],
)
def test_circles_are_found(tokens, cut):
    """Six rounds of together 24 tokens are a loop; laughing and a chorus are none."""
    assert find_loop(tokens) == cut


def test_the_context_is_bounded():
    """Keywords come first; of a prompt the end is kept."""
    context = make_context("a" * MAX_CHARS + " the end", ("fox",))

    assert context.startswith("fox\n")
    assert context.endswith("the end")
    assert len(context) <= MAX_CHARS + 1
    assert make_context(None, ()) == ""


def test_echoes_are_whole_words_in_order():
    """One word may well be said; several in the same order look copied."""
    assert echoes("Fox, badger.", "fox badger owl")
    assert not echoes("Badger fox", "fox badger owl")
    assert not echoes("fox", "fox badger owl")


def test_sound_is_told_from_silence():
    """Where sound begins and ends, to a frame; noise at -70 dBFS is none."""
    noise = np.random.default_rng(1).normal(0, 0.0003, 16_000).astype(np.float32)
    samples = noise.copy()
    samples[4_000:8_000] = 0.1

    assert find_sound(noise, 16_000) is None
    assert find_sound(samples, 16_000) == pytest.approx((0.24, 0.5), abs=0.021)
    assert find_sound(np.zeros(0, np.float32), 16_000) is None


def test_deltas_wait_for_whole_characters():
    """Half a character is held back, and so are spaces and the language."""
    texts = [
        "lang",
        "language German",
        "language German<asr_text>",
        " ",
        "\u00e4\ufffd",
        "\u00e4\u00f6 ",
        "!",
    ]
    said = []
    deltas = Deltas(lambda tokens: "".join(said), tagged=True)
    out = []
    for text in [*texts[:1], texts[1][4:], texts[2][15:], " ", "\u00e4\ufffd"]:
        said.append(text)
        out.append(deltas.add(0))
    said[-1] = "\u00e4\u00f6 "
    out.append(deltas.add(0))

    assert out == ["", "", "", "", "\u00e4", "\u00f6"]
    assert deltas.said == "\u00e4\u00f6"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Hello.", "Hello."),
        ("Hello. language Chinese<asr_text>你好。", "Hello. 你好。"),
        ("Hello.language Chinese<asr_text>你好。<asr_text>", "Hello.你好。"),
        ("language None<asr_text>", ""),
        ("language <asr_text>Hm.", "Hm."),
        ("The language is Chinese.", "The language is Chinese."),
        ("slanguage Dutch<asr_text>x", "slanguage Dutchx"),
    ],
)
def test_marks_are_no_text(text, plain):
    assert without_tags(text) == plain


@pytest.mark.parametrize(
    ("text", "certain"),
    [("A lang", "A "), ("A slang", "A slang"), ("A language Du", "A "), ("slanguage Du", "slanguage Du")],
)
def test_a_mark_begins_a_word(text, certain):
    """What ends in the same letters need not wait."""
    assert certain_part(text) == certain


@pytest.mark.parametrize("tagged", [False, True])
def test_marks_in_the_middle_never_stream(tagged):
    """What may be the beginning of one waits, and what is none comes."""
    text = "My language is this. lang. a < b language Chinese<asr_text>你好<asr_text>!"
    said = []
    deltas = Deltas(lambda tokens: "".join(said), tagged=tagged)
    out = []
    for char in ("language English<asr_text>" if tagged else "") + text:
        said.append(char)
        out.append(deltas.add(0))

    assert "".join(out) == deltas.said == "My language is this. lang. a < b 你好!"


def test_many_words_in_a_moment_are_spread():
    """Over the stretch up to the next word that is well, or the end of the sound; five are left alone."""
    bunch = [(1.0, 1.0)] * 6
    good = [(0.2, 0.8), *bunch, (4.0, 4.5)]

    assert spread(good, 9.0) == [good[0], *[(1.0 + k / 2, 1.5 + k / 2) for k in range(6)], good[-1]]
    assert spread(bunch, 2.2)[-1] == pytest.approx((2.0, 2.2))
    assert spread(bunch[:5], 2.2) == bunch[:5]
    assert spread([(k * 0.08, k * 0.08 + 0.08) for k in range(9)], 9.0)[1] == (0.08, 0.16)
    assert spread([(1.1, 1.18)] * 6, 9.0) == [(1.1, 1.18)] * 6, "a step, but for what floats lose"
    assert spread([(1.0, 1.0)] * 6, 0.5) == [(1.0, 1.0)] * 6


def test_words_of_a_bunch_fill_the_sound():
    text = " one two three four five six seven"
    found = place_words(
        text, [Unit(text=part, start_s=1.0, end_s=1.0) for part in text.split()], 10.0, sound_end_s=4.5
    )

    assert [word.start_s for word in found] == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]


def test_the_last_word_ends_with_the_sound():
    [_, last] = place_words(" a b", units("a", "b"), 10.0, sound_end_s=0.29)
    assert last.end_s == 0.29
    [alone] = place_words(" a", [Unit(text="a", start_s=0.0, end_s=0.3)], 10.0, sound_end_s=0.08)
    assert alone.end_s == 0.08
    [_, early] = place_words(" a b", units("a", "b"), 10.0, sound_end_s=5.0)
    assert early.end_s == 0.3
    [_, late] = place_words(" a b", units("a", "b"), 10.0, sound_end_s=0.21)
    assert late.end_s == 0.3, "a word that begins with the end of the sound keeps its length"


def test_languages_are_known_by_code_and_name():
    """Each of the 30 goes there and back; several are known by the first."""
    assert len(LANGUAGES) == 30
    assert all(code_of(name) == code for code, name in LANGUAGES.items())
    assert code_of("Chinese,English") == "zh"
    assert code_of("") is None


def test_the_budget_grows_with_the_clip():
    """Half a minute has room for the fastest speech, and a blink for a word."""
    assert budget(30.0) == 424
    assert budget(0.1) == 65


def test_each_passage_tells_its_language():
    """The model translates what it is told to be in another one."""
    assert ENGINE.capabilities.detects_per_passage


@pytest.mark.mission("9.5")
def test_the_smaller_model_is_the_default():
    """It has the highest preference, and fits a GPU of 4 GB."""
    small, large = ENGINE.models

    assert small.preference > large.preference > 0
    assert small.memory_bytes < 3_000_000_000
