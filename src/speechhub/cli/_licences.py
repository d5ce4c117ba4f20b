"""What the command line says of licences."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechhub.engine import ModelSpec


def licence_lines(model: "ModelSpec", extras: Collection[str] = ()) -> Iterator[str]:
    """Yield the licences of a model and of its parts; of optional parts, those that *extras* names."""
    if model.licence:
        where = f", {model.licence_url}" if model.licence_url else ""
        yield f"{model.id}: the licence of its weights is {model.licence}{where}"
    for part in model.parts:
        if part.licence and (part.name in extras or not part.optional):
            yield f"{model.id}: the licence of its part {part.name} ({part.hub.repo}) is {part.licence}"
