"""Paths made from names of foreign origin, such as files on a model hub, or folders in a JSON file.

Use only `below` to turn such a name into a path. Standard library only: workers import this module with
`speechhub.engine`.
"""

import os
import unicodedata
from pathlib import Path
from typing import Final

MAX_PART_BYTES: Final = 255
"""Longest name of a file or folder. Source: NAME_MAX of Linux's and Apple's file systems."""
MAX_NAME_BYTES: Final = 1024
"""Longest name with its folders. Source: PATH_MAX of macOS, the lowest of all systems."""
HIDDEN_KINDS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that a name may not have: control characters, invisible format characters (some
file systems ignore them, so that two dots with one in between are ``..``), surrogates, line ends."""
LOOK_ALIKES: Final = frozenset("\u2044\u2215\u2216\u29f5\u29f8\u29f9")
"""Characters that look like slashes, and that no normalization form turns into one."""
SHOWN_CHARS: Final = 80
"""How much of a bad name an error repeats."""


class UnsafeNameError(ValueError):
    """A name is not safe for a file below a folder; the message says why."""

    def __init__(self, name: object, reason: str) -> None:
        text = repr(name)
        shown = text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
        super().__init__(f"the name {shown} {reason}")


def below(base: Path, name: str, *, links_out: bool = False) -> Path:
    """Return the path of *name* in the folder *base*; neither need exist.

    Args:
        base: One of our folders; it may itself be a link.
        name: Untrusted name of a file or folder, with forward slashes between folders.
        links_out: Whether links on the way may lead outside *base*: in folders that operators provide.

    Raises:
        UnsafeNameError: The path would not be below *base*, or the name is not valid for a file.
    """
    check_name(name)
    path = base / name
    if not links_out:
        root, real = os.path.realpath(base), os.path.realpath(path)
        if real == root or os.path.commonpath([root, real]) != root:
            raise UnsafeNameError(name, "leaves its folder through a link")
    return path


def check_name(name: str) -> None:
    """Check that *name* is a relative path that only goes down, and looks the same to people and systems.

    Raises:
        UnsafeNameError: It is not.
    """
    if not isinstance(name, str):
        raise UnsafeNameError(name, "is not text")
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise UnsafeNameError(name, "is not valid Unicode") from error
    if len(encoded) > MAX_NAME_BYTES or any(len(part) > MAX_PART_BYTES for part in encoded.split(b"/")):
        raise UnsafeNameError(
            name, f"is too long: {MAX_PART_BYTES} bytes for each part, {MAX_NAME_BYTES} in all"
        )
    if any(unicodedata.category(char) in HIDDEN_KINDS or char in LOOK_ALIKES for char in name):
        raise UnsafeNameError(name, "has an invisible character, or one that looks like a slash")
    # File systems and programs may use the compatibility form: two dots in one character, wide slashes.
    common = unicodedata.normalize("NFKC", name)
    if common.count("/") != name.count("/"):
        raise UnsafeNameError(name, "has a character that looks like a slash")
    for form in (name, common):
        if "\\" in form:
            raise UnsafeNameError(name, "has a backslash")
        if any(part.strip() in ("", ".", "..") for part in form.split("/")):
            raise UnsafeNameError(
                name, "is not a plain relative path: it has an empty part, '.', '..' or a slash at an end"
            )
