"""Writes plain numbers as words: counts, decimals, percentages, ordinal numbers, years and times of day."""

import re
from functools import lru_cache

from speechhub.speakable.wording.borders import AFTER, BEFORE, SIGN, SPACE, word_before
from speechhub.speakable.wording.grammar import Grammar
from speechhub.speakable.wording.notation import is_year
from speechhub.speakable.wording.quantity import counted, parse, words, year
from speechhub.speakable.wording.spelling import spell


def read_numbers(text: str, grammar: Grammar) -> str:
    """Return *text* with its plain numbers written as words; everything else stays unchanged."""
    return _pattern(grammar).sub(lambda match: _read(match, grammar), text)


@lru_cache(maxsize=32)
def _pattern(grammar: Grammar) -> re.Pattern[str]:
    endings = "|".join(re.escape(ending) for ending in sorted(grammar.ordinals, key=len, reverse=True))
    ordinal = f"(?P<ordinal>[0-9]{{1,9}})(?P<ending>{endings}){AFTER}|" if endings else ""
    clock = rf"(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9]){AFTER}|" if grammar.clock else ""
    # A word may be joined to a number: "a five-year-old".
    end = f"(?:{AFTER}|(?=-[a-zà-ÿа-я]{{3}}))"
    number = f"{SIGN}(?P<number>{grammar.number})(?:(?P<percent>{SPACE}?%){AFTER}|{end})"
    return re.compile(f"{BEFORE}(?:{clock}{ordinal}{number})")


def _read(match: re.Match[str], grammar: Grammar) -> str:
    found = match.groupdict()
    said: str | None
    if found.get("hour"):
        said = grammar.clock(int(match["hour"]), int(match["minute"]), grammar) if grammar.clock else None
    elif found.get("ordinal"):
        said = spell(int(match["ordinal"]), grammar.language, grammar.ordinals[match["ending"]])
    else:
        said = _read_number(match, grammar)
    return match.group() if said is None else said


def _read_number(match: re.Match[str], grammar: Grammar) -> str | None:
    number = parse(match["number"], grammar)
    if match["percent"]:
        said = counted(number, grammar.percent, grammar) if grammar.percent.forms[0] else None
    elif _is_year(match, grammar):
        said = year(number.digits, grammar)
    else:
        said = words(number, grammar)
    if said is None or not match["sign"]:
        return said
    if _follows_number(match):
        return None  # 5 -3: a range, a difference, or two numbers
    return f"{grammar.minus} {said}"


def _is_year(match: re.Match[str], grammar: Grammar) -> bool:
    if not grammar.year_rules or match["sign"] or not is_year(match["number"]):
        return False
    return word_before(match.string, match.start()).rstrip(",") in grammar.year_cues


def _follows_number(match: re.Match[str]) -> bool:
    return (
        match["sign"] == "-" and match.string[max(0, match.start() - 2) : match.start()].strip().isdecimal()
    )
