"""The page about numbers and abbreviations: what it shows is what the server does."""

import re

import pytest

from speechhub.engine import TextPart
from speechhub.speakable.wording import in_words
from speechhub.speakable.wording.languages import GRAMMARS
from tests.docs.pages import DOCS

PAGE = (DOCS / "reading-text.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([a-z]{2}) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("language", "written", "said"), ROWS)
def test_each_example_is_read_as_the_page_says(language, written, said):
    """By an engine that declares nothing."""
    assert in_words(written, language) == said


def test_every_language_with_rules_for_everything_has_an_example():
    """The table leaves none out."""
    assert {language for language, _, _ in ROWS} >= {
        language for language, grammar in GRAMMARS.items() if grammar.currencies
    }


def test_every_part_is_explained():
    """Each name that an engine can declare stands on the page, but for markup, which has its own."""
    assert all(f"| `{part}` |" in PAGE for part in TextPart if part is not TextPart.MARKUP)
