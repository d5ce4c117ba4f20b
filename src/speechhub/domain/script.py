"""Scripts of Chinese: which one the tag of a language asks for."""

from enum import StrEnum
from typing import Final


class ChineseScript(StrEnum):
    """How Chinese is to be written; the values are names of OpenCC's conversions into it."""

    TAIWAN = "s2twp"
    """Traditional, with Taiwan's characters and words."""
    HONG_KONG = "s2hk"
    """Traditional, with Hong Kong's characters."""
    TRADITIONAL = "s2t"
    """Traditional, for no region."""
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
    """Return the script that a language's tag asks for, such as ``zh-TW``; None if it asks for none.

    A script goes before a region: ``zh-Hans-HK`` is simplified.
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
