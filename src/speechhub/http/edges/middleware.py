"""Wrappers for every request: its id, headers, clean-up and line in the log; errors; answers to HEAD."""

import os
import re
import time
from typing import Final

import structlog
from litestar.config.cors import CORSConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from speechhub.errors import SpeechhubError
from speechhub.errors.excerpt import excerpt
from speechhub.http.context import KEY, RequestContext, context_of
from speechhub.http.errors import send_error
from speechhub.http.near import UnknownSocketError
from speechhub.metrics import Metrics

log = structlog.get_logger()

_CLIENT_ID: Final = re.compile(r"[\w.:\-]{1,128}", re.ASCII)
MAX_PATH_CHARS: Final = 300
"""How much of a path is logged; no route with an id of OpenAI's in it is longer."""
_ALWAYS: Final = ((b"openai-version", b"2020-10-01"), (b"x-content-type-options", b"nosniff"))


def request_scope(app: ASGIApp, metrics: Metrics | None = None, *, quiet: tuple[str, ...] = ()) -> ASGIApp:
    """Wrap *app*: give every request an id, a place for clean-up, and a line in the log.

    Makes the request's context, which all others find with `context_of`.

    Args:
        app: What answers.
        metrics: Count the requests.
        quiet: What the paths begin with that are logged only in debug.
    """
    metrics = metrics or Metrics()

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["type"] == ScopeType.HTTP else "WEBSOCKET"
        began = time.perf_counter()
        asked = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = asked if _CLIENT_ID.fullmatch(asked) else f"req_{os.urandom(16).hex()}"
        context = RequestContext(request_id=request_id, path=scope["path"])
        scope["state"][KEY] = context
        notes = context.log
        status = 499  # unless there is an answer: the client left before

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "websocket.close" and not context.started:
                status = 403  # what a client of a server without the extension sees
            # The second is the extension's, for an answer that is no WebSocket; Litestar has no type for it.
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
                context.started = True
                took_ms = round((time.perf_counter() - began) * 1000)
                message["headers"] = [  # these are set here alone
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode("latin-1")),
                    (b"openai-processing-ms", b"%d" % took_ms),
                    *_ALWAYS,
                ]
                if context.headers:
                    MutableScopeHeaders.from_message(message).update(context.headers)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            failed = True
            try:
                async with context.exit_stack:
                    await app(scope, receive, send_with_headers)
                failed = False
            finally:
                say = log.debug if scope["path"].startswith(quiet) else log.info
                if failed:
                    notes["broken_off"] = True
                if context.error:
                    notes["error"] = context.error
                if context.key:
                    notes["key"] = context.key
                took_s = time.perf_counter() - began
                metrics.request(
                    method=method,
                    route=context.route,
                    status=status,
                    took_s=took_s,
                )
                say(
                    "request",
                    method=excerpt(method),
                    path=excerpt(scope["path"], MAX_PATH_CHARS),
                    status=status,
                    ms=round(took_s * 1000, 1),
                    **{name: excerpt(it) if isinstance(it, str) else it for name, it in notes.items()},
                )

    return wrapped


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


def sockets_refused(app: ASGIApp) -> ASGIApp:
    """Wrap *app*, which has no WebSockets: refuse each handshake.

    Raises:
        UnknownSocketError: From the wrapped application.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
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
