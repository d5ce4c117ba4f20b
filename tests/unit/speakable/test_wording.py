"""Numbers, abbreviations and notation as a person reads them, language by language."""

import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.speakable.wording import (
    ABBREVIATIONS,
    COMMON_ABBREVIATIONS,
    NOTATION,
    NUMBERS,
    in_words,
)
from speechhub.speakable.wording.languages import GRAMMARS

pytestmark = pytest.mark.lengthy

PLAIN = Path(__file__).parents[2] / "texts" / "plain.tsv"
READS_NUMBERS = (NUMBERS, COMMON_ABBREVIATIONS)
"""What an engine reads that makes its phonemes by espeak-ng."""
EVERYTHING = (NUMBERS, NOTATION, COMMON_ABBREVIATIONS, ABBREVIATIONS)

READINGS = {
    "en": {
        "1,234.5 and 0.05": "one thousand two hundred thirty-four point five and zero point zero five",
        "-5, −3.5 and 5 -3": "minus five, minus three point five and five -3",
        "1st, 22nd and 100th": "first, twenty-second and one hundredth",
        "at 10:30, 9:05, 8:00 and 14:00": "at ten thirty, nine oh five, eight o'clock and fourteen hundred",
        "in 2024, since 1999, until 1066": (
            "in twenty twenty-four, since nineteen ninety-nine, until ten sixty-six"
        ),
        "1999 people": "one thousand nine hundred ninety-nine people",
        "May 5, 2024 and July 4th": "May fifth, twenty twenty-four and July fourth",
        "the 1990s, 1900s and '80s": "the nineteen nineties, nineteen hundreds and eighties",
        "50% or 1.5 %": "fifty percent or one point five percent",
        "007": "zero zero seven",
        "at 9:00 am, 9:30 p.m. and 3 a.m. again, 8:05 PM.": (
            "at nine AM, nine thirty PM and three AM again, eight oh five PM."
        ),
        "9:00-17:00, 9:15 am–5:30 pm": "nine o'clock to seventeen hundred, nine fifteen AM to five thirty PM",
        "my 100th and 2,000th": "my one hundredth and two thousandth",
        "I am 3 amps": "I am three amps",
        "a 5-year-old": "a five-year-old",
        "$5.30, $1, $0.99, $1,000.00": (
            "five dollars and thirty cents, one dollar, ninety-nine cents, one thousand dollars"
        ),
        "$1.5 million, $2bn, £20k": (
            "one point five million dollars, two billion dollars, twenty thousand pounds"
        ),
        "£1.01, €20, 5€, ¥500, ₹7": (
            "one pound and one penny, twenty euros, five euros, five hundred yen, seven rupees"
        ),
        "-$5": "minus five dollars",
        "$2 mil": "two million dollars",
        "$5-$10, €5–10": "five to ten dollars, five to ten euros",
        "$5 million–$10 million, $5.50-$6.75": (
            "five million to ten million dollars, "
            "five dollars and fifty cents to six dollars and seventy-five cents"
        ),
        "a $5 million-dollar house": "a $5 million-dollar house",
        "5 km–10 km, 10°–15°C": "five to ten kilometers, ten to fifteen degrees Celsius",
        "$100/month": "one hundred dollars per month",
        "5 km/h, 1 km, 2.5 kg, 10GB": (
            "five kilometers per hour, one kilometer, two point five kilograms, ten gigabytes"
        ),
        "5-10 km, 10–20%": "five to ten kilometers, ten to twenty percent",
        "-5 °C, 72°F, at 45°": (
            "minus five degrees Celsius, seventy-two degrees Fahrenheit, at forty-five degrees"
        ),
        "6 ft, 6'2\", 30 min": "six feet, six feet two inches, thirty minutes",
        "2024-03-05": "March fifth, twenty twenty-four",
        "2024-13-45": "2024-13-45",
        "pages 10–12": "pages ten to twelve",
        "12:00–14:00": "twelve o'clock to fourteen hundred",
        "555-1234, (555) 123-4567": (
            "five five five, one two three four, five five five, one two three, four five six seven"
        ),
        "+1 555 123 4567": "plus one, five five five, one two three, four five six seven",
        "1 1/2 cups, 3/4 of it, 1½": "one and a half cups, three quarters of it, one and a half",
        "on 3/4": "on 3/4",
        "Louis XIV, Henry VIII's wife": "Louis the fourteenth, Henry the eighth's wife",
        "World War II and Chapter IV": "World War two and Chapter four",
        "open 24/7 w/o a break": "open twenty-four seven without a break",
        "Dr. Smith, Prof. Lee and Ms. Ray": "Doctor Smith, Professor Lee and Miz Ray",
        "St. James; the 5 St. shops": "Saint James; the five St. shops",
        "cats vs. dogs, e.g. mine": "cats versus dogs, for example mine",
        "pens, etc. Then": "pens, et cetera. Then",
        "pens, etc. and more (etc.)": "pens, et cetera and more (et cetera)",
        "see fig. 3, pp. 5–6, no. 7": "see figure three, pages five to six, number seven",
        "I ate No. 5. No. 6 is gone.": "I ate number five. No. six is gone.",
        "on Jan. 5": "on January fifth",
        "100-1000 people; dial 234-5678": "100-1000 people; dial two three four, five six seven eight",
        "Type I, Charles I said, Francis X. Doe": "Type I, Charles I said, Francis X. Doe",
        "in St. Louis, on Main St. Peter waits": "in Saint Louis, on Main St. Peter waits",
        "after 30 min. or 5 ft. it stops. It took 10 min. Then": (
            "after thirty minutes or five feet it stops. It took ten minutes. Then"
        ),
        "30 sec. 5 people": "thirty seconds. five people",
        "24/75": "24/75",
        "5 – 6 of them": "five – six of them",
        "salt & pepper, AT&T": "salt and pepper, AT&T",
        "1 000 000 ants": "one million ants",
        "2*3 #1 x86 v2.1 3.14.15 1e5 a1 [1] 192.168.0.1": "2*3 #1 x86 v2.1 3.14.15 1e5 a1 [1] 192.168.0.1",
        "1,5 and 1.234,5": "1,5 and 1.234,5",
    },
    "de": {
        "1.234,5 und 1.000,50": (
            "eintausendzweihundertvierunddreißig Komma fünf und eintausend Komma fünf null"
        ),
        "3.14": "3.14",
        "im Jahr 1999": "im Jahr neunzehnhundertneunundneunzig",
        "5,30 €, 1 €, 0,50 €": "fünf Euro dreißig, ein Euro, fünfzig Cent",
        "1 Mio. Euro, 2,5 Mrd. €": "eine Million Euro, zwei Komma fünf Milliarden Euro",
        "3 Mio. Menschen": "drei Millionen Menschen",
        "am 3. Mai, der 1. Juni": "am dritten Mai, der erste Juni",
        "im 2. Stock, der 3. Platz, am 5. dann": "im zweiten Stock, der dritte Platz, am fünf. dann",
        "Ich bin der 3. Er ist da.": "Ich bin der drei. Er ist da.",
        "vom 3. bis 5. Mai": "vom dritten bis fünften Mai",
        "am 05.03.2024": "am fünften März zweitausendvierundzwanzig",
        "um 10:30 Uhr oder 8.00 Uhr": "um zehn Uhr dreißig oder acht Uhr",
        "1 km, 1 t, -5 °C, 80 km/h": (
            "ein Kilometer, eine Tonne, minus fünf Grad Celsius, achtzig Kilometer pro Stunde"
        ),
        "5–10 Tage, 5-10 €": "fünf bis zehn Tage, fünf bis zehn Euro",
        "z. B. Äpfel, d.h. Obst, usw.": "zum Beispiel Äpfel, das heißt Obst, und so weiter.",
        "Dr. Müller, Hr. Meier, Nr. 5": "Doktor Müller, Herr Meier, Nummer fünf",
        "Hauptstr. 5": "Hauptstraße fünf",
        "10:30–12:00 Uhr, 9.00 - 17.00 Uhr": ("zehn Uhr dreißig bis zwölf Uhr, neun Uhr bis siebzehn Uhr"),
        "nach 5 Min. und 10 Std. sind": "nach fünf Minuten und zehn Stunden sind",
    },
    "fr": {
        "1 234,5 et 3,14": "mille deux cent trente-quatre virgule cinq et trois virgule quatorze",
        "1\u202f234 €": "mille deux cent trente-quatre euros",
        "5,30 €, 1,5 €": "cinq euros trente, un virgule cinq euro",
        "1 000 000 €": "un million d'euros",
        "le 1er mai, la 2e fois": "le premier mai, la deuxième fois",
        "10h30, 1h, 21 h": "dix heures trente, une heure, vingt-et-une heures",
        "après 1 h 05 min": "après une heure cinq",
        "06 12 34 56 78": "zéro six, douze, trente-quatre, cinquante-six, soixante-dix-huit",
        "M. Dupont et MM. Martin, le fils de Jean M. Petit": (
            "Monsieur Dupont et Messieurs Martin, le fils de Jean M. Petit"
        ),
        "p. ex. le n° 5": "par exemple le numéro cinq",
        "Louis XIV au XVIIe siècle, François Ier": "Louis quatorze au dix-septième siècle, François Ier",
        "le 01/05/2024": "le premier mai deux mille vingt-quatre",
        "5 km/h, 50 %": "cinq kilomètres heure, cinquante pour cent",
        "9h-17h, 14h30 – 16 h": "neuf heures à dix-sept heures, quatorze heures trente à seize heures",
    },
    "es": {
        "1.234,5": "mil doscientos treinta y cuatro coma cinco",
        "5,30 €, 1 km, 21 kg": "cinco euros con treinta, un kilómetro, veintiún kilogramos",
        "£1, 1.000.000 €": "una libra, un millón de euros",
        "a las 9:00 y a las 10:30": "a las nueve y a las diez y treinta",
        "1.º, 3ª, 1.er piso": "primero, tercera, primer piso",
        "EE. UU. y p. ej. Perú & Chile": "Estados Unidos y por ejemplo Perú y Chile",
        "la Dra. Ruiz, pág. 5": "la doctora Ruiz, página cinco",
        "el 05/03/2024": "el cinco de marzo de dos mil veinticuatro",
    },
    "it": {
        "1.234,5": "milleduecentotrentaquattro virgola cinque",
        "5,30 €, 5 km/h": "cinque euro e trenta, cinque chilometri orari",
        "il Sig. Rossi, la Dott.ssa Bianchi": "il signor Rossi, la dottoressa Bianchi",
        "n. 5 ecc.": "numero cinque eccetera.",
        "€ 2 mln, 1,5 mld €": "due milioni di euro, uno virgola cinque miliardi di euro",
    },
    "pt": {
        "R$ 5,30, R$ 2 milhões": "cinco reais e trinta centavos, dois milhões de reais",
        "10h30, 3ª": "dez e trinta, terceira",
        "9h-17h30": "nove horas a dezessete e trinta",
        "R$ 2 mil": "dois mil reais",
        "a Dra. Silva & filhos, p. ex.": "a doutora Silva e filhos, por exemplo.",
    },
    "nl": {
        "€ 5,30, € 5,-": "vijf euro dertig, vijf euro",
        "om 10:30 uur, 5 km/u": "om tien uur dertig, vijf kilometer per uur",
        "€ 2 mln, 10:30–12:00 uur": "twee miljoen euro, tien uur dertig tot twaalf uur",
        "bijv. dhr. Jansen, d.w.z. de 3e": "bijvoorbeeld de heer Jansen, dat wil zeggen de derde",
    },
    "ru": {
        "1 руб., 2 руб., 5 руб.": "один рубль, два рубля, пять рублей",
        "21 руб. 50 коп.": "двадцать один рубль пятьдесят копеек",
        "3,14 и 1,5 км": "три целых четырнадцать сотых и одна целая пять десятых километра",
        "5 млн человек, 1 млрд долларов": "пять миллионов человек, один миллиард долларов",
        "в 2024 г., т. е. сейчас": "в две тысячи двадцать четыре году, то есть сейчас",
        "3-й, 2-я, 5-го, 7-ми": "третий, вторая, пятого, 7-ми",
        "в 90-е и 2000-е годы": "в 90-е и 2000-е годы",
        "XX век, в XIX веке": "двадцатый век, в девятнадцатом веке",
        "$5 млн, 10 тыс. руб.": "пять миллионов долларов, десять тысяч рублей",
        "№5, 50%": "номер пять, пятьдесят процентов",
    },
    "pl": {"5 i 3,14, 22%": "pięć i trzy przecinek jeden cztery, dwadzieścia dwa procent"},
    "sv": {"21": "tjugoett"},
}


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [(language, *reading) for language, readings in READINGS.items() for reading in readings.items()],
)
def test_text_becomes_the_words_that_a_person_reads(language, written, said):
    """Without any rules of the engine's own, every kind is read."""
    assert in_words(written, language) == said


