"""English."""

# ruff: noqa: RUF001  # typographic apostrophes, primes and dashes

import re
from typing import Final

from speechhub.speakable.wording.grammar import Grammar, Kind, Rewrite, currencies, noun, nouns
from speechhub.speakable.wording.quantity import year
from speechhub.speakable.wording.roman import roman
from speechhub.speakable.wording.spelling import spell, spell_digits

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_COUNTED: Final = frozenset(("Chapter", "Volume", "Act", "World War"))
_CALLING: Final = frozenset(("call", "dial", "phone", "telephone", "tel", "number", "fax", "text"))
_YEAR_CUES: Final = (
    "in since from by until till of year before after during around circa about and to spring summer autumn "
    "fall winter copyright early late mid"
)
_NUMBERED: Final = (
    "Chapter|Part|Section|Volume|Book|Act|Scene|Article|Appendix|Phase|Stage|Type|Class|Level|World War|Bowl"
)
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


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    said = spell(hour, grammar.language) or str(hour)
    if minute == 0:
        return f"{said} o'clock" if 1 <= hour <= 12 else f"{said} hundred"  # noqa: PLR2004
    return f"{said} {'oh ' if minute < 10 else ''}{spell(minute, grammar.language)}"  # noqa: PLR2004


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


_EDGE: Final = r"(?=[.,;:!?)]{0,3}(?:\s|$))"

ENGLISH: Final = Grammar(
    language="en",
    decimal=r"\.",
    groups=",",
    point="point",
    minus="minus",
    plus="plus",
    percent=noun("percent"),
    to="to",
    year_rules="spellout-numbering-year",
    year_cues=(
        *_YEAR_CUES.split(),
        *(month.lower() for month in _MONTHS),
    ),
    months=_MONTHS,
    date="{month} {ordinal}, {year}",
    ordinals=dict.fromkeys(("st", "nd", "rd", "th"), "spellout-ordinal"),
    clock=_clock,
    currencies=currencies("""
$ US$ USD: dollar, dollars; cent, cents
€ EUR: euro, euros; cent, cents
£ GBP: pound, pounds; penny, pence
¥ JPY: yen
₹ INR: rupee, rupees
₽ RUB: ruble, rubles
₩ KRW: won
CHF: Swiss franc, Swiss francs
A$ AU$: Australian dollar, Australian dollars; cent, cents
C$ CA$: Canadian dollar, Canadian dollars; cent, cents
"""),
    with_part="{main} and {part} {part_name}",
    scales=nouns("""
thousand k K: thousand
million M m: million
billion bn B: billion
trillion tn T: trillion
"""),
    per="per",
    units=nouns("""
km: kilometer, kilometers
m: meter, meters
cm: centimeter, centimeters
mm: millimeter, millimeters
µm μm: micrometer, micrometers
nm: nanometer, nanometers
km/h kph kmh: kilometer per hour, kilometers per hour
m/s: meter per second, meters per second
mph: mile per hour, miles per hour
mi: mile, miles
ft: foot, feet
kg: kilogram, kilograms
g: gram, grams
mg: milligram, milligrams
lb lbs: pound, pounds
oz: ounce, ounces
l L: liter, liters
ml mL: milliliter, milliliters
°C ℃: degree Celsius, degrees Celsius
°F ℉: degree Fahrenheit, degrees Fahrenheit
°: degree, degrees
¢: cent, cents
m² m2: square meter, square meters
km² km2: square kilometer, square kilometers
m³ m3: cubic meter, cubic meters
h hr hrs: hour, hours
min mins: minute, minutes
sec secs: second, seconds
ms: millisecond, milliseconds
kB KB: kilobyte, kilobytes
MB: megabyte, megabytes
GB: gigabyte, gigabytes
TB: terabyte, terabytes
Mbps Mbit/s: megabit per second, megabits per second
Hz: hertz
kHz: kilohertz
MHz: megahertz
GHz: gigahertz
V: volt, volts
W: watt, watts
kW: kilowatt, kilowatts
kWh: kilowatt hour, kilowatt hours
kcal: kilocalorie, kilocalories
dB: decibel, decibels
"""),
    common="""
Dr. = Doctor @ name
Mr. = Mister @ name
Mrs. = Missus @ name
St. = Saint @ first
e.g. = for example
i.e. = that is
etc. = et cetera @ last
& = and @ between
""",
    abbreviations="""
Ms. = Miz @ name
Prof. = Professor @ name
Rev. = Reverend @ name
Gen. = General @ name
Sen. = Senator @ name
Gov. = Governor @ name
Capt. = Captain @ name
Col. = Colonel @ name
Lt. = Lieutenant @ name
Sgt. = Sergeant @ name
Mt. = Mount @ name
Jr. = Junior @ last
vs. = versus
approx. = approximately
dept. = department @ last
Nos. = numbers @ number
p. = page @ number
pp. = pages @ number
vol. = volume @ number
fig. = figure @ number
figs. = figures @ number
ch. = chapter @ number
Sec. = Section @ number
eq. = equation @ number
№ = number @ number
Jan. = January @ number
Feb. = February @ number
Mar. = March @ number
Apr. = April @ number
Aug. = August @ number
Sep. | Sept. = September @ number
Oct. = October @ number
Nov. = November @ number
Dec. = December @ number
w/ = with
w/o = without
24/7 = twenty-four seven
""",
    rewrites=(
        Rewrite(
            pattern=(
                rf"\b(?P<month>{'|'.join(_MONTHS)}) (?P<day>[12]?[0-9]|3[01])(?:st|nd|rd|th)?"
                r"(?:, (?P<year>[12][0-9]{3}))?(?![\w/:-]|[.,][0-9])"
            ),
            words=_day,
            kind=Kind.NUMBER,
        ),
        # "No. 5 people" at the beginning of a sentence may be an answer.
        Rewrite(
            pattern=r"(?:(?<=[^\s.!?:] )N|(?<![\w.-])n)o\. ?(?=[0-9])",
            words=lambda *_: "number ",
            kind=Kind.ABBREVIATION,
        ),
        Rewrite(
            pattern=r"(?<![\w'’./])(?:['’]|(?P<century>1[1-9]|20))(?P<decade>[0-9]0)['’]?s(?!\w)",
            words=_decade,
        ),
        Rewrite(
            pattern=(
                r"(?<![\w./+-])(?:1[ -])?(?:\([0-9]{3}\) ?|[0-9]{3}[ .-])[0-9]{3}[.–-][0-9]{4}" + _EDGE
                + r"|(?<![\w./+$€£-])[0-9]{3}[–-][0-9]{4}" + _EDGE
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
    ),
)  # fmt: skip
