"""What clients wrote, as messages and the log show it."""

import pytest

from speechhub.errors.excerpt import excerpt, quoted


@pytest.mark.parametrize("text", ["", "tts-1", "x" * 100])
def test_what_is_short_is_shown_whole(text):
    """A hundred characters are enough for any honest name."""
    assert excerpt(text) == text
    assert quoted(text) == repr(text)


def test_what_is_long_is_cut_and_its_length_is_told():
    """So that one recognises it."""
    text = "x" * 10_000_000

    assert excerpt(text) == "x" * 100 + "… (10000000 characters)"
    assert quoted(text) == "'" + "x" * 100 + "…' (10000000 characters)"


def test_what_cannot_be_seen_is_escaped():
    """Control characters of a client's do not reach a terminal."""
    assert quoted("\x1b[2J" * 100) == repr("\x1b[2J" * 25 + "…") + " (400 characters)"