@pytest.mark.parametrize(
    ("language", "written", "said"),
    [
        ("en", "Dr. Jones paid $5 for 3 pens at 10:30.", "Dr. Jones paid five dollars for 3 pens at 10:30."),
        ("en", "5–10 people saw 10-20% vs. 3 km", "5 to 10 people saw 10 to 20% versus three kilometers"),
        ("en", "At 9:00 or 10:30, the 100th", "At nine o'clock or 10:30, the one hundredth"),
        ("es", "el 1.º y la 3ª", "el primero y la 3ª"),
        ("nl", "de 3e keer", "de derde keer"),
        ("ru", "50% и 3-й", "пятьдесят процентов и третий"),
        ("de", "Es sind 3 Mio. Menschen in 1.234 Orten.", "Es sind 3 Millionen Menschen in 1.234 Orten."),
        ("fr", "1\u202f234,5 et le 1er", "1234,5 et le 1er"),
        ("ru", "1 000 000 и 1 234,5", "1000000 и 1234,5"),
        ("es", "El Sr. Ruiz & 3 más", "El Sr. Ruiz y 3 más"),
    ],
)  # fmt: skip
def test_what_the_engine_reads_stays(language, written, said):
    """An engine that reads numbers keeps them as digits, and gets words for the rest."""
    assert in_words(written, language, READS_NUMBERS) == said


