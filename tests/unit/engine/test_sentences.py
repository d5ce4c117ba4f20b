"""Timed words become segments that read well."""

import pytest

from speechhub.engine import Word, split_into_sentences


def words(text, step_s=0.5):
    parts = text.split()
    return [Word(text=f" {part}", start_s=n * step_s, end_s=(n + 1) * step_s) for n, part in enumerate(parts)]


def texts(some):
    return ["".join(word.text for word in group).strip() for group in split_into_sentences(some)]


def test_sentences_end_segments():
    """A segment ends with a sentence, quotation marks included."""
    assert texts(words('He said: "No." Then he left! Why?')) == ['He said: "No."', "Then he left!", "Why?"]


def test_long_sentences_are_cut_at_commas_and_in_need_anywhere():
    """No segment is too long to read."""
    assert texts(words("one two three four five six seven eight nine ten eleven twelve, thirteen")) == [
        "one two three four five six seven eight nine ten eleven twelve,",
        "thirteen",
    ]
    assert [len(text.split()) for text in texts(words("word " * 50))] == [24, 24, 2]


def test_pauses_end_segments():
    """A pause separates, punctuation or not."""
    before = words("we wait")
    after = [Word(text=" longer", start_s=3.0, end_s=3.5)]

    assert texts(before + after) == ["we wait", "longer"]


def test_no_word_is_lost():
    """Every word comes out once, in order."""
    some = words("a b. c, d! e f? g " * 20)

    assert [word for group in split_into_sentences(some) for word in group] == some


@pytest.mark.parametrize(
    ("parts", "segments"),
    [
        (["「", "はい。」", "と", "彼は"], ["「はい。」", "と彼は"]),
        (["『", "いいえ！』", "と"], ["『いいえ！』", "と"]),
        (["“你好。”", "他说"], ["“你好。”", "他说"]),
        (["क्या", "है।", "हाँ"], ["क्याहै।", "हाँ"]),
        (["كيف", "حالك؟", "بخير"], ["كيفحالك؟", "بخير"]),
    ],
)
def test_sentences_of_other_scripts_end_segments(parts, segments):
    """Their full stops count, and the quotation marks that close behind them stay with the sentence."""
    some = [Word(text=part, start_s=n * 0.5, end_s=(n + 1) * 0.5) for n, part in enumerate(parts)]

    assert ["".join(word.text for word in group) for group in split_into_sentences(some)] == segments


def test_nothing_is_split_into_nothing():
    assert list(split_into_sentences([])) == []
