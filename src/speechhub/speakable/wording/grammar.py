"""Facts about a language that are needed to read its numbers and abbreviations."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property


class Gender(StrEnum):
    """Grammatical gender of a counted noun, which changes the number before it."""

    MASCULINE = "masculine"
    FEMININE = "feminine"
    NEUTER = "neuter"


class Where(StrEnum):
    """The context that an abbreviation needs, so that it is not taken for another word."""

    ANYWHERE = "anywhere"
    NAME = "name"
    """Before a word with a capital letter."""
    FIRST = "first"
    """The same, and not after another such word: not an initial, and not a street."""
    NUMBER = "number"
    """Before a digit."""
    LAST = "last"
    """Often the last word of a sentence, whose full stop then stays."""
    BETWEEN = "between"
    """Between two words, with a space on either side."""


class RewriteKind(StrEnum):
    """The kind of reading that a `Rewrite` belongs to."""

    NUMBER = "number"
    NOTATION = "notation"
    ABBREVIATION = "abbreviation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """A noun that is counted."""

    forms: tuple[str, ...]
    """One form for any number, two for one and more, or three as in Slavic languages: for 1, 2 and 5."""
    gender: Gender = Gender.MASCULINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    """A currency, and its hundredth part if it has one."""

    main: Noun
    part: Noun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A pattern of one language, and the words for what it matches."""

    pattern: str
    """Regular expression without unbounded repetition."""
    words: "Callable[[re.Match[str], Grammar], str | None]"
    """Called with the match and the grammar; returns None to leave the text unchanged."""
    kind: RewriteKind = RewriteKind.NOTATION
    """The text stays unchanged for engines that read this kind by themselves."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grammar:
    """One language; made once, for the life of the program."""

    language: str
    """ISO 639-1 code."""
    decimal: str
    """The decimal mark."""
    groups: str
    """Marks between thousands, in addition to no-break spaces."""
    point: str
    """The decimal mark as a word."""
    minus: str
    plus: str = ""
    percent: Noun
    to: str = ""
    """Word between the ends of a range; if empty, ranges stay unchanged."""
    fraction_as_number: bool = False
    """Whether two digits after the decimal mark are read as one number: ``trois virgule quatorze``."""
    below_two_is_one: bool = False
    """Whether 0 and 1.5 take the form for one, as in French."""
    year_rules: str = ""
    """CLDR's rule set for years, if years are not read like other numbers."""
    year_cues: tuple[str, ...] = ()
    """Words after which four digits are a year."""
    months: tuple[str, ...] = ()
    date_mark: str = ""
    """Mark between day, month and year, in this order; empty if the order differs between regions."""
    date: str = ""
    """Pattern of a date, with ``{day}``, ``{ordinal}``, ``{month}`` and ``{year}``; if empty, dates stay."""
    first_of_month: str = ""
    """The word for the first day of a month, if the other days are cardinal numbers."""
    day_rules: Callable[[str], str] | None = None
    """Returns CLDR's rule set for ``{ordinal}`` after a given word."""
    ordinals: Mapping[str, str] = field(default_factory=dict)
    """CLDR's rule set for each ending of an ordinal number, such as ``rd``."""
    clock: Callable[[int, int, "Grammar"], str] | None = None
    """Returns the words for a time of day, given hour and minute."""
    currencies: Mapping[str, Currency] = field(default_factory=dict)
    """By symbol and by code."""
    with_part: str = ""
    """Pattern of an amount with hundredths, with ``{main}``, ``{part}`` and ``{part_name}``."""
    scales: Mapping[str, Noun] = field(default_factory=dict)
    """Words like million between a number and its currency, by word and by abbreviation."""
    per: str = ""
    """Word between an amount and a time: ``five euros per month``."""
    after_million: Callable[[str], str] | None = None
    """Returns a noun as it follows a round million: ``un million d'euros``."""
    units: Mapping[str, Noun] = field(default_factory=dict)
    """By symbol."""
    gendered: Mapping[Gender, str] = field(default_factory=dict)
    """CLDR's rule set for a number before a noun of each gender; empty if gender changes nothing."""
    decimals: Callable[[int, str, "Grammar"], str | None] | None = None
    """Returns the words for a whole part and the digits after it; None if they are read digit by digit."""
    common: str = ""
    """Abbreviations and signs that espeak-ng reads correctly by itself, in the format of `read_table`."""
    abbreviations: str = ""
    """All other abbreviations and signs, in the same format."""
    rewrites: tuple[Rewrite, ...] = ()

    @cached_property
    def number(self) -> str:
        """Regular expression for a number, with groups of three digits or without."""
        marks = f"[{self.groups}\\u00a0\\u202f\\u2009]"
        return rf"(?:[0-9]{{1,3}}(?:{marks}[0-9]{{3}}){{1,4}}|[0-9]{{1,15}})(?:{self.decimal}[0-9]{{1,15}})?"


def nouns(table: str) -> dict[str, Noun]:
    """Read a table of nouns: lines of ``symbol symbol: form, form``, with ``f`` or ``n`` after ``|``."""
    found: dict[str, Noun] = {}
    for line in table.strip().splitlines():
        symbols, _, rest = line.partition(": ")
        found |= dict.fromkeys(symbols.split(), noun(rest))
    return found


def noun(text: str) -> Noun:
    """Read one noun: ``form, form | f``."""
    forms, _, gender = text.partition(" | ")
    genders = {"": Gender.MASCULINE, "f": Gender.FEMININE, "n": Gender.NEUTER}
    return Noun(forms=tuple(form.strip() for form in forms.split(",")), gender=genders[gender.strip()])


def currencies(table: str) -> dict[str, Currency]:
    """Read a table of currencies: lines of ``symbol symbol: noun; noun of the hundredth part``."""
    found: dict[str, Currency] = {}
    for line in table.strip().splitlines():
        symbols, _, rest = line.partition(": ")
        main, _, part = rest.partition("; ")
        found |= dict.fromkeys(symbols.split(), Currency(main=noun(main), part=noun(part) if part else None))
    return found


def read_table(table: str) -> dict[str, tuple[str, Where]]:
    """Read a table of abbreviations: lines of ``short = words`` or ``short = words @ where``."""
    found: dict[str, tuple[str, Where]] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        short, _, rest = line.partition(" = ")
        words, _, where = rest.partition(" @ ")
        for form in short.split(" | "):
            found[form] = (words, Where(where.strip() or Where.ANYWHERE))
    return found
