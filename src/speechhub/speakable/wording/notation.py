"""Writes ranges, dates and telephone numbers as words."""

import re
from datetime import date
from functools import lru_cache
from typing import Final

from speechhub.speakable.wording.borders import AFTER, AFTER_NUMBER, BEFORE, SPACE, word_before
from speechhub.speakable.wording.grammar import Grammar
from speechhub.speakable.wording.quantity import year
from speechhub.speakable.wording.spelling import spell, spell_digits

_SPACED: Final = re.compile(f"{BEFORE}[0-9]{{1,3}}(?:[\u00a0\u202f\u2009][0-9]{{3}}){{1,4}}{AFTER_NUMBER}")
"""Numbers with spaces between thousands, which engines would take for several numbers."""
_RANGE: Final = re.compile(
    r"(?<=[0-9%])–(?=[0-9])"  # noqa: RUF001
)
"""An en dash; a hyphen may mean many other things."""
_TELEPHONE: Final = re.compile(rf"{BEFORE}\+(?P<digits>[0-9](?:[ .()/-]{{0,2}}[0-9]){{6,14}}){AFTER}")
_ISO_DATE: Final = re.compile(
    rf"{BEFORE}(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}}){AFTER}"
)
_FIRST_YEAR, _LAST_YEAR = 1010, 2099
"""Years that are read in their own way: ``nineteen ninety-nine``."""


def read_notation(text: str, grammar: Grammar) -> str:
    """Return *text* with dates and telephone numbers written as words."""
    if grammar.plus:
        text = _TELEPHONE.sub(lambda match: _read_telephone(match, grammar), text)
    if grammar.date:
        text = _ISO_DATE.sub(lambda match: _read_date(match, grammar), text)
        if grammar.date_mark:
            text = _local_date(grammar.date_mark).sub(lambda match: _read_date(match, grammar), text)
    return text


def join_thousands(text: str) -> str:
    """Return *text* without the no-break and thin spaces between thousands."""
    return _SPACED.sub(lambda match: "".join(filter(str.isdecimal, match.group())), text)


def read_ranges(text: str, grammar: Grammar) -> str:
    """Return *text* with a word instead of an en dash between two numbers; the numbers stay."""
    if not grammar.to:
        return text
    text = _percentages(grammar).sub(rf"\g<low> {grammar.to} \g<high>", text)
    return _RANGE.sub(f" {grammar.to} ", text)


def is_year(digits: str) -> bool:
    """Return whether *digits* may be a year that is read in its own way."""
    return len(digits) == 4 and digits.isdecimal() and _FIRST_YEAR <= int(digits) <= _LAST_YEAR  # noqa: PLR2004


def day_ordinal(day: int, text: str, place: int, grammar: Grammar) -> str | None:
    """Return the day of a month as an ordinal number, in the form required by the word before *place*."""
    rules = grammar.day_rules(word_before(text, place)) if grammar.day_rules else "spellout-ordinal"
    return spell(day, grammar.language, rules)


@lru_cache(maxsize=32)
def _percentages(grammar: Grammar) -> re.Pattern[str]:
    return re.compile(f"{BEFORE}(?P<low>{grammar.number})-(?P<high>{grammar.number})(?={SPACE}?%)")


@lru_cache(maxsize=8)
def _local_date(mark: str) -> re.Pattern[str]:
    return re.compile(
        rf"{BEFORE}(?P<day>[0-9]{{1,2}}){mark}(?P<month>[0-9]{{1,2}}){mark}(?P<year>[0-9]{{4}}){AFTER}"
    )


def _read_date(match: re.Match[str], grammar: Grammar) -> str:
    try:
        day = date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return match.group()
    first = grammar.first_of_month if day.day == 1 else ""
    return grammar.date.format(
        day=first or spell(day.day, grammar.language),
        ordinal=day_ordinal(day.day, match.string, match.start(), grammar),
        month=grammar.months[day.month - 1],
        year=year(match["year"], grammar) if is_year(match["year"]) else spell(day.year, grammar.language),
    )


def _read_telephone(match: re.Match[str], grammar: Grammar) -> str:
    groups = [
        spell_digits(group, grammar.language) for group in re.split(r"[^0-9]+", match["digits"]) if group
    ]
    return f"{grammar.plus} {', '.join(groups)}"
