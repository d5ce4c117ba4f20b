"""Spanish."""

import re
from typing import Final

from speechhub.speakable.wording.grammar import Gender, Grammar, Rewrite, currencies, noun, nouns
from speechhub.speakable.wording.spelling import spell

_MONTHS: Final = (
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
)  # fmt: skip
_MASCULINE: Final = "spellout-ordinal-masculine"
_FEMININE: Final = "spellout-ordinal-feminine"


def _ordinal(match: re.Match[str], grammar: Grammar) -> str | None:
    return spell(int(match["number"]), grammar.language, grammar.ordinals[match["ending"]])


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    said = spell(hour, grammar.language, "spellout-cardinal-feminine")
    return f"{said} y {spell(minute, grammar.language)}" if minute else str(said)


SPANISH: Final = Grammar(
    language="es",
    decimal=",",
    groups=".",
    point="coma",
    minus="menos",
    plus="más",
    percent=noun("por ciento"),
    to="a",
    fraction_as_number=True,
    months=_MONTHS,
    date="{day} de {month} de {year}",
    date_mark="/",
    first_of_month="primero",
    clock=_clock,
    gendered={
        Gender.MASCULINE: "spellout-cardinal-masculine",
        Gender.FEMININE: "spellout-cardinal-feminine",
    },
    currencies=currencies("""
€ EUR: euro, euros; céntimo, céntimos
US$ USD: dólar, dólares; centavo, centavos
£ GBP: libra, libras | f; penique, peniques
¥ JPY: yen, yenes
₽: rublo, rublos
"""),
    ordinals={
        "º": _MASCULINE,
        ".º": _MASCULINE,
        "ª": _FEMININE,
        ".ª": _FEMININE,
        ".er": "spellout-ordinal-masculine-adjective",
        "er": "spellout-ordinal-masculine-adjective",
    },
    with_part="{main} con {part}",
    scales=nouns("""
millón millones: millón, millones
"""),
    per="por",
    after_million=lambda name: f"de {name}",
    units=nouns("""
km: kilómetro, kilómetros
m: metro, metros
cm: centímetro, centímetros
mm: milímetro, milímetros
km/h: kilómetro por hora, kilómetros por hora
m/s: metro por segundo, metros por segundo
kg: kilogramo, kilogramos
g: gramo, gramos
mg: miligramo, miligramos
t: tonelada, toneladas | f
l L: litro, litros
ml: mililitro, mililitros
°C ℃: grado Celsius, grados Celsius
°F: grado Fahrenheit, grados Fahrenheit
°: grado, grados
m² m2: metro cuadrado, metros cuadrados
km² km2: kilómetro cuadrado, kilómetros cuadrados
m³ m3: metro cúbico, metros cúbicos
h: hora, horas | f
min: minuto, minutos
ms: milisegundo, milisegundos
KB kB: kilobyte, kilobytes
MB: megabyte, megabytes
GB: gigabyte, gigabytes
TB: terabyte, terabytes
Hz: hercio, hercios
kHz: kilohercio, kilohercios
MHz: megahercio, megahercios
GHz: gigahercio, gigahercios
W: vatio, vatios
kW: kilovatio, kilovatios
kWh: kilovatio hora, kilovatios hora
kcal: kilocaloría, kilocalorías | f
dB: decibelio, decibelios
"""),
    common="""
Sr. = señor @ name
Sra. = señora @ name
Srta. = señorita @ name
Dr. = doctor @ name
Dra. = doctora @ name
Ud. = usted
Uds. = ustedes
etc. = etcétera @ last
""",
    abbreviations="""
p. ej. = por ejemplo
EE. UU. = Estados Unidos @ last
a. C. = antes de Cristo @ last
d. C. = después de Cristo @ last
aprox. = aproximadamente
Prof. = profesor @ name
Profa. = profesora @ name
Gral. = general @ name
Avda. = avenida @ name
n.º | nº | núm. = número @ number
№ = número @ number
pág. = página @ number
págs. = páginas @ number
cap. = capítulo @ number
art. = artículo @ number
tel. = teléfono @ number
& = y @ between
""",
    rewrites=(
        Rewrite(pattern=r"(?<![\w.,-])(?P<number>[0-9]{1,3})(?P<ending>\.(?:º|ª|er))(?!\w)", words=_ordinal),
    ),
)
