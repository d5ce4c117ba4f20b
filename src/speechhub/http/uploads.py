"""Uploads that stop arriving, or break off: a slow or silent client must not hold a connection for ever."""

import asyncio
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send, WebSocketReceiveMessage

from speechhub.errors import UploadBrokenOffError, UploadStalledError

STEP_BYTES: Final = 1024
"""What must arrive before an upload counts as moving; else one byte now and then would keep it alive."""


def uploads_bounded(app: ASGIApp, idle_timeout_s: float) -> ASGIApp:
    """Wrap *app*: reading a body that stands still, or breaks off, raises an error.

    Args:
        app: Who reads the body.
        idle_timeout_s: How long the reader waits for the next `STEP_BYTES`, or for the end; the time that it
            spends elsewhere does not count.

    Raises:
        UploadStalledError, UploadBrokenOffError: From ``receive``, while the body is incomplete.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            receive = _Upload(receive, idle_timeout_s).receive
        await app(scope, receive, send)

    return wrapped


class _Upload:
    """One request's body, while it arrives."""

    def __init__(self, receive: Receive, idle_timeout_s: float) -> None:
        self._receive = receive
        self._idle_timeout_s = idle_timeout_s
        self._left_s = idle_timeout_s
        self._step_bytes = 0
        self._complete = False

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        if self._complete:  # what comes now is the client's leaving
            return await self._receive()
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError as error:
            raise UploadStalledError(self._idle_timeout_s) from error
        self._left_s -= clock() - began
        if message["type"] != "http.request":
            # Litestar would make an error of the server's own out of it. The client may well listen still:
            # Granian says the same of chunks that it cannot read.
            raise UploadBrokenOffError
        self._complete = not message.get("more_body", False)
        self._step_bytes += len(message.get("body", b""))
        if self._step_bytes >= STEP_BYTES:
            self._step_bytes, self._left_s = 0, self._idle_timeout_s
        return message
