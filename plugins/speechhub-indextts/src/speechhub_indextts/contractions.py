"""English contractions in full, for IndexTTS-2, whose tokenizer drops the part after the apostrophe."""

import re
from typing import Final

_APOSTROPHE: Final = re.compile(r"(?<=[A-Za-z])[\u2019\u02bc\uff07](?=[A-Za-z])")
_NOT: Final = re.compile(r"\b([A-Za-z]+)(n)'(t)\b", re.IGNORECASE)
_ENDING: Final = re.compile(r"\b([A-Za-z]+)'(ll|re|ve|m)\b", re.IGNORECASE)
_LET: Final = re.compile(r"\b(let)'s\b", re.IGNORECASE)
_IS: Final = re.compile(r"\b(what|where|who|how|there|here|it|he|she|that)'s\b(?=(\s+\w+)?)", re.IGNORECASE)
_FULL: Final = {"ll": "will", "re": "are", "ve": "have", "m": "am"}
_IRREGULAR: Final = {"ca": "can", "wo": "will", "sha": "shall"}
"""Beginnings before ``n't`` that are not words, and their full forms."""
_HAS: Final = frozenset({"been", "got", "had", "become", "gone", "done", "taken", "made", "happened"})
"""After these, ``'s`` is "has"."""
_UNTOUCHED: Final = frozenset({"ai"})
"""``ain't`` has no full form."""


def expanded(text: str) -> str:
    """Return *text* with ``we'll`` as "we will"; the possessive ``John's`` and the ambiguous ``I'd`` stay."""
    if "'" not in text and not _APOSTROPHE.search(text):
        return text
    text = _APOSTROPHE.sub("'", text)
    text = _NOT.sub(_negated, text)
    text = _ENDING.sub(lambda found: f"{found[1]} {_like(found[2], _FULL[found[2].lower()])}", text)
    text = _LET.sub(lambda found: f"{found[1]} {_like(found[1], 'us')}", text)
    return _IS.sub(_is, text)


def _negated(found: re.Match[str]) -> str:
    verb = found[1]
    if verb.lower() in _UNTOUCHED:
        return found[0]
    full = _IRREGULAR.get(verb.lower(), verb)
    if full != verb:
        full = full.upper() if verb.isupper() else full.capitalize() if verb[0].isupper() else full
    return f"{full} {_like(found[2], 'not')}"


def _is(found: re.Match[str]) -> str:
    following = (found[2] or "").strip().lower()
    return f"{found[1]} {_like(found[1], 'has' if following in _HAS else 'is')}"


def _like(model: str, word: str) -> str:
    """Return *word* in capitals if *model* is in them."""
    return word.upper() if model.isupper() else word
