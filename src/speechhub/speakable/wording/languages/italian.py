"""Italian."""

from typing import Final

from speechhub.speakable.wording.grammar import Gender, Grammar, currencies, noun, nouns
from speechhub.speakable.wording.spelling import spell

_MONTHS: Final = (
    "gennaio",
    "febbraio",
    "marzo",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "agosto",
    "settembre",
    "ottobre",
    "novembre",
    "dicembre",
)  # fmt: skip
_MASCULINE: Final = "spellout-ordinal-masculine"
_FEMININE: Final = "spellout-ordinal-feminine"


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    said = spell(hour, grammar.language, "spellout-cardinal-feminine" if hour == 1 else "spellout-numbering")
    return f"{said} e {spell(minute, grammar.language)}" if minute else str(said)


ITALIAN: Final = Grammar(
    language="it",
    decimal=",",
    groups=".",
    point="virgola",
    minus="meno",
    plus="più",
    percent=noun("per cento"),
    to="a",
    fraction_as_number=True,
    months=_MONTHS,
    date="{day} {month} {year}",
    date_mark="/",
    first_of_month="primo",
    clock=_clock,
    gendered={
        Gender.MASCULINE: "spellout-cardinal-masculine",
        Gender.FEMININE: "spellout-cardinal-feminine",
    },
    currencies=currencies("""
€ EUR: euro; centesimo, centesimi
$ US$ USD: dollaro, dollari; centesimo, centesimi
£ GBP: sterlina, sterline | f; penny, pence
¥ JPY: yen
₽: rublo, rubli
"""),
    ordinals={"º": _MASCULINE, "ª": _FEMININE},
    with_part="{main} e {part}",
    scales=nouns("""
milione milioni mln: milione, milioni
miliardo miliardi mld: miliardo, miliardi
"""),
    after_million=lambda name: f"di {name}",
    units=nouns("""
km: chilometro, chilometri
m: metro, metri
cm: centimetro, centimetri
mm: millimetro, millimetri
km/h: chilometro orario, chilometri orari
m/s: metro al secondo, metri al secondo
kg: chilogrammo, chilogrammi
g: grammo, grammi
mg: milligrammo, milligrammi
t: tonnellata, tonnellate | f
l L: litro, litri
ml: millilitro, millilitri
°C ℃: grado Celsius, gradi Celsius
°F: grado Fahrenheit, gradi Fahrenheit
m² m2: metro quadrato, metri quadrati
km² km2: chilometro quadrato, chilometri quadrati
m³ m3: metro cubo, metri cubi
h: ora, ore | f
min: minuto, minuti
ms: millisecondo, millisecondi
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
kWh: chilowattora
kcal: chilocaloria, chilocalorie | f
dB: decibel
"""),
    abbreviations="""
Sig. = signor @ name
Sig.ra = signora @ name
Sig.na = signorina @ name
Dott. = dottor @ name
Dott.ssa = dottoressa @ name
Dr. = dottor @ name
Prof. = professor @ name
Prof.ssa = professoressa @ name
Ing. = ingegner @ name
Avv. = avvocato @ name
ecc. = eccetera @ last
ad es. = ad esempio
p. es. = per esempio
cfr. = confronta
a. C. = avanti Cristo @ last
d. C. = dopo Cristo @ last
n. = numero @ number
№ = numero @ number
pag. = pagina @ number
cap. = capitolo @ number
art. = articolo @ number
tel. = telefono @ number
& = e @ between
""",
)
