"""Fifty texts as people send them, and what an engine that reads numbers gets for each."""

import tomllib
from pathlib import Path

import pytest

from speechhub.engine import TextPart
from speechhub.services.wording import worded
from speechhub.speakable import read

TEXTS = tomllib.loads((Path(__file__).parents[2] / "texts" / "fifty.toml").read_text("utf-8"))["text"]
READS = (TextPart.NUMBERS, TextPart.COMMON_ABBREVIATIONS)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text["sent"][:30])
def test_a_text_is_read_as_a_person_would(text):
    """Markup, emoji and tags are gone, lines stay apart, and what the engine cannot read is in words."""
    lines = worded(list(read(text["sent"])), "en", READS)

    assert [line.text for line in lines] == text["lines"]


def test_there_are_fifty():
    """The data file is whole."""
    assert len({text["sent"] for text in TEXTS}) == 50
