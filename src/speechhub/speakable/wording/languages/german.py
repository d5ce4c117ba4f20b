"""German."""

import re
from typing import Final

from speechhub.speakable.wording.borders import word_before
from speechhub.speakable.wording.grammar import Gender, Grammar, Rewrite, RewriteKind, currencies, noun, nouns
from speechhub.speakable.wording.spelling import spell

_MONTHS: Final = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip
_DATIVE: Final = frozenset(
    ("am", "vom", "zum", "beim", "im", "ab", "bis", "seit", "dem", "den", "des", "vor", "nach")
)
_STARTERS: Final = (
    "Er|Sie|Es|Ich|Du|Wir|Ihr|Das|Der|Die|Dies|Diese|Dieser|Dieses|Dann|Da|Und|Aber|Oder|Doch|Ein|Eine|In|Im"
    "|Am|An|Auf|Mit|Von|Vor|Nach|So|Wenn|Wer|Was|Wie|Wo|Nun|Jetzt|Heute|Danach|Dort|Hier|Man|Auch"
)
"""Words that begin a sentence more often than they follow an ordinal number."""
_YEAR_CUES: Final = "jahr jahre jahren seit anno von bis um ab vor nach sommer winter frühjahr herbst"


def _day_rules(before: str) -> str:
    if before in ("der", "die", "das"):
        return "spellout-ordinal"
    return "spellout-ordinal-n" if before in _DATIVE else "spellout-ordinal-r"


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    said = spell(hour, grammar.language, "spellout-cardinal-masculine")
    return f"{said} Uhr" if not minute else f"{said} Uhr {spell(minute, grammar.language)}"


def _time(match: re.Match[str], grammar: Grammar) -> str:
    return _clock(int(match["hour"]), int(match["minute"]), grammar)


def _day(match: re.Match[str], grammar: Grammar) -> str | None:
    return spell(int(match["day"]), grammar.language, _day_rules(word_before(match.string, match.start())))


def _ordinal(match: re.Match[str], grammar: Grammar) -> str:
    rules = _day_rules(match["before"].strip().lower())
    return f"{match['before']}{spell(int(match['day']), grammar.language, rules)}"


def _million(match: re.Match[str], _grammar: Grammar) -> str:
    name = {"Mio": "Million", "Mrd": "Milliarde"}[match["scale"]]
    ending = "" if match["one"] else ("en" if name == "Million" else "n")
    return f"{'eine' if match['one'] else match['number']} {name}{ending}"


