"""Dutch."""

import re
from typing import Final

from speechhub.speakable.wording.grammar import Grammar, Rewrite, currencies, noun, nouns
from speechhub.speakable.wording.spelling import spell

_MONTHS: Final = (
    "januari", "februari", "maart", "april", "mei", "juni",
    "juli", "augustus", "september", "oktober", "november", "december",
)  # fmt: skip
_YEAR_CUES: Final = "in sinds jaar sedert anno rond vanaf tot van voor na"


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    said = f"{spell(hour, grammar.language)} uur"
    return said if not minute else f"{said} {spell(minute, grammar.language)}"


def _time(match: re.Match[str], grammar: Grammar) -> str:
    return _clock(int(match["hour"]), int(match["minute"]), grammar)


DUTCH: Final = Grammar(
    language="nl",
    decimal=",",
    groups=".",
    point="komma",
    minus="min",
    plus="plus",
    percent=noun("procent"),
    to="tot",
    year_rules="spellout-numbering-year",
    year_cues=(
        *_YEAR_CUES.split(),
        *_MONTHS,
    ),
    months=_MONTHS,
    date="{day} {month} {year}",
    date_mark="-",
    clock=_clock,
    currencies=currencies("""
€ EUR: euro; cent
$ US$ USD: dollar; cent
£ GBP: pond; penny, pence
¥ JPY: yen
"""),
    ordinals=dict.fromkeys(("e", "ste", "de"), "spellout-ordinal"),
    with_part="{main} {part}",
    scales=nouns("""
miljoen mln. mln: miljoen
miljard mld. mld: miljard
"""),
    per="per",
    units=nouns("""
km: kilometer
m: meter
cm: centimeter
mm: millimeter
km/u km/h: kilometer per uur
m/s: meter per seconde
kg: kilogram
g: gram
mg: milligram
l L: liter
ml: milliliter
°C ℃: graad Celsius, graden Celsius
°F: graad Fahrenheit, graden Fahrenheit
°: graad, graden
m² m2: vierkante meter
km² km2: vierkante kilometer
m³ m3: kubieke meter
min: minuut, minuten
ms: milliseconde, milliseconden
KB kB: kilobyte
MB: megabyte
GB: gigabyte
TB: terabyte
Hz: hertz
kHz: kilohertz
MHz: megahertz
GHz: gigahertz
W: watt
kW: kilowatt
kWh: kilowattuur
kcal: kilocalorie, kilocalorieën
dB: decibel
"""),
    common="""
enz. = enzovoort @ last
& = en @ between
""",
    abbreviations="""
bijv. | bv. = bijvoorbeeld
d.w.z. = dat wil zeggen
o.a. = onder andere
m.a.w. = met andere woorden
i.v.m. = in verband met
m.b.t. = met betrekking tot
t.o.v. = ten opzichte van
a.u.b. = alstublieft @ last
t/m = tot en met
etc. = et cetera @ last
ca. = circa
incl. = inclusief
excl. = exclusief
dhr. = de heer @ name
mevr. | mw. = mevrouw @ name
dr. = doctor @ name
prof. = professor @ name
nr. = nummer @ number
№ = nummer @ number
blz. = bladzijde @ number
art. = artikel @ number
tel. = telefoon @ number
""",
    rewrites=(
        Rewrite(
            pattern=r"(?<![\w.,-])(?P<number>[0-9]{1,3})(?:e|ste|de)(?= [a-zà-ÿ]{3})",
            words=lambda match, grammar: spell(int(match["number"]), grammar.language, "spellout-ordinal"),
        ),
        Rewrite(
            pattern=(
                r"(?<![\w.:,-])(?P<hour>[01]?[0-9]|2[0-3])[:.](?P<minute>[0-5][0-9])(?:[ \u00a0]uur)?"
                r" ?[–-] ?(?=(?:[01]?[0-9]|2[0-4])[:.][0-5][0-9][ \u00a0]uur\b)"  # noqa: RUF001
            ),
            words=lambda match, grammar: f"{_time(match, grammar)} {grammar.to} ",
        ),
        Rewrite(
            pattern=r"(?<![\w.:,-])(?P<hour>[01]?[0-9]|2[0-3])[:.](?P<minute>[0-5][0-9])[ \u00a0]uur\b",
            words=_time,
        ),
    ),
)
