"""Rewrites forms that NeMo's grammars misread into forms that they read right. Pure; linear in the text.

The grammars take a hyphen in Chinese for a minus, even in telephone numbers and ranges, and the "P3" of "MP3"
for an amount in pula.
"""

import re
from collections.abc import Callable
from typing import Final

_DIGITS: Final = "零一二三四五六七八九"
_LINE_DIGITS: Final = "零幺二三四五六七八九"
"""Digits as they are read in telephone numbers."""
_PLACES: Final = ("", "十", "百", "千")
_UNITS_ZH: Final = {
    "km/h": "公里每小时",
    "m/s": "米每秒",
    "m/s²": "米每二次方秒",
    "kB/s": "千字节每秒",
    "KB/s": "千字节每秒",
    "MB/s": "兆字节每秒",
    "GB/s": "吉字节每秒",
    "r/min": "转每分钟",
    "rpm": "转每分钟",
}
_UNITS_EN: Final = {
    "km/h": "kilometers per hour",
    "kph": "kilometers per hour",
    "mph": "miles per hour",
    "m/s": "meters per second",
    "kB/s": "kilobytes per second",
    "KB/s": "kilobytes per second",
    "MB/s": "megabytes per second",
    "GB/s": "gigabytes per second",
    "rpm": "revolutions per minute",
}
_SIGNS_ZH: Final = {"+": "加", "-": "减", "×": "乘", "÷": "除以", "=": "等于"}  # noqa: RUF001
_NO_CURRENCY: Final = "".join(
    f"(?<!{code})" for code in ("USD", "EUR", "CNY", "RMB", "JPY", "GBP", "HKD", "TWD", "KRW")
)
_AFTER_TWO: Final = "个位只条张件次天本块杯辆台人种倍斤家部份座棵瓶把双对层遍套"

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _one_by_one(digits: str, words: str = _DIGITS) -> str:
    return "".join(words[int(digit)] for digit in digits if digit.isdigit())


def _cardinal(digits: str) -> str:
    """Return a number of up to four digits in Chinese words."""
    said, zero = "", False
    digits = digits.lstrip("0")
    for place, digit in enumerate(digits):
        if digit == "0":
            zero = True
            continue
        said += ("零" if zero else "") + _DIGITS[int(digit)] + _PLACES[len(digits) - 1 - place]
        zero = False
    return (said.removeprefix("一") if said.startswith("一十") else said) or "零"


def _telephone(found: re.Match[str]) -> str:
    groups = re.findall(r"\d+", found[0])
    if len(groups) == 1:
        groups = [found[0][:3], found[0][3:7], found[0][7:]]
    return "，".join(_one_by_one(group, _LINE_DIGITS) for group in groups)  # noqa: RUF001


def _dotted(found: re.Match[str]) -> str:
    return "点".join(_one_by_one(part) for part in found[0].split("."))


def _date(found: re.Match[str]) -> str:
    month, day = int(found[2]), int(found[3])
    return f"{found[1]}年{month}月{day}日" if 1 <= month <= 12 and 1 <= day <= 31 else found[0]  # noqa: PLR2004


def _sum(found: re.Match[str]) -> str:
    return re.sub(r"\s*([-+×÷=])\s*", lambda sign: _SIGNS_ZH[sign[1]], found[0])  # noqa: RUF001


def _score(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}比{found[3]}"


def _unit(units: dict[str, str], form: str) -> Rule:
    names = "|".join(map(re.escape, units))
    pattern = re.compile(rf"(?:(?<=\d)\s*|(?<![A-Za-z0-9/.-]))({names})(?![A-Za-z0-9/²])")
    return pattern, lambda found: form.format(units[found[1]])


_NUMBER: Final = r"\d+(?:\.\d+)?"
_WITH_UNIT: Final = rf"{_NUMBER}(?:%|‰|℃|°C?|[年月日号点时]|:\d\d)?"
CHINESE: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?<=\d)\s+(?=[年月日号时点分秒])"), ""),
    (re.compile(r"(?<![\d./])(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?![\d/]|\.\d)日?"), _date),
    (
        re.compile(
            r"(?<![\d.-])(?:1[3-9]\d-\d{4}-\d{4}|1[3-9]\d{9}|0\d{2,3}-\d{7,8}|[48]00-\d{3}-\d{4})(?![\d-])"
        ),
        _telephone,
    ),
    (re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}"), _dotted),
    (re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])"), lambda found: found[0].replace(",", "")),
    (re.compile(rf"(?<![\d.:]){_NUMBER}(?:\s*[-+×÷]\s*{_NUMBER})+\s*=(?:\s*-?{_NUMBER})?"), _sum),  # noqa: RUF001
    (re.compile(r"(比分(?:是|为)?\s*)(\d+)\s*[-:：]\s*(\d+)"), _score),  # noqa: RUF001
    (
        re.compile(
            rf"(?<![\dA-Za-z.:/-])({_WITH_UNIT})\s*[-–—~～]\s*({_WITH_UNIT})"  # noqa: RUF001
            r"(?![\d:]|-\d|/\d|\.\d)"
        ),
        r"\1到\2",
    ),
    (re.compile(r"(?<=周)([一二三四五六七八九十日天]?)\s*[-–—~～]\s*(?=周)"), r"\1到"),  # noqa: RUF001
    (re.compile(r"公元前\s*(\d{1,4})(?=年)"), lambda found: f"公元前{_cardinal(found[1])}"),
    # In "2020年到2025年" the grammar reads only the second number as a year.
    (re.compile(r"(?<!\d)\d{4}(?=到\d{4}年)|(?<!\d)\d{4}(?=年)"), lambda found: _one_by_one(found[0])),
    (re.compile(r"(?<!\d)\d{1,2}(?=月[到至])"), lambda found: _cardinal(found[0])),
    _unit(_UNITS_ZH, "{}"),
    (re.compile(r"(?<=\d)\s+(?=(?:km|cm|mm|kg|mg|ml|mL)(?!\w))"), ""),
    (re.compile(r"(?<=[元块])/(?=[\u4e00-\u9fff])"), "每"),
    (re.compile(rf"({_NUMBER})‰"), r"千分之\1"),
    (re.compile(r"(?<!\d)%"), "百分号"),
    (re.compile(rf"(?<![\d.第A-Za-z])2(?=[{_AFTER_TWO}])"), "两"),
    (re.compile(rf"(?<=[A-Za-z]){_NO_CURRENCY}(?=\d)"), " "),
)
ENGLISH: Final[tuple[Rule, ...]] = (
    _unit(_UNITS_EN, " {}"),
    (re.compile(r"(?<![\d/.-])24/7(?![\d/])"), "24 7"),
    (re.compile(r"(?<![\w/.-])(\d{1,4})\s*[–—]\s*(\d{1,4})(?![\w/-]|\.\d)"), r"\1 to \2"),  # noqa: RUF001
    (re.compile(r"(?<![\w/.:-])(\d{1,2})-(\d{1,2})(?![\w/:-]|\.\d|\s*=)"), r"\1 to \2"),
    (re.compile(r"\bNo\.\s*(?=\d)"), "number "),
    (re.compile(r"(?<=[A-Za-z])(?=\d+\.\d)"), " "),
)
RULES: Final = {"zh": CHINESE, "en": ENGLISH}


def readable(text: str, language: str) -> str:
    """Return *text* with the forms rewritten that the grammar of its language misreads.

    Args:
        text: As a client sent it.
        language: ISO 639-1 code.
    """
    for pattern, replacement in RULES.get(language, ()):
        text = pattern.sub(replacement, text)
    return text
