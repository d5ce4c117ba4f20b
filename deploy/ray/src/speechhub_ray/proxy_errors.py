"""Errors of Ray Serve itself, as OpenAI's clients read them; runs in Serve's proxies.

Serve answers in plain text where a replica died under a request or where there is none. The hub's own answers
have the header ``speechhub-replica`` and pass as they are.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, NamedTuple

REPLICA_HEADER: Final = b"speechhub-replica"
SERVES_OWN: Final = frozenset({"/-/routes", "/-/healthz"})
"""Serve's own pages, for everyone: its routes, which are one, and its health."""
RETRY_S: Final = 1


class Told(NamedTuple):
    """What a client is told instead of one of Serve's errors."""

    status: int
    code: str
    message: str
    again: bool = False
    """Whether the same request may do after `RETRY_S`."""


TEXTS: Final = {
    404: Told(
        503,
        "replica_unavailable",
        "Nothing serves here yet, or any more: replicas start or end. Try again.",
        again=True,
    ),
    408: Told(408, "timeout", "The request took longer than Ray Serve's request_timeout_s allows."),
    500: Told(
        500, "replica_lost", "The replica of this request was lost. Send the request again: others go on."
    ),
    503: Told(
        503,
        "replica_unavailable",
        "No replica can take this request. Try again; if it stays so, see 'serve status' and the logs.",
        again=True,
    ),
}
"""Status of Serve → what its client is told. Without an application, Serve answers 404; with one, it leaves
paths to the hub."""
LOST: Final = 500
CONNECT_AGAIN: Final = "The replica of this connection was lost. Connect again: others go on."
RESTARTS: Final = 1012
"""Close code for clients that shall connect again. Source: IANA, "WebSocket Close Code Number Registry"."""
SERVES_SWITCHES: Final = frozenset({b"x-request-timeout-seconds", b"x-request-disconnect-disabled"})
"""Headers by which Serve's own load balancer commands its proxies. From a client, the second would keep an
engine at work after the client has left."""
_REQUEST_ID: Final = b"x-request-id"
_CLIENT_ID: Final = re.compile(rb"[\w.:\-]{1,128}")
"""Request ids that the hub takes over from clients."""

Message = dict[str, Any]
Scope = dict[str, Any]
Headers = Iterable[tuple[bytes, bytes]]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class OneHead:
    """ASGI middleware that lets Serve and the hub read the same from a request's headers, and no commands."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with the headers that `readable` keeps."""
        if "headers" in scope:
            scope = {**scope, "headers": readable(scope["headers"])}
        await self._app(scope, receive, send)


def readable(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return headers with one request id, without `SERVES_SWITCHES`, and without models that are not text.

    Serve would take over any request id, and write it into its logs and answers; the hub takes some.

    Args:
        headers: Of a request; names in lower case.
    """
    kept, asked = [], b""
    for name, value in headers:
        if name == _REQUEST_ID:
            asked = value
        elif name not in SERVES_SWITCHES and not (b"model" in name and not _is_text(value)):
            kept.append((name, value))
    number = asked if _CLIENT_ID.fullmatch(asked) else b"req_" + os.urandom(16).hex().encode()
    return [*kept, (_REQUEST_ID, number)]


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


class OpenAIErrors:
    """ASGI middleware that writes Serve's errors as OpenAI's error objects.

    Where a replica dies, Serve says nothing at all. An answer that had not begun is then an error, one that
    had begun breaks off, and a WebSocket is closed with `RESTARTS`.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a WebSocket."""
        own = scope["type"] in {"http", "websocket"} and scope["path"] in SERVES_OWN
        if own and scope["type"] == "websocket":  # Serve would raise an exception
            await send({"type": "websocket.close"})
            return
        if own or scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        try:
            await self._app(scope, answer.receiving(receive), answer.send)
        finally:
            await answer.end()


class _Answer:
    """What one client has been told so far."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._socket = scope["type"] == "websocket"
        self._kept = [pair for pair in scope["headers"] if pair[0] == _REQUEST_ID]
        self._begun = False
        self._over = False
        """Whether there is nothing more to say, because it was said, or because the client has left."""

    def receiving(self, receive: Receive) -> Receive:
        """Wrap *receive*: note that the client leaves."""

        async def noting() -> Message:
            message = await receive()
            self._over = self._over or message["type"].endswith(".disconnect")
            return message

        return noting

    async def send(self, message: Message) -> None:
        """Send one message of Serve's, or an error instead."""
        if self._over:
            return
        kind = message["type"]
        if kind.endswith("response.start"):
            names = {name.lower() for name, _ in message.get("headers", ())}
            if REPLICA_HEADER not in names and message["status"] in TEXTS:
                await self._refuse(message["status"])
                return
        self._begun = self._begun or kind.endswith(("response.start", ".accept"))
        self._over = kind == "websocket.close" or (
            kind.endswith("response.body") and not message.get("more_body", False)
        )
        await self._send(message)

    async def end(self) -> None:
        """Say what is missing, after the last message."""
        if self._over:
            return
        if not self._begun:
            await self._refuse(LOST)
        elif self._socket:
            self._over = True
            await self._send({"type": "websocket.close", "code": RESTARTS, "reason": CONNECT_AGAIN})

    async def _refuse(self, status: int) -> None:
        self._begun = self._over = True
        for part in error_answer(status, self._kept):
            await self._send({**part, "type": f"websocket.{part['type']}"} if self._socket else part)


def error_answer(status: int, kept: Headers) -> tuple[Message, Message]:
    """Return both messages of an answer in OpenAI's form.

    Args:
        status: Serve's, one of `TEXTS`.
        kept: Headers of the answer, besides those of its content.
    """
    told = TEXTS[status]
    error = {"message": told.message, "type": "server_error", "param": None, "code": told.code}
    content = json.dumps({"error": error}).encode()
    headers = [
        *kept,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        *([(b"retry-after", b"%d" % RETRY_S)] if told.again else []),
    ]
    return (
        {"type": "http.response.start", "status": told.status, "headers": headers},
        {"type": "http.response.body", "body": content},
    )


AROUND: Final = (OpenAIErrors, OneHead)
"""What is put around the proxies, the outermost last."""


def middlewares() -> list[Any]:
    """Return what Serve puts around its proxies; ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` names this."""
    from starlette.middleware import Middleware  # noqa: PLC0415 - the proxies have it; tests need it not

    return [Middleware(it) for it in AROUND]
