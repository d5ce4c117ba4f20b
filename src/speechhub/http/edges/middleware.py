"""Wrappers for every request: its id, headers, clean-up and line in the log; errors; answers to HEAD."""

import os
import re
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from speechhub.errors import SpeechhubError
from speechhub.errors.excerpt import excerpt
from speechhub.http.context import KEY, RequestContext, context_of
from speechhub.http.errors import send_error
from speechhub.http.facts import WEBSOCKET
from speechhub.http.near import UnknownSocketError
from speechhub.metrics import Metrics

log = structlog.get_logger()

_CLIENT_ID: Final = re.compile(r"[\w.:\-]{1,128}", re.ASCII)
MAX_PATH_CHARS: Final = 300
"""How much of a path is logged; no route with an id of OpenAI's in it is longer."""
SWITCHED: Final = 101
"""Status of a WebSocket that was accepted."""
NO_CODE: Final = 1005
"""Close code where there was none. Source: RFC 6455, section 7.4.1."""
_ALWAYS: Final = ((b"openai-version", b"2020-10-01"), (b"x-content-type-options", b"nosniff"))


def request_scope(app: ASGIApp, metrics: Metrics | None = None, *, quiet: tuple[str, ...] = ()) -> ASGIApp:
    """Wrap *app*: give every request an id, a place for clean-up, and a line in the log.

    A WebSocket has its line, the event ``session``, when it is closed; one that is refused has a request's.
    Makes the request's context, which all others find with `context_of`.

    Args:
        app: What answers.
        metrics: Count the requests.
        quiet: What the paths begin with that are logged only in debug.
    """
    metrics = metrics or Metrics()

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        asked = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = asked if _CLIENT_ID.fullmatch(asked) else f"req_{os.urandom(16).hex()}"
        context = RequestContext(request_id=request_id, path=scope["path"])
        scope["state"][KEY] = context
        exchange = _Exchange(context, metrics)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            failed = True
            try:
                async with context.exit_stack:
                    await app(scope, exchange.receiving(scope, receive), exchange.sending(send))
                failed = False
            finally:
                if failed:
                    context.log["broken_off"] = True
                exchange.report(scope, log.debug if scope["path"].startswith(quiet) else log.info)

    return wrapped


class _Exchange:
    """One request and its answer, or one WebSocket, as the messages in both directions show it."""

    def __init__(self, context: RequestContext, metrics: Metrics) -> None:
        self._context = context
        self._metrics = metrics
        self._began = time.perf_counter()
        self._status = 499  # unless there is an answer: the client left before
        self._closed_by = ""
        """``client`` or ``server``; empty if a WebSocket ended without either saying so."""
        self._close_code = NO_CODE

    def receiving(self, scope: Scope, receive: Receive) -> Receive:
        """Wrap a WebSocket's *receive*: note how the client ends it."""

        async def receive_noting() -> Any:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._note_close("client", message)
            return message

        return receive if scope["type"] == ScopeType.HTTP else receive_noting

    def sending(self, send: Send) -> Send:
        """Wrap *send*: add the headers that every answer has, and note how it goes."""

        async def send_noting(message: Message) -> None:
            match message["type"]:
                case "websocket.close":
                    self._note_close("server", message)
                    if not self._context.started:
                        self._status = 403  # what a client of a server without the extension sees
                case "websocket.accept":
                    self._status = SWITCHED
                    self._context.started = True
                    self._metrics.session_opened()
                # The second is the extension's, for an answer that is no WebSocket; Litestar has no type.
                case "http.response.start" | "websocket.http.response.start":
                    self._begin(message)
            await send(message)

        return send_noting

    def _begin(self, message: Any) -> None:
        self._status = message["status"]
        self._context.started = True
        took_ms = round((time.perf_counter() - self._began) * 1000)
        message["headers"] = [  # these are set here alone
            *message.get("headers", ()),
            (b"x-request-id", self._context.request_id.encode("latin-1")),
            (b"openai-processing-ms", b"%d" % took_ms),
            *_ALWAYS,
        ]
        if self._context.headers:
            MutableScopeHeaders.from_message(message).update(self._context.headers)

    def _note_close(self, by: str, message: Any) -> None:
        if not self._closed_by:  # the other side's close frame answers the first
            self._closed_by, self._close_code = by, message.get("code") or NO_CODE

    def report(self, scope: Scope, say: Callable[..., Any]) -> None:
        """Count what is over, and *say* it in the log."""
        context, notes = self._context, self._context.log
        method = scope["method"] if scope["type"] == ScopeType.HTTP else WEBSOCKET
        if context.error:
            notes["error"] = context.error
        if context.key:
            notes["key"] = context.key
        took_s = time.perf_counter() - self._began
        facts: dict[str, object]
        if self._status == SWITCHED:
            self._metrics.session_closed(route=context.route, code=self._close_code, took_s=took_s)
            facts = {
                "seconds": round(took_s, 1),
                "close_code": self._close_code,
                "closed_by": self._closed_by or None,
            }
        else:
            self._metrics.request(method=method, route=context.route, status=self._status, took_s=took_s)
            facts = {"ms": round(took_s * 1000, 1)}
        say(
            "session" if self._status == SWITCHED else "request",
            method=excerpt(method),
            path=excerpt(scope["path"], MAX_PATH_CHARS),
            status=self._status,
            **facts,
            **{name: excerpt(it) if isinstance(it, str) else it for name, it in notes.items()},
        )


def errors_answered(app: ASGIApp, cors: CORSConfig | None) -> ASGIApp:
    """Wrap *app*, which refuses requests before Litestar sees them: answer its errors as Litestar's are."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except SpeechhubError as error:
            if context_of(scope).started:
                raise  # the answer breaks off: there cannot be a second one
            # Litestar would have added these: without them a browser hides the error from its page.
            origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
            if cors and origin and cors.is_origin_allowed(origin) and scope["type"] == ScopeType.HTTP:
                context_of(scope).headers |= {
                    "access-control-allow-origin": origin,
                    "vary": "Origin",
                    **cors.simple_headers,
                }
            await send_error(error, scope, send)

    return wrapped


def sockets_refused(app: ASGIApp, is_socket: Callable[[str], bool]) -> ASGIApp:
    """Wrap *app*: refuse the handshakes of WebSockets that it does not have.

    Args:
        app: What answers.
        is_socket: Whether a WebSocket is at a path.

    Raises:
        UnknownSocketError: From the wrapped application.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET and not is_socket(scope["path"]):
            raise UnknownSocketError(scope["path"])
        await app(scope, receive, send)

    return wrapped


def head_answered(app: ASGIApp) -> ASGIApp:
    """Wrap *app*: answer HEAD as GET is answered, without the body."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        inner: Scope = {**scope, "method": "GET"}
        await app(inner, receive, send_without_body)

    return wrapped
