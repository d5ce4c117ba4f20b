"""A route that repeats what it hears over a WebSocket: for tests of what stands around a protocol."""

import asyncio

from litestar import Controller, websocket

from speechhub.http.sockets.session import HttpSocket, in_session

PATH = "/v1/echo"
BIG = 100_000


class Echo:
    """Says each message back; some messages are orders."""

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
        match message:
            case "bug":
                raise ZeroDivisionError
            case "close":
                await self._socket.close(4001, "as asked")
            case "end":
                await self._socket.send("bye")
                self.done.set()
            case "flood":
                for _ in range(1000):
                    await self._socket.send(bytes(BIG), tag="sound")
            case "sleep":
                await asyncio.Event().wait()
            case "whose":
                await self._socket.send(f"key {self._context.key}, secret {self._context.secret}")
            case _:
                await self._socket.send(message)

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
