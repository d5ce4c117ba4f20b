"""Words with their pronunciation: neither tags, nor markup, nor to be cut or put into words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.services.segmentation import split_text
from speechhub.services.wording import worded
from speechhub.speakable import Line, Normalization, read
from speechhub.speakable.annotations import ANNOTATION, Annotations, words_alone

TEXTS = [
    "银<行|HANG2>在左边。",
    "I <read|R EH1 D> it.",
    "Keep <going|G OW1 . IH0 NG>!",
    "<今日|きょう>は<東京|トウキョウ>です。",
    "<重庆|CHONG2 QING4>很大",
    "A <break|B R EY1 K>, a <p|P IY1> and a <sub|S AH1 B>.",
    "<lü|LÜ4><女|nü3>",
]


def said(text, mode=Normalization.AUTO, **how):
    return [line.text for line in read(text, mode, **how)]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("mode", [Normalization.AUTO, Normalization.MARKDOWN])
def test_an_engine_that_reads_them_gets_them_whole(text, mode):
    """Though some begin like tags."""
    assert said(text, mode, annotations=True) == [text]


@pytest.mark.parametrize(
    ("text", "words"),
    list(
        zip(
            TEXTS,
            [
                "银行在左边。",
                "I read it.",
                "Keep going!",
                "今日は東京です。",
                "重庆很大",
                "A break, a p and a sub.",
                "lü女",
            ],
            strict=True,
        )
    ),
)
def test_other_engines_get_the_word(text, words):
    """Brackets, bar and pronunciation are not said."""
    assert said(text) == [words]


@pytest.mark.parametrize(
    "text", ["List<int|str>", "a < b | c > d", "<a|b>", "<|R EH1 D>", "<a|>", "<a|R EH D>"]
)
def test_what_gives_no_pronunciation_is_none(text):
    """Code and comparisons stay as they are."""
    assert words_alone(text) == text


def test_markup_around_them_is_read():
    """In tables, emphasis, lists, and SSML, escaped or not."""
    table = "| a | b |\n| --- | --- |\n| <行|XING2> | **<read|R EH1 D>** |\n"

    assert said(table, annotations=True) == ["a, b", "<行|XING2>, <read|R EH1 D>"]
    assert said("<speak>银<行|HANG2>&lt;行|XING2&gt;</speak>", annotations=True) == ["银<行|HANG2><行|XING2>"]
    assert said("<speak>银&lt;行|HANG2&gt;</speak>") == ["银行"]


def test_a_text_that_is_to_stay_stays():
    """With the mode none."""
    assert said("I <read|R EH1 D>", Normalization.NONE) == ["I <read|R EH1 D>"]


def test_they_are_not_put_into_words():
    """The text around them is."""
    lines = worded([Line(text="3 <Dr. No|D AA1 K . N OW1> 5")], "en", ())

    assert [line.text for line in lines] == ["three <Dr. No|D AA1 K . N OW1> five"]


@pytest.mark.parametrize("limit_chars", [1, 10, 21, 35, 60, 1000])
def test_no_piece_ends_inside_one(limit_chars):
    """Neither at a full stop, nor at a space, nor between two characters; and nothing is lost."""
    one = "<Yahoo! Go|Y AA1 . G OW1>"
    text = f"Keep {one}{one}. 好<好。3|HAO3>。3 Do {one} . Yes, {one}银<行|HANG2>"

    found = list(split_text(text, limit_chars=limit_chars, each_alone=True))

    assert max(map(len, found)) <= max(limit_chars, len(one))
    assert sum(len(ANNOTATION.findall(piece)) for piece in found) == 6
    assert "".join("".join(found).split()) == "".join(text.split())


@given(st.lists(st.sampled_from(["<行|XING2>", "<a|B1>", "\U00013000", "x", " ", "<", "|"]), max_size=40))
def test_what_is_hidden_comes_back(parts):
    """Also where a text holds the letters that hide."""
    text = "".join(parts)
    hidden = Annotations()

    assert hidden.show(hidden.hide(text)) == text


def test_more_than_a_thousand_are_told_apart():
    """They are numbered."""
    text = "".join(f"<w{number}|A1>" for number in range(1500))
    hidden = Annotations()

    assert "|" not in (letters := hidden.hide(text))
    assert hidden.show(letters) == text
