"""Notation of English alone: patterns and their words."""

# ruff: noqa: RUF001  # typographic apostrophes, primes and dashes

import re
from typing import Final

from speechhub.speakable.wording.grammar import Grammar, Rewrite, RewriteKind
from speechhub.speakable.wording.quantity import year
from speechhub.speakable.wording.roman import roman
from speechhub.speakable.wording.spelling import spell, spell_digits

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NUMBERED: Final = (
    "Chapter|Part|Section|Volume|Book|Act|Scene|Article|Appendix|Phase|Stage|Type|Class|Level|World War|Bowl"
)
_COUNTED: Final = frozenset(("Chapter", "Volume", "Act", "World War"))
_CALLING: Final = frozenset(("call", "dial", "phone", "telephone", "tel", "number", "fax", "text"))
_RULERS: Final = (
    "Louis|Henry|Charles|Elizabeth|George|Edward|James|William|Richard|Philip|Napoleon|Paul|Benedict|Pius"
    "|Leo|Gregory|Catherine|Peter|Nicholas|Alexander|Frederick|Ferdinand|Francis|Mary|Innocent|Clement"
)
_FRACTIONS: Final = {
    "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
    "½": "one half", "⅓": "one third", "⅔": "two thirds", "¼": "one quarter", "¾": "three quarters",
}  # fmt: skip
_MEASURES: Final = (
    "of|cups?|miles?|inch|inches|hours?|teaspoons?|tablespoons?|tsp|tbsp|pounds?|pints?|gallons?|ounces?"
)


def clock(hour: int, minute: int, grammar: Grammar) -> str:
    """Return a time of day in words."""
    said = spell(hour, grammar.language) or str(hour)
    if minute == 0:
        return f"{said} o'clock" if 1 <= hour <= 12 else f"{said} hundred"  # noqa: PLR2004
    return f"{said} {'oh ' if minute < 10 else ''}{spell(minute, grammar.language)}"  # noqa: PLR2004


def _times(match: re.Match[str], grammar: Grammar) -> str:
    """Return one time of day, or the two ends of a time span."""
    found = match.groupdict()
    said = _time(match["hour"], match["minute"], match["half"], grammar)
    if found.get("hour2"):
        said = f"{said} to {_time(match['hour2'], match['minute2'], match['half2'], grammar)}"
    return said


def _time(hour: str, minute: str | None, half: str | None, grammar: Grammar) -> str:
    if not half:
        return clock(int(hour), int(minute or 0), grammar)
    on_the_hour = not minute or minute == "00"
    said = spell(int(hour), grammar.language) if on_the_hour else clock(int(hour), int(minute or 0), grammar)
    return f"{said} {half.upper()}M"


def _round_ordinal(match: re.Match[str], grammar: Grammar) -> str | None:
    return spell(int(match["digits"].replace(",", "")), grammar.language, "spellout-ordinal")


def _decade(match: re.Match[str], grammar: Grammar) -> str | None:
    century, decade = match["century"] or "", match["decade"]
    if not century and decade == "00":
        return None
    said = spell(int(century + decade), grammar.language, grammar.year_rules)
    return said and (f"{said[:-1]}ies" if said.endswith("y") else f"{said}s")


def _telephone(match: re.Match[str], grammar: Grammar) -> str | None:
    groups = re.findall("[0-9]+", match.group())
    if len(groups) == 2 and groups[0] != "555":  # noqa: PLR2004  # or a range: 100-1000 people
        before = match.string[max(0, match.start() - 32) : match.start()].lower()
        if not _CALLING.intersection(re.findall("[a-z]+", before)):
            return None
    return ", ".join(spell_digits(group, grammar.language) for group in groups)


def _fraction(match: re.Match[str], grammar: Grammar) -> str | None:
    said = _FRACTIONS.get(match["fraction"])
    if said and match["whole"]:
        return f"{spell(int(match['whole']), grammar.language)} and {said.replace('one half', 'a half')}"
    return said


def _height(match: re.Match[str], grammar: Grammar) -> str:
    inches = int(match["inches"])
    return (
        f"{spell(int(match['feet']), grammar.language)} f{'oot' if match['feet'] == '1' else 'eet'} "
        f"{spell(inches, grammar.language)} inch{'es' * (inches != 1)}"
    )


def _day(match: re.Match[str], grammar: Grammar) -> str:
    day = f"{match['month']} {spell(int(match['day']), grammar.language, 'spellout-ordinal')}"
    return f"{day}, {year(match['year'], grammar)}" if match["year"] else day


def _numbered(match: re.Match[str], grammar: Grammar) -> str | None:
    value = roman(match["roman"])
    if len(match["roman"]) == 1 and match["kind"] not in _COUNTED:
        return None  # the letter, or "I"
    return f"{match['kind']} {spell(value, grammar.language)}" if value else None


