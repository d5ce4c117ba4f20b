"""One client of the chaos run, which records the end of each request."""

import contextlib
import http.client
import json
import random
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.chaos.hub import Hub, Life
from benchmarks.chaos.ledger import End, Entry, Ledger
from benchmarks.load.client import KEY, Answer, Body, Client
from benchmarks.load.engines import Clip, Engines

PATIENCE_S = 100.0
"""A connection without data for this many seconds hangs; longer than the server's own limit for a request."""
SLOW_BYTES, SLOW_PAUSE_S = 16_384, 0.02
"""How many bytes a slow reader takes at a time, and how long it pauses between."""
KEPT_S = 5.0
"""How long a client keeps a connection for another request; the server keeps it longer."""
Headers = dict[str, str]
_BROKEN = (OSError, http.client.HTTPException)


class BrokenOffError(Exception):
    """The connection ended before the answer did; the ledger has recorded it."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    connection: http.client.HTTPConnection
    life: Life
    since_s: float


class ChaosClient(Client):
    """Used by one thread; `turn` comes before each kind of request."""

    def __init__(
        self, hub: Hub, ledger: Ledger, engines: Engines, clips: list[Clip], status_of: dict[str, int]
    ) -> None:
        # Not the base class's: the recordings are made once for all clients, and the address changes.
        self.engines, self.clips = engines, clips
        self._hub, self._ledger, self._status_of = hub, ledger, status_of
        self._kept: _Kept | None = None
        self._name, self._kind, self._exchanges = "", "", 0
        self._dice = random.Random()

    def turn(self, name: str, kind: str, dice: random.Random) -> None:
        """Begin one kind of request, which may be several exchanges."""
        self._name, self._kind, self._exchanges, self._dice = name, kind, 0, dice

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Send JSON, or nothing; return the answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {KEY}"} | ({"content-type": "application/json"} if data else {})
        return self._exchange(method, path, data, headers)

    def send(self, path: str, body: Body, *, share: float = 1.0) -> socket.socket:
        """Send *share* of a request from which its client will disconnect."""
        data, kind = body
        life, name = self._next()
        began_s = self._ledger.open(name)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\nx-request-id: {name}\r\n"
            f"authorization: Bearer {KEY}\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        request = head.encode() + data
        try:
            connection = socket.create_connection(_address(life), timeout=PATIENCE_S)
            with contextlib.suppress(ConnectionError):  # refused before it was sent
                connection.sendall(request[: max(1, round(share * len(request)))])
        except OSError as error:
            self._close(name, "POST", path, life, began_s, end=End.BROKE, detail=_told(error))
            raise BrokenOffError from error
        self._close(name, "POST", path, life, began_s, end=End.LEFT)
        return connection

    def slow_upload(self, path: str, body: Body, *, pieces: int, pause_s: float) -> Answer:
        """Send *body* in a few pieces, with a pause before each."""
        data, kind = body
        size = -(-len(data) // pieces)

        def slowly() -> Iterator[bytes]:
            for at in range(0, len(data), size):
                time.sleep(pause_s)
                yield data[at : at + size]

        headers = {"content-type": kind, "authorization": f"Bearer {KEY}"}
        return self._exchange("POST", path, slowly(), headers | {"content-length": str(len(data))})

    def slow_reader(self, path: str, body: Body) -> Answer:
        """Send *body*, read the answer in small pieces through a small window."""
        data, kind = body
        return self._exchange(
            "POST", path, data, {"content-type": kind, "authorization": f"Bearer {KEY}"}, slowly=True
        )

    def close(self) -> None:
        """Close the connection that is kept, if there is one."""
        if self._kept:
            self._kept.connection.close()

    # ── One exchange ─────────────────────────────────────────────────────────

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None,
        headers: Headers,
        *,
        slowly: bool = False,
    ) -> Answer:
        life, name = self._next()
        keep = not slowly and self._dice.random() < 0.4
        began_s = self._ledger.open(name)
        connection = None
        try:
            connection = self._connection(life, keep=keep, slowly=slowly)
            # The body was refused before all of it was sent: the answer can be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                chunked = "content-length" not in headers
                connection.request(
                    method, path, body, headers | {"x-request-id": name}, encode_chunked=chunked
                )
            response = connection.getresponse()
            data = b"".join(_pieces(response)) if slowly else response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
        except _BROKEN as error:
            if connection:
                connection.close()
            self._close(name, method, path, life, began_s, end=End.BROKE, detail=_told(error))
            raise BrokenOffError from error
        except BaseException as error:
            self._close(name, method, path, life, began_s, end=End.BROKE, detail=f"client: {_told(error)}")
            raise
        if keep and not response.will_close:
            self._kept = _Kept(connection=connection, life=life, since_s=time.monotonic())
        else:
            connection.close()
        answer = Answer(status=response.status, headers=found, body=data)
        return self._judged(answer, name, method, path, life, began_s)

    def _judged(
        self, answer: Answer, name: str, method: str, path: str, life: Life, began_s: float
    ) -> Answer:
        """Record the answer; return it, or the error in its last event."""
        error = _error(answer)
        in_stream = False
        if answer.status == 200 and answer.headers.get("content-type", "").startswith("text/event-stream"):
            last = answer.body.decode(errors="replace").rstrip().rpartition("data: ")[2]
            if last.startswith('{"error"'):
                error, in_stream = json.loads(last)["error"], True
                status = self._status_of.get(error["code"], 500)
                answer = Answer(status=status, headers=answer.headers, body=last.encode())
        self._close(
            name,
            method,
            path,
            life,
            began_s,
            end=End.ANSWERED,
            status=answer.status,
            type=error.get("type"),
            code=error.get("code"),
            in_stream=in_stream,
            retry_after="retry-after" in answer.headers,
        )
        return answer

    def _close(self, name: str, method: str, path: str, life: Life, began_s: float, **end: object) -> None:
        self._ledger.close(
            Entry(
                name=name,
                kind=self._kind,
                method=method,
                path=path,
                life=life.number,
                began_s=began_s,
                ended_s=time.monotonic(),
                **end,  # type: ignore[arg-type]  # checked by the callers above
            )
        )

    def _next(self) -> tuple[Life, str]:
        self._exchanges += 1
        return self._hub.life(), f"{self._name}.{self._exchanges}"

    def _connection(self, life: Life, *, keep: bool, slowly: bool) -> http.client.HTTPConnection:
        kept, self._kept = self._kept, None
        if kept and keep and kept.life is life and time.monotonic() - kept.since_s < KEPT_S:
            return kept.connection
        if kept:
            kept.connection.close()
        host, port = _address(life)
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        if slowly:
            connection.sock = socket.socket()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * SLOW_BYTES)
            connection.sock.settimeout(PATIENCE_S)
            connection.sock.connect((host, port))
        return connection


def _address(life: Life) -> tuple[str, int]:
    address = urlsplit(life.url)
    assert address.hostname
    assert address.port
    return address.hostname, address.port


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read(SLOW_BYTES):
        yield piece
        time.sleep(SLOW_PAUSE_S)


def _error(answer: Answer) -> dict[str, str]:
    """Return the error object of an answer; an empty one if there is none."""
    if answer.status < 400:
        return {}
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return dict(json.loads(answer.body)["error"])
    return {"type": "no error object", "code": repr(answer.body[:80])}


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
