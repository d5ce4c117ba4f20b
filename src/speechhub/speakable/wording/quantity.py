"""Numbers as written, and their words, alone or before a noun."""

from dataclasses import dataclass
from typing import Final

from speechhub.speakable.wording.grammar import Gender, Grammar, Noun
from speechhub.speakable.wording.spelling import LONGEST_DIGITS, NUMBERING, spell, spell_digits

_MILLION: Final = 1_000_000
_LONGEST_COUNT: Final = 10
"""A longer row of digits without marks is an identifier, not a count: it is read digit by digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number of at least 0."""

    digits: str
    """The whole part, without marks."""
    fraction: str = ""
    """The digits after the decimal mark."""
    grouped: bool = False
    """Whether there were marks between thousands."""

    @property
    def whole(self) -> int:
        """The whole part."""
        return int(self.digits)

    @property
    def is_code(self) -> bool:
        """Whether it is a row of digits, such as 007, rather than a count."""
        return (self.digits[0] == "0" and len(self.digits) > 1) or (
            len(self.digits) > _LONGEST_COUNT and not self.grouped
        )


def parse(text: str, grammar: Grammar) -> Quantity:
    """Parse a text that `Grammar.number` matched."""
    whole, _, fraction = text.partition(grammar.decimal.replace("\\", ""))
    digits = "".join(character for character in whole if character.isdigit())
    return Quantity(digits=digits, fraction=fraction, grouped=len(digits) != len(whole))


def words(quantity: Quantity, grammar: Grammar, gender: Gender | None = None) -> str | None:
    """Return a number in words; None if there is no rule for it.

    Args:
        quantity: The number.
        grammar: The grammar of the language.
        gender: Gender of the noun that follows; None if none follows.
    """
    if len(quantity.digits) > LONGEST_DIGITS:
        return None
    if quantity.is_code and not quantity.fraction:
        return spell_digits(quantity.digits, grammar.language)
    if quantity.fraction:
        return _decimal(quantity, grammar)
    rules = grammar.gendered.get(gender, NUMBERING) if gender else NUMBERING
    return spell(quantity.whole, grammar.language, rules)


def counted(quantity: Quantity, noun: Noun, grammar: Grammar) -> str | None:
    """Return a number and what it counts: ``one kilometer``, ``2.5 kilometers``."""
    number = words(quantity, grammar, noun.gender)
    if number is None:
        return None
    name = form(quantity, noun, grammar)
    if grammar.after_million and not quantity.fraction and quantity.whole and not quantity.whole % _MILLION:
        return f"{number} {grammar.after_million(name)}"
    return f"{number} {name}"


def form(quantity: Quantity, noun: Noun, grammar: Grammar) -> str:
    """Return the form of a noun that goes with a number."""
    if len(noun.forms) == 1:
        return noun.forms[0]
    whole = quantity.whole
    if len(noun.forms) == 2:  # noqa: PLR2004  # one and more
        if grammar.below_two_is_one:
            return noun.forms[whole >= 2]  # noqa: PLR2004
        return noun.forms[whole != 1 or bool(quantity.fraction)]
    one, few, many = noun.forms
    if quantity.fraction:
        return few
    if whole % 10 == 1 and whole % 100 != 11:  # noqa: PLR2004
        return one
    return few if whole % 10 in (2, 3, 4) and whole % 100 not in (12, 13, 14) else many


def year(digits: str, grammar: Grammar) -> str | None:
    """Return a year in words: ``nineteen ninety-nine``."""
    return spell(int(digits), grammar.language, grammar.year_rules or NUMBERING)


def _decimal(quantity: Quantity, grammar: Grammar) -> str | None:
    if grammar.decimals and (own := grammar.decimals(quantity.whole, quantity.fraction, grammar)):
        return own
    whole = spell(quantity.whole, grammar.language)
    rest = quantity.fraction
    if grammar.fraction_as_number and len(rest) == 2 and rest[0] != "0":  # noqa: PLR2004
        behind = spell(int(rest), grammar.language)
    else:
        behind = spell_digits(rest, grammar.language)
    return whole and behind and f"{whole} {grammar.point} {behind}"
