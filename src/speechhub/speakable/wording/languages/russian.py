"""Russian."""

# ruff: noqa: RUF001  # Cyrillic letters that look like Latin ones are what this module is about

import re
from typing import Final

from speechhub.speakable.wording.grammar import (
    Gender,
    Grammar,
    Noun,
    Rewrite,
    RewriteKind,
    currencies,
    noun,
    nouns,
)
from speechhub.speakable.wording.quantity import Quantity, form
from speechhub.speakable.wording.roman import roman
from speechhub.speakable.wording.spelling import spell

_FEMININE: Final = "spellout-cardinal-feminine"
_ENDINGS: Final = {
    "й": "spellout-ordinal-masculine",
    "я": "spellout-ordinal-feminine",
    "е": "spellout-ordinal-neuter",
    "го": "spellout-ordinal-masculine-genitive",
    "му": "spellout-ordinal-masculine-dative",
}
_CENTURIES: Final = {
    "": "spellout-ordinal-masculine",
    "а": "spellout-ordinal-masculine-genitive",
    "у": "spellout-ordinal-masculine-dative",
    "е": "spellout-ordinal-masculine-locative",
    "ом": "spellout-ordinal-masculine-ablative",
}
_PARTS: Final = {1: ("десятая", "десятых"), 2: ("сотая", "сотых"), 3: ("тысячная", "тысячных")}
_THOUSAND: Final = {
    "тыс": Noun(forms=("тысяча", "тысячи", "тысяч"), gender=Gender.FEMININE),
    "млн": Noun(forms=("миллион", "миллиона", "миллионов")),
    "млрд": Noun(forms=("миллиард", "миллиарда", "миллиардов")),
}


def _ends_in_one(number: int) -> bool:
    return number % 10 == 1 and number % 100 != 11  # noqa: PLR2004


def _decimals(whole: int, fraction: str, grammar: Grammar) -> str | None:
    """Return ``три целых четырнадцать сотых`` for 3.14; None beyond thousandths."""
    if len(fraction) not in _PARTS:
        return None
    one, many = _PARTS[len(fraction)]
    behind = int(fraction)
    return (
        f"{spell(whole, grammar.language, _FEMININE)} {'целая' if _ends_in_one(whole) else 'целых'} "
        f"{spell(behind, grammar.language, _FEMININE)} {one if _ends_in_one(behind) else many}"
    )


def _clock(hour: int, minute: int, grammar: Grammar) -> str:
    if minute == 0:
        return f"{spell(hour, grammar.language)} ноль ноль"
    return (
        f"{spell(hour, grammar.language)} {'ноль ' if minute < 10 else ''}"  # noqa: PLR2004
        f"{spell(minute, grammar.language)}"
    )


def _ordinal(match: re.Match[str], grammar: Grammar) -> str | None:
    if match["ending"] == "е" and match["number"].endswith("0") and len(match["number"]) in (2, 4):
        return None  # a decade, which is plural and not an ordinal number
    return spell(int(match["number"]), grammar.language, _ENDINGS[match["ending"]])


def _century(match: re.Match[str], grammar: Grammar) -> str | None:
    value = roman(match["roman"])
    return spell(value, grammar.language, _CENTURIES[match["case"]]) if value else None


def _thousands(match: re.Match[str], grammar: Grammar) -> str:
    whole, _, fraction = match["number"].partition(",")
    name = form(Quantity(digits=whole, fraction=fraction), _THOUSAND[match["scale"]], grammar)
    return f"{match['number']} {name}"


def _year(match: re.Match[str], _grammar: Grammar) -> str:
    return f"{match['in']} {match['year']} году" if match["in"] else f"{match['year']} года"


