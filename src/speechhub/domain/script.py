"""Scripts: which of them put spaces between words, and which script of Chinese a language tag asks for."""

import unicodedata
from enum import StrEnum
from typing import Final


class ChineseScript(StrEnum):
    """How to write Chinese; the values are the names of OpenCC's conversions."""

    TAIWAN = "s2twp"
    """Traditional, with Taiwan's characters and words."""
    HONG_KONG = "s2hk"
    """Traditional, with Hong Kong's characters."""
    TRADITIONAL = "s2t"
    """Traditional, without a region."""
    SIMPLIFIED = "t2s"
    """Simplified."""


_CHINESE: Final = frozenset({"zh", "zho", "chi", "cmn", "yue"})
_REGIONS: Final = {
    "tw": ChineseScript.TAIWAN,
    "hk": ChineseScript.HONG_KONG,
    "mo": ChineseScript.HONG_KONG,
    "cn": ChineseScript.SIMPLIFIED,
    "sg": ChineseScript.SIMPLIFIED,
    "my": ChineseScript.SIMPLIFIED,
}
"""Source: Unicode CLDR, likelySubtags.xml."""


def parse_script(tag: str | None) -> ChineseScript | None:
    """Return the script that a language tag such as ``zh-TW`` asks for; None if it asks for none.

    A script takes precedence over a region: ``zh-Hans-HK`` is simplified.
    """
    primary, *rest = (tag or "").strip().lower().replace("_", "-").split("-")
    if primary not in _CHINESE:
        return None
    region = next((_REGIONS[part] for part in rest if part in _REGIONS), None)
    if "hans" in rest:
        return ChineseScript.SIMPLIFIED
    if "hant" in rest:
        return (
            region if region in (ChineseScript.TAIWAN, ChineseScript.HONG_KONG) else ChineseScript.TRADITIONAL
        )
    return region


def is_of_hong_kong(tag: str | None) -> bool:
    """Tell whether a tag names the Chinese of Hong Kong, where Cantonese is spoken: ``zh-HK``."""
    primary, *rest = (tag or "").strip().lower().replace("_", "-").split("-")
    return primary == "zh" and "hk" in rest


def is_unspaced(char: str) -> bool:
    """Tell whether *char* belongs to a script without spaces between words, or to its punctuation.

    These are Han, kana and everything else that is as wide, Thai, Lao, Tibetan, Burmese and Khmer. Korean has
    spaces, although Hangul is wide; emoji are wide, and belong to no script.
    """
    thai_lao_tibetan_burmese, khmer = "\u0e00" <= char <= "\u109f", "\u1780" <= char <= "\u17ff"
    if thai_lao_tibetan_burmese or khmer:
        return True
    return (
        unicodedata.east_asian_width(char) in {"W", "F"}
        and unicodedata.category(char) != "So"
        and not unicodedata.name(char, "").startswith("HANGUL")
    )


def space_between(before: str, after: str) -> str:
    """Return what separates two texts that follow each other: a space, or nothing.

    It is nothing where either script, at the joint, has no spaces between words.

    Args:
        before: The first text, without space at its end. Empty where *after* begins a transcript: then the
            answer is the leading space that its first segment and word have.
        after: The second text, without space at its start.
    """
    if not after or is_unspaced(after[0]) or (before and is_unspaced(before[-1])):
        return ""
    return " "