GERMAN: Final = Grammar(
    language="de",
    decimal=",",
    groups=".'’",  # noqa: RUF001
    point="Komma",
    minus="minus",
    plus="plus",
    percent=noun("Prozent | n"),
    to="bis",
    year_rules="spellout-numbering-year",
    year_cues=(
        *_YEAR_CUES.split(),
        *(month.lower() for month in _MONTHS),
    ),
    months=_MONTHS,
    date="{ordinal} {month} {year}",
    date_mark=r"\.",
    day_rules=_day_rules,
    clock=_clock,
    gendered={
        Gender.MASCULINE: "spellout-cardinal-masculine",
        Gender.FEMININE: "spellout-cardinal-feminine",
        Gender.NEUTER: "spellout-cardinal-neuter",
    },
    currencies=currencies("""
€ EUR Euro: Euro; Cent
$ US$ USD: Dollar; Cent
£ GBP: Pfund | n; Penny, Pence
¥ JPY: Yen
CHF: Franken; Rappen
₽: Rubel
"""),
    with_part="{main} {part}",
    scales=nouns("""
Million Millionen Mio. Mio: Million, Millionen | f
Milliarde Milliarden Mrd. Mrd: Milliarde, Milliarden | f
Tsd.: Tausend | n
"""),
    per="pro",
    units=nouns("""
km: Kilometer
m: Meter
cm: Zentimeter
mm: Millimeter
µm μm: Mikrometer
km/h: Kilometer pro Stunde
m/s: Meter pro Sekunde
kg: Kilogramm | n
g: Gramm | n
mg: Milligramm | n
t: Tonne, Tonnen | f
l L: Liter
ml: Milliliter
°C ℃: Grad Celsius
°F: Grad Fahrenheit
°: Grad
m² m2: Quadratmeter
km² km2: Quadratkilometer
m³ m3: Kubikmeter
h Std: Stunde, Stunden | f
min Min: Minute, Minuten | f
s Sek: Sekunde, Sekunden | f
ms: Millisekunde, Millisekunden | f
kB KB: Kilobyte | n
MB: Megabyte | n
GB: Gigabyte | n
TB: Terabyte | n
Mbit/s: Megabit pro Sekunde | n
Hz: Hertz | n
kHz: Kilohertz | n
MHz: Megahertz | n
GHz: Gigahertz | n
V: Volt | n
W: Watt | n
kW: Kilowatt | n
kWh: Kilowattstunde, Kilowattstunden | f
kcal: Kilokalorie, Kilokalorien | f
dB: Dezibel | n
"""),
    common="""
& = und @ between
""",
    abbreviations="""
z. B. = zum Beispiel
d. h. = das heißt
u. a. = unter anderem
u. U. = unter Umständen
v. a. = vor allem
z. T. = zum Teil
i. d. R. = in der Regel
s. o. = siehe oben
s. u. = siehe unten
v. Chr. = vor Christus @ last
n. Chr. = nach Christus @ last
usw. = und so weiter @ last
etc. = et cetera @ last
bzw. = beziehungsweise
ca. = circa
evtl. = eventuell
ggf. = gegebenenfalls
inkl. = inklusive
exkl. = exklusive
vgl. = vergleiche
Nr. = Nummer @ number
S. = Seite @ number
Abs. = Absatz @ number
Art. = Artikel @ number
Kap. = Kapitel @ number
Tel. = Telefon @ number
Dr. = Doktor @ name
Prof. = Professor @ name
Hr. = Herr @ name
Fr. = Frau @ name
St. = Sankt @ name
""",
    rewrites=(
        Rewrite(
            pattern=(
                r"(?<![\w.:,-])(?P<hour>[01]?[0-9]|2[0-3])[:.](?P<minute>[0-5][0-9])(?:[ \u00a0]Uhr)?"
                r" ?[–-] ?(?=(?:[01]?[0-9]|2[0-4])[:.][0-5][0-9][ \u00a0]Uhr\b)"  # noqa: RUF001
            ),
            words=lambda match, grammar: f"{_time(match, grammar)} {grammar.to} ",
        ),
        Rewrite(
            pattern=r"(?<![\w.:,-])(?P<hour>[01]?[0-9]|2[0-3])[:.](?P<minute>[0-5][0-9])[ \u00a0]Uhr\b",
            words=_time,
        ),
        Rewrite(
            pattern=(
                r"(?P<before>(?<!\w)(?:[Dd]er|[Dd]ie|[Dd]as|[Dd]e[mns]|[AaIi]m|[Vv]om|[Zz]um|[Bb]eim) )"
                rf"(?P<day>[0-9]{{1,3}})\.(?= (?!(?:{_STARTERS})\b)[A-ZÄÖÜ][a-zäöüß])"
            ),
            words=_ordinal,
        ),
        Rewrite(
            pattern=(
                rf"(?<![\w.,-])(?P<day>[1-9]|[12][0-9]|3[01])\."
                rf"(?= ?(?:(?:bis|und|oder|bis zum) [0-9]{{1,2}}\. ?)?(?:{'|'.join(_MONTHS)})\b)"
            ),
            words=_day,
        ),
        Rewrite(
            pattern=(
                r"(?<![\w.,])(?:(?P<one>1)|(?P<number>[0-9]{1,4}(?:,[0-9]{1,3})?))"
                r"[ \u00a0](?P<scale>Mio|Mrd)\.(?![ \u00a0]?[€$£¥]|[ \u00a0](?:Euro|EUR|USD|CHF))"
            ),
            words=_million,
            kind=RewriteKind.ABBREVIATION,
        ),
        Rewrite(
            pattern=r"(?<=[a-zäöüß])str\.(?=[ \u00a0][0-9])",
            words=lambda *_: "straße",
            kind=RewriteKind.ABBREVIATION,
        ),
    ),
)
