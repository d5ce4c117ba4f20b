"""Writes numbers, abbreviations and notation as words. Pure; time grows linearly with the text."""

from collections.abc import Collection
from typing import Final

from speechhub.speakable.wording.abbreviations import expand
from speechhub.speakable.wording.amounts import read_amounts
from speechhub.speakable.wording.grammar import RewriteKind
from speechhub.speakable.wording.languages import GRAMMARS
from speechhub.speakable.wording.notation import join_thousands, read_notation, read_ranges
from speechhub.speakable.wording.numerals import read_numbers
from speechhub.speakable.wording.rewriting import rewrite

NUMBERS: Final = "numbers"
NOTATION: Final = "notation"
COMMON_ABBREVIATIONS: Final = "common_abbreviations"
ABBREVIATIONS: Final = "abbreviations"


def in_words(text: str, language: str | None, reads: Collection[str] = ()) -> str:
    """Return *text* with everything that its engine cannot read written as words.

    Ambiguous notation stays unchanged, and so does everything in a language without rules.

    Args:
        text: Any text.
        language: ISO 639-1 code; None if it is unknown.
        reads: What the engine reads by itself: any of `NUMBERS`, `NOTATION`, `COMMON_ABBREVIATIONS` and
            `ABBREVIATIONS`, which includes the common ones.
    """
    grammar = GRAMMARS.get(language or "")
    if grammar is None:
        return text
    if ABBREVIATIONS not in reads:
        text = expand(text, grammar, common=COMMON_ABBREVIATIONS not in reads)
        text = rewrite(text, grammar, RewriteKind.ABBREVIATION)
    if NOTATION not in reads:
        text = rewrite(text, grammar, RewriteKind.NOTATION)
        text = read_notation(text, grammar)
        text = read_amounts(text, grammar)
        text = join_thousands(read_ranges(text, grammar))
    if NUMBERS in reads:
        return text
    return read_numbers(rewrite(text, grammar, RewriteKind.NUMBER), grammar)


__all__ = ["ABBREVIATIONS", "COMMON_ABBREVIATIONS", "NOTATION", "NUMBERS", "in_words"]