@pytest.mark.parametrize("line", PLAIN.read_text("utf-8").splitlines())
def test_plain_sentences_pass_byte_for_byte(line):
    """Code, signs, names and numbers in ordinary sentences reach an engine that reads numbers unchanged."""
    language, sentence = line.split("\t")

    assert in_words(sentence, language, READS_NUMBERS) == sentence
    assert in_words(sentence, language, EVERYTHING) == sentence


def test_there_are_two_hundred_plain_sentences():
    """The data file is whole."""
    assert len(set(PLAIN.read_text("utf-8").splitlines())) >= 200


@pytest.mark.parametrize("language", [None, "", "zh", "ja", "ko", "ar", "xx"])
def test_a_language_without_rules_stays(language):
    """Where there are no rules, or the language is unknown, the text is left alone."""
    assert in_words("Dr. X: 5 km, $3, 50%, 3月5日", language) == "Dr. X: 5 km, $3, 50%, 3月5日"


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_rules_of_a_language_are_whole(language):
    """Every currency, unit, date and abbreviation of a language can be read, and CLDR has its rule sets."""
    grammar = GRAMMARS[language]

    for symbol in (*grammar.currencies, *grammar.units):
        for number in ("1", "2", "5", "21"):
            read = in_words(f"{number} {symbol}", language)
            assert not re.search("[0-9]", read), f"{number} {symbol}: {read}"
    if grammar.date:
        for month in range(1, 13):
            read = in_words(f"2024-{month:02}-01", language)
            assert not re.search("[0-9]|None", read), read
    for ending in grammar.ordinals:
        assert not re.search("[0-9]", in_words(f"2{ending}", language)), ending
    for hour in range(24):
        assert "None" not in in_words(f"{hour}:07", language)