def _ruler(match: re.Match[str], grammar: Grammar) -> str | None:
    value = roman(match["roman"])
    following = match.string[match.end() : match.end() + 1]
    if (match["roman"] == "I" and following.isspace()) or (len(match["roman"]) == 1 and following == "."):
        return None  # "Charles I think", and initials
    return f"{match['name']} the {spell(value, grammar.language, 'spellout-ordinal')}" if value else None


_HOUR: Final = "(?:[01]?[0-9]|2[0-3])"
_HALF: Final = r"(?: ?(?P<half{0}>[aApP])\.?[mM](?![a-zA-Z])(?:\.(?= [a-z]))?)"
"""The half of the day, with the full stop of ``a.m.`` if it is within a sentence."""
_TIME_END: Final = r"(?![\w:/-]|[.,][0-9])"
_EDGE: Final = r"(?=[.,;:!?)]{0,3}(?:\s|$))"

REWRITES: Final = (
    Rewrite(
        pattern=(
            rf"\b(?P<month>{'|'.join(MONTHS)}) (?P<day>[12]?[0-9]|3[01])(?:st|nd|rd|th)?"
            r"(?:, (?P<year>[12][0-9]{3}))?(?![\w/:-]|[.,][0-9])"
        ),
        words=_day,
        kind=RewriteKind.NUMBER,
    ),
    Rewrite(
        pattern=(
            rf"(?<![\w.:,/-])(?P<hour>{_HOUR}):(?P<minute>[0-5][0-9]){_HALF.format('')}?[–-]"
            rf"(?P<hour2>{_HOUR}):(?P<minute2>[0-5][0-9]){_HALF.format('2')}?{_TIME_END}"
        ),
        words=_times,
    ),
    # espeak-ng reads 10:30 correctly, but says "nine zero zero" for 9:00.
    Rewrite(
        pattern=(
            rf"(?<![\w.:,/-])(?P<hour>{_HOUR}):(?P<minute>0[0-9]){_HALF.format('')}?{_TIME_END}"
            r"(?! o'clock| ?–)"
        ),
        words=_times,
    ),
    Rewrite(
        pattern=(
            rf"(?<![\w.:,/-])(?P<hour>{_HOUR})(?::(?P<minute>[0-5][0-9]))?{_HALF.format('')}{_TIME_END}"
        ),
        words=_times,
        kind=RewriteKind.NUMBER,
    ),
    # espeak-ng would say "one hundred th".
    Rewrite(
        pattern=r"(?<![\w.,-])(?P<digits>(?:[0-9]{1,3},)?[0-9]{0,3}[0-9]00)th(?!\w)", words=_round_ordinal
    ),
    # "No. 5 people" at the beginning of a sentence may be an answer.
    Rewrite(
        pattern=r"(?:(?<=[^\s.!?:] )N|(?<![\w.-])n)o\. ?(?=[0-9])",
        words=lambda *_: "number ",
        kind=RewriteKind.ABBREVIATION,
    ),
    Rewrite(
        pattern=r"(?<![\w'’./])(?:['’]|(?P<century>1[1-9]|20))(?P<decade>[0-9]0)['’]?s(?!\w)",
        words=_decade,
    ),
    Rewrite(
        pattern=(
            r"(?<![\w./+-])(?:1[ -])?(?:\([0-9]{3}\) ?|[0-9]{3}[ .-])[0-9]{3}[.–-][0-9]{4}"
            + _EDGE
            + r"|(?<![\w./+$€£-])[0-9]{3}[–-][0-9]{4}"
            + _EDGE
        ),
        words=_telephone,
    ),
    Rewrite(pattern=r"(?<![\w.,])(?P<feet>[1-9])['’′](?P<inches>[0-9]{1,2})[\"”″](?!\w)", words=_height),
    Rewrite(
        pattern=r"(?<![\w.,+-])(?P<first>[0-9]{1,3})(?P<rest>(?: 000){2,4})(?![\w]|[.,]?[0-9])",
        words=lambda match, _: match["first"] + match["rest"].replace(" ", ","),
    ),
    Rewrite(
        pattern=(
            r"(?<![\w./,-])(?:(?P<whole>[0-9]{1,3})[ -])?(?P<fraction>[1-3]/[2-4])"
            rf"(?= (?:{_MEASURES})\b)"
        ),
        words=_fraction,
    ),
    Rewrite(
        pattern=r"(?<![\w./,-])(?P<whole>[0-9]{1,3}) ?(?P<fraction>[½⅓⅔¼¾])(?!\w)",
        words=_fraction,
    ),
    Rewrite(pattern=rf"\b(?P<kind>{_NUMBERED}) (?P<roman>[IVXL]{{1,8}}){_EDGE}", words=_numbered),
    Rewrite(pattern=rf"\b(?P<name>{_RULERS}) (?P<roman>[IVX]{{1,6}})(?=['’]s\b|{_EDGE})", words=_ruler),
)
