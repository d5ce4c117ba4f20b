"""What a person would say for a text, line by line."""

import pytest

from speechhub.speakable import Line, Normalization, read


def said(text, mode=Normalization.AUTO):
    return [line.text for line in read(text, mode)]


def test_a_heading_does_not_run_into_the_text():
    """A blank line is a longer pause than the end of a sentence."""
    assert list(read("Chapter One\n\nIt was a dark night")) == [
        Line(text="Chapter One", pause_s=0.6),
        Line(text="It was a dark night"),
    ]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\v", "\f", "\x85", "\u2028"])
def test_a_line_ends_however_it_is_written(end):
    """Windows', old Macs' and Unicode's ends of lines are ends of lines."""
    assert said(f"First line{end}Second line{end}{end}New paragraph") == [
        "First line",
        "Second line",
        "New paragraph",
    ]


def test_prose_that_was_wrapped_is_one_line():
    """At 72 columns, or where the next line goes on with a small letter."""
    wrapped = (
        "The committee will meet again on the second Monday of the month, which\n"
        "Doctor Brown of the Royal Academy of Sciences and Letters in the city of\n"
        "Berlin has already announced."
    )

    assert said(wrapped) == [wrapped.replace("\n", " ")]
    assert said("It was a dark\nand stormy\nnight.") == ["It was a dark and stormy night."]
    assert said("She was well-\nknown here.") == ["She was well-known here."]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Buy:\nmilk\neggs", ["Buy:", "milk", "eggs"]),
        ("• one\n• Two\n- three", ["one", "Two", "- three"]),
        ("✅ Done\n❌ Not yet", ["Done", "Not yet"]),
        ("Jo: hi\nmax: hello\nJo Smith: bye", ["Jo: hi", "max: hello", "Jo Smith: bye"]),
        ("[10:32] Anna: hi\n[10:33] Bob: hello", ["[10:32] Anna: hi", "[10:33] Bob: hello"]),
        ("Dear Sir,\nJohn Smith\n12 Main Street", ["Dear Sir, John Smith", "12 Main Street"]),
        ("第一章\n\n那是夜晚。\n他走了", ["第一章", "那是夜晚。", "他走了"]),
        ("السلام عليكم\nكيف حالك", ["السلام عليكم", "كيف حالك"]),
    ],
)
def test_lists_chats_and_letters_keep_their_lines(text, lines):
    """In every script; bullets are not said."""
    assert said(text) == lines


@pytest.mark.parametrize("text", ["milk\neggs\nbread", "Whose woods these are\nI think I know\nHis house is"])
def test_lists_and_verse_keep_their_lines(text):
    """A line that is short ends where it ends."""
    assert said(text) == text.split("\n")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Great job! 🎉👍🏽 See you.", "Great job! See you."),
        ("Hi 👨‍👩‍👧‍👦!", "Hi!"),
        ("🇫🇷 France, 🏴󠁧󠁢󠁥󠁮󠁧󠁿 England", "France, England"),
        ("Press 1️⃣ or #️⃣ now", "Press 1 or now"),
        ("© 2026 Acme™, C♯ → D", "© 2026 Acme™, C♯ → D"),
        ("I ❤️ you", "I you"),
        ("你好🎉世界", "你好世界"),
        ("Fine🙂then", "Fine then"),
    ],
)
def test_emoji_are_skipped(text, spoken):
    """With all that belongs to them; signs that are said stay."""
    assert said(text) == [spoken]


@pytest.mark.parametrize("text", ["🎉", "🇫🇷 ❤️", " 👩‍💻 "])
def test_of_emoji_alone_nothing_is_left(text):
    """There is nothing to say."""
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("I wonder… what she said", "I wonder, what she said"),
        ("I wonder ... what she said", "I wonder, what she said"),
        ("He left. . . She cried", "He left. She cried"),
        ("Well…no", "Well, no"),
        ("And so on [...] to the end", "And so on, to the end"),
        ("“Well…” she said", "“Well,” she said"),
        ("so… um… yes", "so, um, yes"),
        ("Oh… I see", "Oh, I see"),
    ],
)
def test_an_ellipsis_is_a_pause(text, spoken):
    """Engines' front ends go over dots; no engine goes over a comma."""
    assert said(text) == [spoken]


@pytest.mark.parametrize(
    "text",
    [
        "…",
        "Really…?",
        "The end…",
        "Ranges 1...5",
        "他问……真的？",
        "انتظر... ماذا",
        ".../usr/lib",
        "etc...) more",
        "Go...!",
    ],
)
def test_an_ellipsis_that_is_no_pause_stays(text):
    """At the end, before another stop, in numbers, and in scripts that are left alone."""
    assert said(text) == [text]


def test_none_leaves_a_text_alone():
    """Each byte of it."""
    text = " # Über\r\n\r\n* 🎉 <b>x</b> …\u2028 "

    assert list(read(text, Normalization.NONE)) == [Line(text=text)]
