"""One request on a connection of its own, byte by byte, and what came back."""

import http.client
import json
import socket
import time
from contextlib import closing
from dataclasses import dataclass, field

TIMEOUT_S = 30.0
"""Silence of so many seconds is a hung connection."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server said; status 0 if it closed the connection without a word."""

    status: int
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    took_s: float = 0.0

    @property
    def error(self):
        """The error object of the body; an AssertionError if that is not OpenAI's."""
        assert self.headers["content-type"] == "application/json", self
        error = json.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}, self
        assert error["message"], self
        return error


def connect(url, *, receive_bytes=None):
    """Open a connection; *receive_bytes* makes a small window, as a slow reader has."""
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(TIMEOUT_S)
    connection.connect(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    return connection


def post(path, kind, body, *headers, length=None):
    """Return the bytes of a POST; *length* lies about the body's."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        f"content-type: {kind}",
        f"content-length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(url, request, *, hang_up=False):
    """Send *request*, whole; read one answer, whatever follows it.

    Args:
        url: Of the server.
        request: Bytes, or several pieces of bytes.
        hang_up: Whether to say that no more will come, before reading.
    """
    began = time.monotonic()
    with closing(connect(url)) as connection:
        try:
            for piece in [request] if isinstance(request, bytes) else request:
                connection.sendall(piece)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all was sent: the answer is there
        response = http.client.HTTPResponse(connection, method="POST")
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, ConnectionError):
            return Answer(status=0, took_s=time.monotonic() - began)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=body, took_s=time.monotonic() - began)
