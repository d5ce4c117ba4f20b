"""Removes emoji, which a reader would skip.

Digits of keycaps are kept, and so are characters that are text by default: ©, ®, ™, ℹ, Ⓜ, ‼, ⁉, ㊗, ㊙ and
plain arrows. Source: Unicode's emoji-data.txt, property Emoji; UTS #51, ED-17, for the sequences.
"""  # noqa: RUF002

import re
import unicodedata
from typing import Final

_PICTURES: Final = (
    "\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe"
    "\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626\u262a\u262e\u262f"
    "\u2638-\u263a\u2640\u2642\u2648-\u2653\u265f\u2660\u2663\u2665\u2666\u2668\u267b\u267e\u267f"
    "\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5"
    "\u26c8\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705"
    "\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e"
    "\u2753-\u2755\u2757\u2763\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b"
    "\u2b1c\u2b50\u2b55\u303d"
    "\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e\U0001f17f\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f1e6-\U0001f1ff\U0001f201\U0001f202\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0\U0001f900-\U0001faff"
)
_TEXT: Final = "\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u24c2\u3030\u3297\u3299\xa9\xae"
"""Characters that are text unless a variation selector makes them pictures."""
_KEYCAP: Final = re.compile("([0-9])\ufe0f?\u20e3")
_SELECTED: Final = re.compile(f"([{_TEXT}])\ufe0f")
_ONE: Final = f"(?:[{_PICTURES}][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*|[#*]\ufe0f?\u20e3)"
_SEQUENCES: Final = re.compile(f"{_ONE}(?:\u200d?{_ONE}|\u200d[{_TEXT}]\ufe0f?)*\u200d?")
_STOPS: Final = (".", ",", "!", "?", ";", ":", ")", "…")


def without_emoji(text: str) -> str:
    """Return *text* without emoji; one of the spaces around each is kept."""
    if text.isascii():
        return text
    kept, start = [""], 0
    text = _SELECTED.sub(r"\1", _KEYCAP.sub(r"\1", text))
    for found in _SEQUENCES.finditer(text):
        kept.append(text[start : found.start()])
        start = found.end()
        before, after = kept[-1][-1:] or kept[-2][-1:], text[start : start + 1]
        if not before or before.isspace():
            start += after == " "
            if after in _STOPS:
                kept[-1] = kept[-1].removesuffix(" ")
        elif _spaced(before) and _spaced(after):
            kept[-1] += " "
    if start == 0:
        return text
    rest = text[start:]
    return "".join(kept).rstrip(" ") if not rest else "".join([*kept, rest])


def _spaced(character: str) -> bool:
    """Return whether *character* belongs to a word of a script with spaces."""
    return character.isalnum() and unicodedata.east_asian_width(character) not in "WF"
