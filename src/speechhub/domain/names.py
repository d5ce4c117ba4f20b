"""Names of voices and models in the one form in which they are stored and compared.

An accented letter can be one character, or a letter and a combining mark: keyboards and file systems differ,
and readers cannot see the difference. Source: Unicode Standard Annex 15, "Unicode Normalization Forms".
"""

from unicodedata import normalize


def composed(name: str) -> str:
    """Return *name* in normalization form C, as most programs write it."""
    return name if name.isascii() else normalize("NFC", name)


def key_of(name: str) -> str:
    """Return a key that is equal for names that differ only in case, accent encoding or surrounding space."""
    return composed(composed(name.strip()).casefold())
