"""What is wrong with a setting, in words: where it stands, its value, what is allowed, which name is near."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from speechhub.settings.values import ModelSettings, Settings

SECRET: Final = ("api_keys", "admin_keys")
"""Settings whose values no message shows."""
LONGEST_VALUE: Final = 80
"""How much of a wrong value is shown, in characters."""


def near(name: str, known: Iterable[str], shown: Callable[[str], str] = str) -> str:
    """Return what follows a wrong *name* in a message: the names near to it, or all that there are."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=3):
        return f"Did you mean {' or '.join(map(shown, close))}?"
    return f"There are: {', '.join(map(shown, names)) or 'none'}."


def explain(
    values: Mapping[str, object],
    origins: Mapping[str, str],
    dec_hook: Callable[[type, Any], object],
) -> str:
    """Return which of the *values* cannot be settings, and why; empty if each of them can.

    Args:
        values: By the names of settings.
        origins: Where each value was written, for people.
        dec_hook: As for `msgspec.convert`.
    """
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    told = []
    for name, value in values.items():
        if name not in kinds:
            told.append(f"Unknown setting {origins[name]}. {near(name, kinds)}")
            continue
        try:
            msgspec.convert(value, kinds[name], strict=False, dec_hook=dec_hook)
        except msgspec.ValidationError as error:
            told.append(f"Setting {origins[name]}{_shown(name, value)}: {_reason(str(error), kinds[name])}")
    return " ".join(told)


def _shown(name: str, value: object) -> str:
    if name in SECRET or isinstance(value, dict):  # of a table the reason names the part
        return ""
    text = repr(value)
    return f" is {text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '…'}"


def _reason(said: str, kind: Any) -> str:
    """Put msgspec's message into the terms of the settings."""
    said = re.sub(r", got `str`", "", said)  # all that a variable can be is text
    reason, _, place = said.replace("`", "").partition(" - at $")
    where = f", in {place.strip('.')}" if place else ""
    if get_origin(kind) is Literal:
        reason = f"it must be one of {', '.join(get_args(kind))}"
    if unknown := re.fullmatch(r"Object contains unknown field (\S+)", reason):
        fields = [field.name for field in msgspec.structs.fields(ModelSettings)]
        reason = f"there is no key {unknown[1]}"
        return f"{reason}{where}. {near(unknown[1], fields)}"
    return f"{reason[0].lower()}{reason[1:]}{where}."
