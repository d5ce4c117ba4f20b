"""Portuguese."""

import re
from typing import Final

from speechhub.speakable.wording.grammar import Gender, Grammar, Rewrite, currencies, noun, nouns
from speechhub.speakable.wording.spelling import spell

_MONTHS: Final = (
    "janeiro",
    "fevereiro",
    "março",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
)  # fmt: skip
_MASCULINE: Final = "spellout-ordinal-masculine"
_FEMININE: Final = "spellout-ordinal-feminine"


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    said = spell(hour, grammar.language, "spellout-cardinal-feminine")
    if not minute:
        return f"{said} hora{'s' * (hour > 1)}"
    return f"{said} e {spell(minute, grammar.language)}"


def _time(match: re.Match[str], grammar: Grammar) -> str:
    return _clock(int(match["hour"]), int(match["minute"] or 0), grammar)


PORTUGUESE: Final = Grammar(
    language="pt",
    decimal=",",
    groups=".",
    point="vírgula",
    minus="menos",
    plus="mais",
    percent=noun("por cento"),
    to="a",
    fraction_as_number=True,
    months=_MONTHS,
    date="{day} de {month} de {year}",
    date_mark="/",
    first_of_month="primeiro",
    clock=_clock,
    gendered={
        Gender.MASCULINE: "spellout-cardinal-masculine",
        Gender.FEMININE: "spellout-cardinal-feminine",
    },
    currencies=currencies("""
R$ BRL: real, reais; centavo, centavos
€ EUR: euro, euros; cêntimo, cêntimos
$ US$ USD: dólar, dólares; centavo, centavos
£ GBP: libra, libras | f; pêni, pence
¥ JPY: iene, ienes
"""),
    ordinals={"º": _MASCULINE, ".º": _MASCULINE, "ª": _FEMININE, ".ª": _FEMININE},
    with_part="{main} e {part} {part_name}",
    scales=nouns("""
milhão milhões mi: milhão, milhões
bilhão bilhões bi: bilhão, bilhões
"""),
    per="por",
    after_million=lambda name: f"de {name}",
    units=nouns("""
km: quilômetro, quilômetros
m: metro, metros
cm: centímetro, centímetros
mm: milímetro, milímetros
km/h: quilômetro por hora, quilômetros por hora
m/s: metro por segundo, metros por segundo
kg: quilograma, quilogramas
g: grama, gramas
mg: miligrama, miligramas
t: tonelada, toneladas | f
l L: litro, litros
ml: mililitro, mililitros
°C ℃: grau Celsius, graus Celsius
°F: grau Fahrenheit, graus Fahrenheit
°: grau, graus
m² m2: metro quadrado, metros quadrados
km² km2: quilômetro quadrado, quilômetros quadrados
m³ m3: metro cúbico, metros cúbicos
min: minuto, minutos
ms: milissegundo, milissegundos
KB kB: kilobyte, kilobytes
MB: megabyte, megabytes
GB: gigabyte, gigabytes
TB: terabyte, terabytes
Hz: hertz
kHz: quilohertz
MHz: megahertz
GHz: gigahertz
W: watt, watts
kW: quilowatt, quilowatts
kWh: quilowatt-hora, quilowatts-hora
kcal: quilocaloria, quilocalorias | f
dB: decibel, decibéis
"""),
    common="""
Sr. = senhor @ name
Sra. = senhora @ name
Dr. = doutor @ name
Dra. = doutora @ name
nº = número @ number
etc. = etcétera @ last
""",
    abbreviations="""
p. ex. = por exemplo
a. C. = antes de Cristo @ last
d. C. = depois de Cristo @ last
aprox. = aproximadamente
Prof. = professor @ name
Profa. = professora @ name
Av. = avenida @ name
n.º = número @ number
№ = número @ number
pág. = página @ number
págs. = páginas @ number
cap. = capítulo @ number
art. = artigo @ number
tel. = telefone @ number
& = e @ between
""",
    rewrites=(
        Rewrite(
            pattern=r"(?<!\w)R\$[ \u00a0]?(?P<number>[0-9]{1,3}(?:,[0-9]{1,2})?)[ \u00a0]mil\b",
            words=lambda match, _: f"{match['number']} mil reais",
        ),
        Rewrite(
            pattern=(
                r"(?<![\w.,:-])(?P<hour>[01]?[0-9]|2[0-3])h(?P<minute>[0-5][0-9])?"
                r" ?[–-] ?(?=(?:[01]?[0-9]|2[0-4])h(?:[0-5][0-9])?\b)"  # noqa: RUF001
            ),
            words=lambda match, grammar: f"{_time(match, grammar)} {grammar.to} ",
        ),
        Rewrite(
            pattern=r"(?<![\w.,:-])(?P<hour>[01]?[0-9]|2[0-3])h(?P<minute>[0-5][0-9])?(?![\w/])", words=_time
        ),
    ),
)
