"""French."""

import re
from typing import Final

from speechhub.speakable.wording.grammar import Gender, Grammar, Rewrite, currencies, noun, nouns
from speechhub.speakable.wording.roman import roman
from speechhub.speakable.wording.spelling import spell, spell_digits

_MONTHS: Final = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)  # fmt: skip
_RULERS: Final = "Louis|Henri|Charles|François|Napoléon|Philippe|Jean-Paul|Benoît|Pie|Édouard|Guillaume"
_MASCULINE: Final = "spellout-ordinal-masculine"
_FEMININE: Final = "spellout-ordinal-feminine"


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    said = spell(hour, grammar.language, "spellout-cardinal-feminine")
    hours = f"{said} heure{'s' * (hour > 1)}"
    return hours if not minute else f"{hours} {spell(minute, grammar.language)}"


def _time(match: re.Match[str], grammar: Grammar) -> str:
    return _clock(int(match["hour"]), int(match["minute"] or 0), grammar)


def _century(match: re.Match[str], grammar: Grammar) -> str | None:
    value = roman(match["roman"])
    return spell(value, grammar.language, _MASCULINE) if value else None


def _ruler(match: re.Match[str], grammar: Grammar) -> str | None:
    value = roman(match["roman"])
    if not value:
        return None
    return f"{match['name']} {'premier' if value == 1 else spell(value, grammar.language)}"


def _telephone(match: re.Match[str], grammar: Grammar) -> str:
    pairs = re.findall("[0-9]{2}", match.group())
    return ", ".join(
        spell_digits(pair, grammar.language) if pair[0] == "0" else spell(int(pair), grammar.language) or pair
        for pair in pairs
    )


FRENCH: Final = Grammar(
    language="fr",
    decimal=",",
    groups=r". ",
    point="virgule",
    minus="moins",
    plus="plus",
    percent=noun("pour cent"),
    to="à",
    fraction_as_number=True,
    below_two_is_one=True,
    months=_MONTHS,
    date="{day} {month} {year}",
    date_mark="/",
    first_of_month="premier",
    clock=_clock,
    gendered={
        Gender.MASCULINE: "spellout-cardinal-masculine",
        Gender.FEMININE: "spellout-cardinal-feminine",
    },
    currencies=currencies("""
€ EUR: euro, euros; centime, centimes
$ US$ USD: dollar, dollars; cent, cents
£ GBP: livre, livres | f; penny, pence
¥ JPY: yen, yens
CHF: franc suisse, francs suisses; centime, centimes
₽: rouble, roubles
"""),
    ordinals={
        "er": _MASCULINE,
        "re": _FEMININE,
        "ère": _FEMININE,
        "e": _MASCULINE,
        "ème": _MASCULINE,
    },
    with_part="{main} {part}",
    scales=nouns("""
million millions M: million, millions
milliard milliards Md: milliard, milliards
"""),
    per="par",
    after_million=lambda name: f"d'{name}" if name[0] in "aeiouyhéè" else f"de {name}",
    units=nouns("""
km: kilomètre, kilomètres
m: mètre, mètres
cm: centimètre, centimètres
mm: millimètre, millimètres
km/h: kilomètre heure, kilomètres heure
m/s: mètre par seconde, mètres par seconde
kg: kilogramme, kilogrammes
g: gramme, grammes
mg: milligramme, milligrammes
t: tonne, tonnes | f
l L: litre, litres
ml: millilitre, millilitres
cl: centilitre, centilitres
°C ℃: degré Celsius, degrés Celsius
°F: degré Fahrenheit, degrés Fahrenheit
°: degré, degrés
m² m2: mètre carré, mètres carrés
km² km2: kilomètre carré, kilomètres carrés
m³ m3: mètre cube, mètres cubes
min: minute, minutes | f
ms: milliseconde, millisecondes | f
ko Ko: kilooctet, kilooctets
Mo: mégaoctet, mégaoctets
Go: gigaoctet, gigaoctets
To: téraoctet, téraoctets
Hz: hertz
kHz: kilohertz
MHz: mégahertz
GHz: gigahertz
W: watt, watts
kW: kilowatt, kilowatts
kWh: kilowattheure, kilowattheures
kcal: kilocalorie, kilocalories | f
dB: décibel, décibels
"""),
    common="""
Mme = Madame @ name
Mlle = Mademoiselle @ name
Dr = Docteur @ name
etc. = et cetera @ last
& = et @ between
""",
    abbreviations="""
M. = Monsieur @ first
MM. = Messieurs @ name
Mr = Monsieur @ name
p. ex. = par exemple
c.-à-d. = c'est-à-dire
env. = environ
av. J.-C. = avant Jésus-Christ @ last
apr. J.-C. = après Jésus-Christ @ last
n° = numéro @ number
№ = numéro @ number
p. = page @ number
pp. = pages @ number
chap. = chapitre @ number
art. = article @ number
tél. = téléphone @ number
""",
    rewrites=(
        Rewrite(
            pattern=(
                r"(?<![\w.,:-])(?P<hour>[01]?[0-9]|2[0-3])[ \u00a0\u202f]?h(?P<minute>[0-5][0-9])?"
                r" ?[–-] ?(?=(?:[01]?[0-9]|2[0-4])[ \u00a0\u202f]?h(?:[0-5][0-9])?\b)"  # noqa: RUF001
            ),
            words=lambda match, grammar: f"{_time(match, grammar)} {grammar.to} ",
        ),
        Rewrite(
            pattern=(
                r"(?<![\w.,:-])(?P<hour>[01]?[0-9]|2[0-3])[ \u00a0\u202f]?h"
                r"(?:[ \u00a0\u202f]?(?P<minute>[0-5][0-9])(?:[ \u00a0]min\b)?)?(?![\w/])"
            ),
            words=_time,
        ),
        Rewrite(
            pattern=r"(?<![\w.,+-])0[1-9](?:[ .\u00a0\u202f][0-9]{2}){4}(?![\w]|[.,][0-9])", words=_telephone
        ),
        Rewrite(pattern=r"(?<![\w.-])(?P<roman>[IVX]{1,5})e(?= siècles?\b)", words=_century),
        Rewrite(
            pattern=rf"\b(?P<name>{_RULERS}) (?P<roman>[IVX]{{1,6}})(?=[.,;:!?)]{{0,3}}(?:\s|$))",
            words=_ruler,
        ),
        Rewrite(
            pattern=r"(?<![\w.,-])(?P<number>[0-9]{1,3})(?P<ending>re|e|nde?)(?= [a-zà-ÿ]{3})",
            words=lambda match, grammar: spell(
                int(match["number"]),
                grammar.language,
                _FEMININE if match["ending"] in ("re", "nde") else _MASCULINE,
            ),
        ),
    ),
)