HOSTILE = {
    "digits": "1" * 10_000,
    "commas": "1,1,1," * 17_000,
    "thousands": "1,000," * 16_000,
    "dots": "1" + "." * 100_000,
    "signs": "$" * 100_000,
    "amounts": "$1" * 50_000,
    "dashes": "1–" * 50_000,
    "hyphens": "1-" * 50_000,
    "pluses": "+1-2-" * 20_000,
    "times": "1:1:" * 25_000,
    "letters": "Louis " + "I" * 100_000,
    "abbreviations": "z. B. etc." * 10_000,
    "spaces": "1 000 " * 16_000,
    "fixed spaces": "1\u00a0" * 50_000,
    "blank": " " * 100_000,
    "one word": "a" * 100_000,
}


@pytest.mark.parametrize("language", ["en", "de", "fr", "ru"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_read_in_one_pass(name, language):
    """A hundred thousand characters of anything come back in words, and nothing is lost."""
    text = HOSTILE[name]

    read = in_words(text, language)

    assert len(read) <= 40 * len(text)
    assert bool(read.strip()) == bool(text.strip())


@given(st.text(alphabet="0123456789.,:;/-–%$€ °kmhM.DrNo\u00a0\u202f\n+'\"()IVXe", max_size=60))
def test_nothing_raises_and_no_line_is_lost(text):
    """Whatever digits, signs and abbreviations stand together, reading ends, and line breaks stay."""
    for language in ("en", "de", "fr", "es", "ru", "pl"):
        read = in_words(text, language)
        assert read.count("\n") == text.count("\n")
        assert "None" not in read


@given(st.text(max_size=80))
def test_an_engine_that_reads_everything_gets_the_text_as_it_is(text):
    """Nothing at all changes where the engine has rules for everything."""
    assert in_words(text, "en", EVERYTHING) == text


def test_threads_read_at_the_same_time():
    """Rules load once, and several threads get the same words from them."""
    texts = [f"{number} km" for number in range(200)]
    expected = [in_words(text, "fi") for text in texts]
    found: list[list[str]] = []

    threads = [
        threading.Thread(target=lambda: found.append([in_words(text, "fi") for text in texts]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [expected] * 4
