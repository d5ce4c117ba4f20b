"""Lines become the texts of an engine's calls."""

import pytest

from speechhub.codecs.crossfade import Pause
from speechhub.services.pieces import BETWEEN_SENTENCES, MOST_PAUSES, PieceRules, TextPiece, pieces
from speechhub.speakable import Line


def texts(lines, **how):
    return [piece.text for piece in pieces([Line(text=line) for line in lines], PieceRules(**how))]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["One", "Two", "Three"], "One. Two. Three"),
        (["milk", "eggs"], "milk; eggs"),
        (["1. Milk", "2. Eggs!", "3. Bread"], "1. Milk. 2. Eggs! 3. Bread"),
        (["Buy:", "milk,", "eggs"], "Buy: milk, eggs"),
        (["第一章", "那是一个夜晚。", "好"], "第一章。那是一个夜晚。好"),
        (["He said “Yes.”", "She left"], "He said “Yes.” She left"),
    ],
)
def test_short_lines_share_a_call_with_stops_between(lines, text):
    """The stops are such as every engine keeps."""
    assert texts(lines) == [text]


def test_a_line_that_would_run_into_the_next_is_a_call():
    """Piper goes over a full stop before a small letter, and over dots."""
    assert texts(["hi.", "how are you", "I wonder…", "Fine"]) == ["hi.", "how are you. I wonder…", "Fine"]


def test_a_paragraph_is_a_call_with_a_longer_pause():
    """And what the text asks for is kept to the millisecond."""
    lines = [
        Line(text="Title", pause_s=0.6),
        Line(text="Wait", pause_s=2.0, asked=True),
        Line(text="Go."),
    ]

    assert list(pieces(lines, PieceRules())) == [
        TextPiece(text="Title", pause=Pause(shortest_s=0.6, longest_s=1.0)),
        TextPiece(text="Wait", pause=Pause(shortest_s=2.0, longest_s=2.0), asked=True),
        TextPiece(text="Go."),
    ]


def test_a_pause_between_sentences_that_a_client_asks_for_wins():
    """Over that of paragraphs; a longer one that the text itself asks for stays."""
    lines = [
        Line(text="A title", pause_s=0.6),
        Line(text="One. Two.", pause_s=2.0, asked=True),
        Line(text="Three", pause_s=0.2, asked=True),
        Line(text="Four"),
    ]

    cut = list(pieces(lines, PieceRules(each_alone=True, interval_s=0.3)))

    assert [piece.text for piece in cut] == ["A title", "One.", "Two.", "Three", "Four"]
    assert [piece.pause.shortest_s for piece in cut[:-1]] == [0.3, 0.3, 2.0, 0.3]


def test_the_first_sentence_alone_is_heard_soon():
    """However short the lines after it are."""
    assert texts(["One", "Two", "Three"], first_alone=True) == ["One", "Two. Three"]


def test_no_piece_is_longer_than_an_engine_takes():
    """Lines are joined as long as they fit, and cut where one does not."""
    cut = texts(["word " * 30, "short", "Other"], limit_chars=60)

    assert all(len(text) <= 60 for text in cut)
    assert "".join(cut).count("word") == 30
    assert cut[-1].endswith("short. Other")


def test_thousands_of_paragraphs_are_not_thousands_of_calls():
    """The first have pauses of their own; then the engine's have to do."""
    lines = [Line(text="A", pause_s=0.6)] * 3000

    cut = list(pieces(lines, PieceRules()))

    assert MOST_PAUSES < len(cut) < MOST_PAUSES + 20
    assert cut[-1].pause in (BETWEEN_SENTENCES, TextPiece(text="").pause)
