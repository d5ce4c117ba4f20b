"""Writes amounts of money and measures as words."""

import re
from collections.abc import Iterable
from functools import lru_cache

from speechhub.speakable.wording.borders import AFTER, BEFORE, DASH, SIGN, SPACE
from speechhub.speakable.wording.grammar import Currency, Grammar
from speechhub.speakable.wording.quantity import Quantity, counted, form, parse, words

_STOP = r"(?:\.(?= [a-zà-ÿа-яё]))?"
"""The full stop of an abbreviated unit; a full stop that ends the sentence stays."""
_TENTHS_AND_HUNDREDTHS = 2


def read_amounts(text: str, grammar: Grammar) -> str:
    """Return *text* with currencies and units written as words, with their numbers and ranges."""
    if grammar.currencies:
        before, after = _money(grammar)
        text = before.sub(lambda match: _read_money(match, grammar), text)
        text = after.sub(lambda match: _read_money(match, grammar), text)
    if grammar.units:
        text = _units(grammar).sub(lambda match: _read_unit(match, grammar), text)
    return text


@lru_cache(maxsize=32)
def _money(grammar: Grammar) -> tuple[re.Pattern[str], re.Pattern[str]]:
    symbol = f"(?P<symbol>{_alternatives(grammar.currencies)})"
    # A currency's word follows its number: the number after "5 Euro" is not an amount of euros.
    signs = [name for name in grammar.currencies if not name[-1].islower() and name[-1] != "."]
    sign = f"(?<![0-9]{SPACE}){SIGN}(?P<symbol>{_alternatives(signs)})"
    scale = f"{SPACE}?(?P<scale>{_alternatives(grammar.scales)})(?![a-zA-Z])"
    # With a scale or without any: "$5 million" is never five dollars, whatever follows.
    scales = f"(?:{scale}|(?!{_unnamed(scale)}))" if grammar.scales else ""
    low_scale = f"(?:{scale.replace('<scale>', '<low_scale>')})?" if grammar.scales else ""
    number, second = f"(?P<number>{grammar.number})", f"(?P<second>{grammar.number})"
    any_symbol = f"(?:{SPACE}?(?:{_alternatives(grammar.currencies)}){SPACE}?)?"
    end = f"(?:(?P<per>/)(?=[a-zà-ÿ]{{3}})|{AFTER})"
    rest = f"(?:,{DASH}|{low_scale}{DASH}{any_symbol}{second})?{scales}{end}"
    return (
        re.compile(f"{BEFORE}{sign}{SPACE}?{number}{rest}"),
        re.compile(
            f"{BEFORE}{SIGN}{number}(?:{low_scale}{any_symbol}{DASH}{second})?{scales}{SPACE}?{symbol}{end}"
        ),
    )


@lru_cache(maxsize=32)
def _units(grammar: Grammar) -> re.Pattern[str]:
    long = _alternatives(unit for unit in grammar.units if len(unit) > 1 or not unit.isalpha())
    short = "|".join(unit for unit in grammar.units if len(unit) == 1 and unit.isalpha())
    # A letter directly after a number may mean anything: 5G, 3D, 10k.
    one_letter = f"|{SPACE}(?P<letter>{short})" if short else "|(?P<letter>(?!))"
    number = f"(?:(?P<low>{grammar.number})(?:{SPACE}?(?:{long}))?{DASH})?(?P<number>{grammar.number})"
    return re.compile(f"{BEFORE}{SIGN}{number}(?:{SPACE}?(?P<unit>{long}){one_letter}){_STOP}{AFTER}")


def _alternatives(symbols: Iterable[str]) -> str:
    return "|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True))


def _unnamed(pattern: str) -> str:
    """Return a pattern whose groups have no names, for a second use in the same expression."""
    return re.sub(r"\?P<\w+>", "?:", pattern)


def _read_money(match: re.Match[str], grammar: Grammar) -> str:
    found = match.groupdict()
    amount, currency = parse(found["number"], grammar), grammar.currencies[found["symbol"]]
    if found["second"]:
        return _read_range(match, amount, currency, grammar)
    return _finished(match, _amount(amount, found.get("scale"), currency, grammar), grammar)


def _amount(amount: Quantity, scale: str | None, currency: Currency, grammar: Grammar) -> str | None:
    if scale:
        number, name = counted(amount, grammar.scales[scale], grammar), currency.main.forms[-1]
        return number and f"{number} {grammar.after_million(name) if grammar.after_million else name}"
    if len(amount.fraction) == _TENTHS_AND_HUNDREDTHS and currency.part:
        return _with_part(amount, currency, grammar)
    return counted(amount, currency.main, grammar)


def _read_range(match: re.Match[str], low: Quantity, currency: Currency, grammar: Grammar) -> str:
    found = match.groupdict()
    if found.get("low_scale"):
        first = counted(low, grammar.scales[found["low_scale"]], grammar)
    elif low.fraction and not found.get("scale"):
        first = _amount(low, None, currency, grammar)
    else:
        first = words(low, grammar, currency.main.gender)
    second = _amount(parse(found["second"], grammar), found.get("scale"), currency, grammar)
    said = f"{first} {grammar.to} {second}" if first and second and grammar.to else None
    return _finished(match, said, grammar)


def _finished(match: re.Match[str], said: str | None, grammar: Grammar) -> str:
    found = match.groupdict()
    if said is None or (found.get("per") and not grammar.per):
        return match.group()
    sign = f"{grammar.minus} " if found["sign"] else ""
    return f"{sign}{said}{f' {grammar.per} ' if found.get('per') else ''}"


def _with_part(amount: Quantity, currency: Currency, grammar: Grammar) -> str | None:
    assert currency.part is not None  # noqa: S101  # checked by the caller
    hundredths = Quantity(digits=str(int(amount.fraction)))
    whole = Quantity(digits=amount.digits, grouped=True)
    main = counted(whole, currency.main, grammar)
    if not hundredths.whole:
        return main
    part = words(hundredths, grammar, currency.part.gender)
    name = form(hundredths, currency.part, grammar)
    if main is None or part is None:
        return None
    if not amount.whole:
        return f"{part} {name}"
    return grammar.with_part.format(main=main, part=part, part_name=name)


def _read_unit(match: re.Match[str], grammar: Grammar) -> str:
    unit = grammar.units[match["unit"] or match["letter"]]
    said = counted(parse(match["number"], grammar), unit, grammar)
    if said and match["low"]:
        low = words(parse(match["low"], grammar), grammar, unit.gender)
        said = f"{low} {grammar.to} {said}" if low and grammar.to else None
    if said is None:
        return match.group()
    return f"{grammar.minus} {said}" if match["sign"] else said
