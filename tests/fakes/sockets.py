"""A client of WebSockets that calls an application directly, without a port and without a thread."""

import asyncio
from contextlib import asynccontextmanager

PATIENCE_S = 20.0
"""How long the application may take to say what is expected; no test waits that long."""


class ClosedError(Exception):
    """The server closed the connection, or refused it."""

    def __init__(self, code, reason=""):
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Client:
    """One connection; the application's ``receive`` and ``send`` are `take` and `put`."""

    def __init__(self, patience_s=PATIENCE_S):
        """Wait for the application so long; for tests in virtual time, without an end if None."""
        self._patience_s = patience_s
        self._to_server = asyncio.Queue()
        self._from_server = asyncio.Queue()
        self.reading = asyncio.Event()
        """Cleared while the client reads nothing, so that the server's messages wait."""
        self.reading.set()
        self.answers_close = True
        """Whether it answers the server's close frame with its own."""
        self.taken = 0
        """How many of its messages the application has received."""
        self.subprotocol = None

    async def take(self):
        message = await self._to_server.get()
        self.taken += message["type"] == "websocket.receive"
        return message

    async def put(self, message):
        if message["type"] == "websocket.send":
            await self.reading.wait()
        if message["type"] == "websocket.close" and self.answers_close:
            self._to_server.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
        self._from_server.put_nowait(message)

    async def connect(self):
        """Begin the handshake."""
        self._to_server.put_nowait({"type": "websocket.connect"})

    async def accepted(self):
        """Wait for the answer to the handshake.

        Raises:
            ClosedError: It is refused; the code is the status.
        """
        async with asyncio.timeout(self._patience_s):
            first = await self._from_server.get()
        if first["type"] != "websocket.accept":
            raise ClosedError(first.get("status") or first["code"])
        self.subprotocol = first["subprotocol"]

    async def send(self, data):
        """Send a text or bytes."""
        kind = "text" if isinstance(data, str) else "bytes"
        self._to_server.put_nowait({"type": "websocket.receive", kind: data})

    async def leave(self, code=1000):
        """Close the connection; without a code, give none."""
        self._to_server.put_nowait({"type": "websocket.disconnect", "code": code})

    async def receive(self):
        """Return the server's next message.

        Raises:
            ClosedError: It closed the connection instead.
        """
        async with asyncio.timeout(self._patience_s):
            message = await self._from_server.get()
        match message["type"]:
            case "websocket.send":
                return message.get("text") if message.get("text") is not None else message["bytes"]
            case "websocket.close":
                raise ClosedError(message["code"], message.get("reason", ""))
        raise AssertionError(message)

    async def closed(self):
        """Read on until the server closes the connection; return how, and what came before."""
        before = []
        while True:
            try:
                before.append(await self.receive())
            except ClosedError as closed:
                return closed, before

    @property
    def queued(self):
        """How many of the server's messages were not read."""
        return self._from_server.qsize()


def scope_of(path, *, headers=None, subprotocols=(), client=("127.0.0.1", 50_000)):
    """Return a handshake as Granian gives it."""
    route, _, query = path.partition("?")
    pairs = {"host": "127.0.0.1:8000"} | (headers or {})
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("127.0.0.1", 8000),
        "client": client,
        "path": route,
        "raw_path": route.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
        "subprotocols": list(subprotocols),
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


@asynccontextmanager
async def connected(app, path, **facts):
    """Connect to a route of *app*; at the end, leave and wait until the application is done.

    Raises:
        ClosedError: The handshake is refused; its code is the status.
    """
    client = Client()
    await client.connect()
    task = asyncio.create_task(app(scope_of(path, **facts), client.take, client.put))
    try:
        await client.accepted()
        yield client
        client.reading.set()
        await client.leave()
        async with asyncio.timeout(PATIENCE_S):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
