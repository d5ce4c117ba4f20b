"""A route that repeats what it hears over a WebSocket: for tests of what stands around a protocol."""

import asyncio

import structlog
from litestar import Controller, websocket

from speechhub.errors import RateLimitedError
from speechhub.http.sockets.session import HttpSocket, in_session
from speechhub.http.sockets.socket import SocketLimits

log = structlog.get_logger()

PATH = "/v1/echo"
IMPATIENT = "/v1/echo/{name:str}"
"""Cuts a client off that reads nothing for half a second."""
BIG = 100_000


class Echo:
    """Says each message back; the names of some of its methods are orders."""

    def __init__(self, socket, context):
        self._socket = socket
        self._context = context
        self.done = asyncio.Event()

    async def serve(self):
        if not self._context.trusted:
            await self._socket.send("no key")
            await self._socket.close(3000, "invalid_request_error.invalid_api_key")
            return
        await self._socket.send("hello")
        self._context.log["kind"] = "echo"
        while (message := await self._socket.receive()) is not None:
            await self._obey(message)

    async def _obey(self, message):
        order = getattr(self, f"_{message}", None) if isinstance(message, str) and message.isalpha() else None
        await (order() if order else self._socket.send(message))

    async def _bug(self):
        raise ZeroDivisionError

    async def _close(self):
        await self._socket.close(4001, "as asked")

    async def _end(self):
        await self._socket.send("bye")
        self.done.set()

    async def _flood(self):
        for _ in range(1000):
            await self._socket.send(bytes(BIG), tag="sound")

    async def _sleep(self):
        await asyncio.Event().wait()

    async def _whose(self):
        await self._socket.send(f"key {self._context.key}, secret {self._context.secret}")

    async def _take(self):
        try:
            self._context.take()
        except RateLimitedError as error:
            await self._socket.send(error.message)
        else:
            await self._socket.send("taken")

    async def _log(self):
        await asyncio.create_task(self._say_something())
        await self._socket.send("logged")

    async def _say_something(self):
        log.info("a task of the session says something")

    async def finish(self):
        await self._socket.send("finishing")
        await self.done.wait()

    async def farewell(self, reason):
        await self._socket.send(f"farewell {reason.code}")


class EchoController(Controller):
    """The route."""

    @websocket(PATH)
    async def echo(self, socket: HttpSocket) -> None:
        await in_session(socket, Echo, subprotocols=("realtime",))

    @websocket(IMPATIENT)
    async def impatient_echo(self, socket: HttpSocket) -> None:
        await in_session(socket, Echo, limits=SocketLimits(stall_s=0.5))
