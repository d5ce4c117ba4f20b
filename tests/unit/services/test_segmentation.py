"""Long texts are cut into whole sentences."""

import hypothesis.strategies as st
from hypothesis import given

from speechhub.services.segmentation import split_text


def test_a_short_text_stays_whole():
    """Nothing is cut that need not be."""
    assert split_text("One. Two. Three.", limit_chars=100) == ["One. Two. Three."]


def test_a_long_text_is_cut_between_sentences():
    """Each piece holds as many whole sentences as fit; an abbreviation ends none."""
    text = "Dr. Brown came at nine. He was late. Nobody minded. The tea was cold by then."

    assert split_text(text, limit_chars=40) == [
        "Dr. Brown came at nine. He was late.",
        "Nobody minded. The tea was cold by then.",
    ]


def test_the_first_sentence_can_stand_alone():
    """An engine without streaming speaks the first sentence first, however short the text is."""
    assert split_text("It rains. It snows. It shines.", limit_chars=99, first_alone=True) == [
        "It rains.",
        "It snows. It shines.",
    ]


def test_chinese_sentences_end_without_spaces():
    """Full-width punctuation ends sentences too."""
    assert split_text("今天天气很好。我们去公园吧！好吗？", limit_chars=8) == [
        "今天天气很好。",
        "我们去公园吧！",
        "好吗？",
    ]


def test_an_endless_sentence_is_cut_at_a_clause_then_at_a_space():
    """What has no end within the limit is cut where it hurts least."""
    assert split_text("first of all, there was light everywhere", limit_chars=20) == [
        "first of all,",
        "there was light",
        "everywhere",
    ]
    assert split_text("x" * 25, limit_chars=10) == ["x" * 10, "x" * 10, "x" * 5]


@given(st.text(alphabet="ab .!?,。，\n", min_size=1, max_size=300), st.integers(5, 60), st.booleans())
def test_nothing_is_lost_and_nothing_is_too_long(text, limit, first_alone):
    """Every letter is spoken once and in order, in pieces within the limit."""
    pieces = split_text(text, limit_chars=limit, first_alone=first_alone)

    assert all(len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
