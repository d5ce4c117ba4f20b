"""The supported languages, each in a module of its own."""

from collections.abc import Mapping
from typing import Final

from speechhub.speakable.wording.grammar import Grammar
from speechhub.speakable.wording.languages.dutch import DUTCH
from speechhub.speakable.wording.languages.english import ENGLISH
from speechhub.speakable.wording.languages.french import FRENCH
from speechhub.speakable.wording.languages.german import GERMAN
from speechhub.speakable.wording.languages.italian import ITALIAN
from speechhub.speakable.wording.languages.others import OTHERS
from speechhub.speakable.wording.languages.portuguese import PORTUGUESE
from speechhub.speakable.wording.languages.russian import RUSSIAN
from speechhub.speakable.wording.languages.spanish import SPANISH

GRAMMARS: Final[Mapping[str, Grammar]] = {
    grammar.language: grammar
    for grammar in (
        DUTCH, ENGLISH, FRENCH, GERMAN, ITALIAN, PORTUGUESE, RUSSIAN, SPANISH, *OTHERS,
    )
}  # fmt: skip
"""By ISO 639-1 code. Chinese, Japanese and Korean are left to engines, which read their numbers."""
