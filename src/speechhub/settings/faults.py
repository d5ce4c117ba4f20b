"""Messages about wrong settings: where the setting is, its value, what is allowed, and similar names."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Final

import msgspec

from speechhub.settings.expected import Convert, misfit, shown
from speechhub.settings.values import Settings

SECRET: Final = ("api_keys", "admin_keys")
"""Settings whose values no message shows."""


def near(name: str, known: Iterable[str], written: Callable[[str], str] = str) -> str:
    """Return the sentence that follows a wrong *name* in a message: similar names, or all valid ones."""
    names = sorted(known)
    if close := get_close_matches(name, names, n=3):
        return f"Did you mean {' or '.join(map(written, close))}?"
    return f"There are: {', '.join(map(written, names)) or 'none'}."


def explain(
    values: Mapping[str, object],
    origins: Mapping[str, str],
    convert: Convert,
) -> str:
    """Return which of the *values* are not valid settings, and why; empty if all are valid.

    Args:
        values: Values by setting name.
        origins: Where each value was written, in words.
        convert: Converts a value to a setting's type.
    """
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    told = []
    for name, value in values.items():
        if name not in kinds:
            told.append(f"Unknown setting {origins[name]}. {near(name, kinds)}")
            continue
        if wrong := misfit(value, kinds[name], convert):
            at = f", at {name}{wrong.place}" if wrong.place else ""
            hidden = name in SECRET or isinstance(wrong.value, dict)  # for a table, the reason names the part
            value_shown = "" if hidden else f"{',' if at else ''} is {shown(wrong.value)}"
            told.append(f"Setting {origins[name]}{at}{value_shown}: {wrong.reason}")
    return " ".join(told)
