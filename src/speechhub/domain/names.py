"""Names of voices and models in the one form in which they are kept and compared.

An accent is one character, or a letter and a mark: keyboards and file systems differ, and no reader sees it.
Source: Unicode Standard Annex 15, "Unicode Normalization Forms".
"""

from unicodedata import normalize


def composed(name: str) -> str:
    """Return *name* in normalization form C, as most programs write it."""
    return name if name.isascii() else normalize("NFC", name)


def key_of(name: str) -> str:
    """Return what two names share that differ in case, in the form of their accents, or in space around."""
    return composed(composed(name.strip()).casefold())
