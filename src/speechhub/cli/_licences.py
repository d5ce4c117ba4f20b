"""Licences, in the command line's words."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechhub.engine import ModelSpec


def licence_text(model: "ModelSpec") -> str:
    """Return the licence of a model's weights, and where to read it."""
    where = f", {model.licence_url}" if model.licence_url else ""
    return f"{model.licence or 'not stated'}{where}"


def licence_lines(model: "ModelSpec", extras: Collection[str] = ()) -> Iterator[str]:
    """Yield the licences of a model and of its parts; optional parts only if *extras* names them."""
    if model.licence:
        yield f"{model.id}: the licence of its weights is {licence_text(model)}"
    for part in model.parts:
        if part.licence and (part.name in extras or not part.optional):
            yield f"{model.id}: the licence of its part {part.name} ({part.hub.repo}) is {part.licence}"
