"""Dependencies of handlers, as parts of the one that the application provides: the hub."""

from collections.abc import Callable
from typing import Any

from litestar.di import NamedDependency, Provide

from speechhub.hub import Hub


def from_hub(**parts: Callable[[Hub], Any]) -> dict[str, Provide]:
    """Return dependencies by name: the *parts* of the hub that the handlers of a controller need."""
    return {name: _provide(part) for name, part in parts.items()}


def _provide(part: Callable[[Hub], Any]) -> Provide:
    def provide(hub: NamedDependency[Hub]) -> Any:
        return part(hub)

    return Provide(provide, sync_to_thread=False)
