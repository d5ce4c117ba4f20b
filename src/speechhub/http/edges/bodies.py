"""Limits of request bodies, route by route, and the account of what all bodies hold together.

Each route takes what its largest honest request needs and no more: 64 KiB for most, a recording for some.
What is read into memory counts in the account of all requests until its request is over.
"""

from typing import Final

from litestar.enums import ScopeType
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage

from speechhub.http.context import context_of
from speechhub.http.facts import BODY_HINT, FACTS, FORM_OVERHEAD_BYTES, PLAIN, Body
from speechhub.services.account import Account, Holding
from speechhub.settings import Settings

NO_CLONING: Final = "No model here clones voices, so the request cannot hold clips."

SMALL_BODY_BYTES: Final = 64 * 1024
"""Largest body of a route that reads only a few names and numbers."""
ESCAPED_BYTES: Final = 12
r"""Longest way to write a character in JSON: ``\ud83d\ude00``."""
JSON_WEIGHT: Final = 2
"""How often JSON is in memory: as received, and as decoded."""
CLIPS: Final = 2
"""Recordings that a request for speech can hold: the voice's, and the emotion's."""


class BodyLimits(ReceiveRoutePlugin):
    """Gives each route the size of its largest honest body; a plugin of the application."""

    def __init__(self, settings: Settings, *, cloning: bool) -> None:
        """Work out the limits.

        Args:
            settings: Has the longest text, and the largest recordings.
            cloning: Whether any model takes recordings of speakers.
        """
        clip_bytes = (settings.max_reference_bytes + 2) // 3 * 4  # base64
        clip_bytes += settings.max_reference_bytes // 16  # its line ends
        text_bytes = ESCAPED_BYTES * settings.max_input_chars
        self._bytes = {
            Body.SMALL: SMALL_BODY_BYTES,
            Body.SPEECH: SMALL_BODY_BYTES + text_bytes + CLIPS * clip_bytes * cloning,
            Body.SAMPLE: settings.max_reference_bytes + FORM_OVERHEAD_BYTES,
            Body.RECORDING: settings.max_upload_bytes + FORM_OVERHEAD_BYTES,
        }
        self._hints = {Body.SPEECH: "" if cloning else NO_CLONING}

    def receive_route(self, route: BaseRoute) -> None:
        """Set the limit of every handler of a route that Litestar registers."""
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            body = handler.opt.get(FACTS, PLAIN).body
            handler.request_max_body_size = self._bytes[body]
            handler.opt[BODY_HINT] = self._hints.get(body, "")


def bodies_accounted(app: ASGIApp, account: Account) -> ASGIApp:
    """Wrap *app*: give every request its holding, and count what it reads into memory.

    The `Holding` is the context's ``holding``; it is closed when the response is over or abandoned.
    Forms are not counted here, because most of them goes to disk: the code that reads them counts.

    Raises:
        ServerFullError: From ``receive``, if the other requests leave no room for the body.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        holding = account.open()
        context = context_of(scope)
        context.holding = holding
        context.exit_stack.callback(holding.close)
        if scope["type"] == ScopeType.HTTP and not _is_form(scope):
            receive = _counted(receive, holding)
        await app(scope, receive, send)

    return wrapped


def _counted(receive: Receive, holding: Holding) -> Receive:
    async def counted() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        message = await receive()
        if message["type"] == "http.request":
            holding.take("memory", JSON_WEIGHT * len(message.get("body", b"")))
        return message

    return counted


def _is_form(scope: Scope) -> bool:
    return dict(scope["headers"]).get(b"content-type", b"").lower().startswith(b"multipart/form-data")
