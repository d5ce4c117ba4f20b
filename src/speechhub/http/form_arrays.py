"""Arrays and objects in the fields of a form, as the libraries of other languages write them.

One element is ``name``, ``name[]`` or ``name[0]``: people write the first, OpenAI's SDKs, Rails and axios the
second, PHP, qs and axios the third. Some send the whole array in one part, as JSON or with commas.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from speechhub.errors import InvalidValueError
from speechhub.http.json_text import decode_json

_INDEXED: Final = re.compile(r"(\w{1,64})\[(\d{1,4})\](?:\[\])?", re.ASCII)


def element_of(name: str) -> tuple[str, int] | None:
    """Return the array and the index of a field that is called ``array[index]``; None for others."""
    found = _INDEXED.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def array(form: Mapping[str, Sequence[str]], name: str, *, commas: bool) -> list[Any]:
    """Return the elements of an array, those with an index in its order and behind the others.

    Args:
        form: Values by name, with any ``[]`` behind the name removed.
        name: Of the array.
        commas: Whether a comma separates elements, because none can contain one.
    """
    placed = [
        (element[1], text)
        for field, texts in form.items()
        if (element := element_of(field)) and element[0] == name
        for text in texts
    ]
    placed.sort(key=lambda one: one[0])
    texts = [*form.get(name, ()), *(text for _, text in placed)]
    return [element for text in texts for element in _elements(text, commas=commas)]


def leaves(form: Mapping[str, Sequence[str]], name: str) -> dict[str, str]:
    """Return the parts of an object that has one field for each, ``name[part]``."""
    prefix = f"{name}["
    return {
        field.removeprefix(prefix).removesuffix("]"): texts[-1]
        for field, texts in form.items()
        if field.startswith(prefix) and texts
    }


def _elements(text: str, *, commas: bool) -> Iterable[Any]:
    stripped = text.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        try:
            return decode_json(stripped, list[str])  # type: ignore[no-any-return]  # it is what was asked for
        except (msgspec.ValidationError, InvalidValueError):
            return [text]  # a term in brackets
    if commas and "," in text:
        return [part for part in map(str.strip, text.split(",")) if part]
    return [text]
