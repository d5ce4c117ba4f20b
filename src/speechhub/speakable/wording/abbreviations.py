"""Writes abbreviations as words."""

import re
from functools import lru_cache

from speechhub.speakable.wording.grammar import Grammar, Where, read_table

_BEHIND_NAME = re.compile(r"[^\s.!?:] (?:[^\W\d_a-z][\w'’-]{1,30}|[^\W\d_a-z]\.) $")  # noqa: RUF001
"""A word with a capital letter that is not the first of its sentence."""
_SPACES = str.maketrans("", "", " \u00a0\u202f")


def expand(text: str, grammar: Grammar, *, common: bool) -> str:
    """Return *text* with its abbreviations written as words.

    Args:
        text: Any text.
        grammar: The grammar of its language.
        common: Whether to expand also those that most engines read correctly.
    """
    pattern, table = _compiled(grammar.common * common + grammar.abbreviations)
    if pattern is None:
        return text

    def words(match: re.Match[str]) -> str:
        expanded, where = table[match.group().translate(_SPACES)]
        return _in_context(match, expanded, where)

    return pattern.sub(words, text)


def _in_context(match: re.Match[str], words: str, where: Where) -> str:
    """Return the words, or the unchanged abbreviation if the context does not fit."""
    text, end = match.string, match.end()
    following = text[end : end + 8].lstrip(" \u00a0\u202f")
    spaced = following != text[end : end + 8]
    if where in (Where.NAME, Where.FIRST):
        fits = spaced and following[:1].isupper()
        fits = fits and (where is Where.NAME or not _BEHIND_NAME.search(text[: match.start()][-40:]))
    elif where is Where.NUMBER:
        if following[:1].isdecimal():
            return words if spaced else f"{words} "
        fits = False
    elif where is Where.BETWEEN:
        fits = text[match.start() - 1 : match.start()] == " " and spaced
    else:
        fits = True
    if not fits:
        return match.group()
    ends = (
        not following or following[0] in "\r\n" or (where is Where.LAST and spaced and following[0].isupper())
    )
    return f"{words}." if ends and match.group().endswith(".") else words


@lru_cache(maxsize=64)
def _compiled(source: str) -> tuple[re.Pattern[str] | None, dict[str, tuple[str, Where]]]:
    found = read_table(source)
    for short, (words, where) in list(found.items()):
        found.setdefault(short[0].upper() + short[1:], (words[0].upper() + words[1:], where))
    if not found:
        return None, {}
    forms = "|".join(_form(short) for short in sorted(found, key=len, reverse=True))
    # Not within a path, a host name or a compound: /etc., example.no., AT&T.
    pattern = re.compile(rf"(?<![\w./@\\&'’-])(?:{forms})")  # noqa: RUF001
    return pattern, {short.translate(_SPACES): entry for short, entry in found.items()}


def _form(short: str) -> str:
    spaced = re.escape(short).replace("\\ ", "[ \u00a0\u202f]?")
    if short[-1] in ".&":
        return spaced
    return rf"{spaced}(?![\w/-])" if short[-1].isdecimal() else rf"{spaced}(?![^\W\d_])"
