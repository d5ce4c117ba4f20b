"""The facts of a route: what the edges around the application must know of it before it is called.

They stand at the route's handler, in its ``opt``, and are read from there once, into a `RouteTable`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute, WebSocketRoute

from speechhub.settings import Settings

FACTS: Final = "facts"
"""Key of a handler's `opt`: its `RouteFacts`."""
BODY_HINT: Final = "body_hint"
"""Key of a handler's `opt`: what to add where its body is too large."""
WEBSOCKET: Final = "WEBSOCKET"
"""What stands for a method where a route is a WebSocket."""
FORM_OVERHEAD_BYTES: Final = 1024 * 1024
"""What the other fields of a form may take beside the largest file."""


class Workload(Enum):
    """What a request keeps busy, for the limits that each caller has."""

    LIGHT = auto()
    """Nothing worth a limit: lists and probes."""
    UPLOAD = auto()
    """A connection, memory and disk: counts among the requests at a time."""
    ENGINE = auto()
    """An engine too: counts among the requests in a minute as well."""


class Body(Enum):
    """What the largest honest body of a route holds; `BodyLimits` has the bytes."""

    SMALL = auto()
    """A few names and numbers."""
    SPEECH = auto()
    """A text to speak, and clips of speakers where a model clones voices."""
    SAMPLE = auto()
    """A form with the recording of a speaker."""
    RECORDING = auto()
    """A form with a recording to transcribe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFacts:
    """What the edges must know of one handler."""

    workload: Workload = Workload.LIGHT
    body: Body = Body.SMALL
    may_load: bool = False
    """Whether it may load a model although it only reads: foreign pages may not ask for that."""
    is_open: bool = False
    """Whether it needs no API key."""
    open_if: Callable[[Settings], bool] = lambda _: False
    """Whether the operator's settings open it."""
    is_probe: bool = False
    """Whether it is a sign of life, which waits for no other request's turn; so is all below its path."""
    is_quiet: bool = False
    """Whether it is asked every few seconds, or a dozen times by one page; logged only in debug."""
    paths: frozenset[str] = frozenset()
    """The paths that exist, where the route's own is a template and the other facts concern an edge."""


_PARAMETER: Final = re.compile(r"\{[^}]*\}")

PLAIN: Final = RouteFacts()
"""Facts of handlers that declare none, such as Litestar's own."""


class RouteTable(ReceiveRoutePlugin):
    """Method and path → facts, of all routes of an application: given to it as a plugin, it reads them."""

    def __init__(self, facts: Mapping[tuple[str, str], RouteFacts] | None = None) -> None:
        """Begin with *facts* by method and path template; by default, with none."""
        self._facts = dict(facts or {})

    @property
    def facts(self) -> Mapping[tuple[str, str], RouteFacts]:
        """Method and path template → facts."""
        return self._facts

    def receive_route(self, route: BaseRoute) -> None:
        """Read the facts of a route that Litestar registers."""
        if isinstance(route, WebSocketRoute):
            self._facts[WEBSOCKET, route.path] = route.route_handler.opt.get(FACTS, PLAIN)
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            facts = handler.opt.get(FACTS, PLAIN)
            self._facts |= {(method, route.path): facts for method in handler.http_methods}

    def paths(self, method: str, wanted: Callable[[RouteFacts], bool]) -> frozenset[str]:
        """Return the paths of the routes for *method* whose facts are *wanted*.

        Raises:
            ValueError: One of them is a template and does not say which paths there are.
        """
        found: set[str] = set()
        for (given, path), facts in self._facts.items():
            if given == method and wanted(facts):
                if "{" in path and not facts.paths:
                    raise ValueError(f"{method} {path} is a template: its facts must name its paths.")
                found |= facts.paths or {path}
        return frozenset(found)

    def sockets(self) -> Callable[[str], bool]:
        """Return what tells whether a WebSocket is at a path."""
        return self.where(WEBSOCKET, lambda _: True)

    def where(self, method: str, wanted: Callable[[RouteFacts], bool]) -> Callable[[str], bool]:
        """Return what tells whether a path has a route for *method* whose facts are *wanted*."""
        templates = [
            path for (given, path), facts in self._facts.items() if given == method and wanted(facts)
        ]
        plain = {template for template in templates if "{" not in template}
        patterns = [
            re.compile("[^/]+".join(map(re.escape, _PARAMETER.split(it)))) for it in set(templates) - plain
        ]
        return lambda path: path in plain or any(pattern.fullmatch(path) for pattern in patterns)

    def prefixes(self, wanted: Callable[[RouteFacts], bool]) -> tuple[str, ...]:
        """Return what the paths begin with of the routes whose facts are *wanted*."""
        return tuple(sorted({path.partition("{")[0] for (_, path), it in self._facts.items() if wanted(it)}))