RUSSIAN: Final = Grammar(
    language="ru",
    decimal=",",
    groups=" ",
    point="запятая",
    minus="минус",
    plus="плюс",
    percent=noun("процент, процента, процентов"),
    clock=_clock,
    gendered={
        Gender.MASCULINE: "spellout-cardinal-masculine",
        Gender.FEMININE: _FEMININE,
        Gender.NEUTER: "spellout-cardinal-neuter",
    },
    decimals=_decimals,
    currencies=currencies("""
₽ руб. руб RUB: рубль, рубля, рублей; копейка, копейки, копеек | f
$ USD: доллар, доллара, долларов; цент, цента, центов
€ EUR: евро; цент, цента, центов
£ GBP: фунт, фунта, фунтов; пенс, пенса, пенсов
¥: иена, иены, иен | f
"""),
    with_part="{main} {part} {part_name}",
    scales=nouns("""
тыс. тыс тысяча тысячи тысяч: тысяча, тысячи, тысяч | f
млн. млн миллион миллиона миллионов: миллион, миллиона, миллионов
млрд. млрд миллиард миллиарда миллиардов: миллиард, миллиарда, миллиардов
"""),
    after_million=lambda name: name,
    units=nouns("""
км: километр, километра, километров
м: метр, метра, метров
см: сантиметр, сантиметра, сантиметров
мм: миллиметр, миллиметра, миллиметров
км/ч: километр в час, километра в час, километров в час
м/с: метр в секунду, метра в секунду, метров в секунду
кг: килограмм, килограмма, килограммов
мг: миллиграмм, миллиграмма, миллиграммов
т: тонна, тонны, тонн | f
л: литр, литра, литров
мл: миллилитр, миллилитра, миллилитров
°C °С ℃: градус Цельсия, градуса Цельсия, градусов Цельсия
°F: градус Фаренгейта, градуса Фаренгейта, градусов Фаренгейта
коп. коп: копейка, копейки, копеек | f
°: градус, градуса, градусов
м² м2: квадратный метр, квадратных метра, квадратных метров
мин: минута, минуты, минут | f
сек: секунда, секунды, секунд | f
%: процент, процента, процентов
КБ: килобайт, килобайта, килобайт
МБ: мегабайт, мегабайта, мегабайт
ГБ: гигабайт, гигабайта, гигабайт
ТБ: терабайт, терабайта, терабайт
Гц: герц, герца, герц
кВт: киловатт, киловатта, киловатт
"""),
    common="""
№ = номер @ number
""",
    abbreviations="""
т. е. = то есть
т. к. = так как
и т. д. = и так далее @ last
и т. п. = и тому подобное @ last
и др. = и другие @ last
и пр. = и прочее @ last
напр. = например
см. = смотри
стр. = страница @ number
г-н = господин @ name
г-жа = госпожа @ name
ул. = улица @ name
& = и @ between
""",
    rewrites=(
        Rewrite(pattern=r"(?<![\w.,-])(?P<number>[0-9]{1,4})-(?P<ending>й|я|е|го|му)(?!\w)", words=_ordinal),
        Rewrite(pattern=r"(?<!\w)(?P<roman>[IVX]{1,6})(?= век(?P<case>а|у|е|ом|)(?!\w))", words=_century),
        Rewrite(
            pattern=(
                r"(?<![\w.,+-])(?<![0-9][ -])[0-9]{1,3}(?: [0-9]{3}){1,4}"
                r"(?=,[0-9]|\.?(?:\s|$|[;:!?)%])|,\s)"
            ),
            words=lambda match, _: match.group().replace(" ", ""),
        ),
        Rewrite(
            pattern=r"(?<![\w.])в г\. (?=[А-ЯЁ])",
            words=lambda *_: "в городе ",
            kind=RewriteKind.ABBREVIATION,
        ),
        Rewrite(
            pattern=r"(?<![\w.])(?:(?P<in>[вВ]) )?(?P<year>[12][0-9]{3})[ \u00a0]?г\.(?!\w)",
            words=_year,
            kind=RewriteKind.ABBREVIATION,
        ),
        Rewrite(
            pattern=(
                r"(?<![\w.,$€£₽])(?P<number>[0-9]{1,4}(?:,[0-9]{1,3})?)[ \u00a0]"
                r"(?P<scale>тыс|млн|млрд)(?:\.|\b)"
                r"(?!\.?[ \u00a0]?(?:[₽$€£]|руб))"
            ),
            words=_thousands,
            kind=RewriteKind.ABBREVIATION,
        ),
    ),
)  # fmt: skip
