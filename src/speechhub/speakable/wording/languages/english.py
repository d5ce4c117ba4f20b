"""English."""

from typing import Final

from speechhub.speakable.wording.grammar import Grammar, currencies, noun, nouns
from speechhub.speakable.wording.languages.english_notation import MONTHS, REWRITES, clock

_YEAR_CUES: Final = (
    "in since from by until till of year before after during around circa about and to spring summer autumn "
    "fall winter copyright early late mid"
)

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
        *(month.lower() for month in MONTHS),
    ),
    months=MONTHS,
    date="{month} {ordinal}, {year}",
    ordinals=dict.fromkeys(("st", "nd", "rd", "th"), "spellout-ordinal"),
    clock=clock,
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
million M m mil: million
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
Ph.D. = PhD
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
    rewrites=REWRITES,
)  # fmt: skip
