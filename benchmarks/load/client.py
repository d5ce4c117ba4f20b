"""One client of the load test: sends requests and reads their answers."""

import contextlib
import http.client
import json
import random
import socket
import struct
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.load.engines import Clip, Engines, clips, samples_of

KEY = "a-key-for-the-load-test"
PATIENCE_S = 300.0
"""A connection without data for this many seconds hangs."""
STT, TTS = "/v1/audio/transcriptions", "/v1/audio/speech"
Body = tuple[bytes, str]
"""The body of a request, and its content type."""


class WrongAnswerError(Exception):
    """An answer with a good status and wrong content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes


class Client:
    """Sends requests to a server; used by many threads at a time."""

    def __init__(self, url: str, engines: Engines) -> None:
        self._address = urlsplit(url).netloc
        self.engines = engines
        self.clips = clips()

    def any_clip(self, dice: random.Random, **fields: str) -> tuple[Clip, Body]:
        """Return a recording, and a form that requests its transcript."""
        clip = dice.choice(self.clips)
        return clip, self.recording(clip.data, **fields)

    def recording(self, data: bytes, **fields: str) -> Body:
        """Return a form that requests a transcript of *data*, which may be any bytes."""
        fields = {"model": self.engines.stt} | fields
        parts = [(b'"%b"' % name.encode(), value.encode()) for name, value in fields.items()]
        parts.append((b'"file"; filename="a"', data))
        head = b"--b\r\ncontent-disposition: form-data; name=%b\r\n\r\n%b\r\n"
        return b"".join(head % part for part in parts) + b"--b--\r\n", "multipart/form-data; boundary=b"

    def text(self, text: str, **fields: object) -> Body:
        """Return a body that requests speech of *text*."""
        body = {"model": self.engines.tts, "voice": "alloy", "input": text} | fields
        return json.dumps(body).encode(), "application/json"

    def get(self, path: str) -> Answer:
        """Send a GET request; return the whole answer."""
        return self._exchange("GET", path, None, {"authorization": f"Bearer {KEY}"})

    def post(self, path: str, body: Body, *, key: str = KEY, in_chunks: bool = False) -> Answer:
        """Send *body* on a connection of its own; read the whole answer."""
        data, kind = body
        headers = {"content-type": kind} | ({"authorization": f"Bearer {key}"} if key else {})
        pieces = (data[at : at + 65536] for at in range(0, len(data), 65536))
        return self._exchange("POST", path, pieces if in_chunks else data, headers)

    def send(self, path: str, body: Body, *, share: float = 1.0) -> socket.socket:
        """Send *share* of a request; return the connection, with the answer still to come."""
        data, kind = body
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n"
            f"authorization: Bearer {KEY}\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        request = head.encode() + data
        host, port = self._address.split(":")
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        connection.sendall(request[: max(1, round(share * len(request)))])
        return connection

    def _exchange(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str]
    ) -> Answer:
        with closing(http.client.HTTPConnection(self._address, timeout=PATIENCE_S)) as connection:
            # The body was refused before all of it was sent: the answer can be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, headers, encode_chunked=True)
            response = connection.getresponse()
            data = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(status=response.status, headers=found, body=data)


def leave(connection: socket.socket, *, rudely: bool) -> None:
    """Close a connection; *rudely* resets it, as happens when a program is killed."""
    if rudely:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def transcript(body: bytes, form: str) -> str:
    """Return the text of an answer in one of the formats for transcripts."""
    match form:
        case "text":
            return body.decode()
        case "srt":
            lines = body.decode().splitlines()
            return " ".join(line for line in lines if "-->" not in line and not line.isdecimal())
        case _:
            return str(json.loads(body)["text"])


def events(body: bytes, *, last: str) -> list[dict[str, str]]:
    """Return the events of an answer.

    Raises:
        WrongAnswerError: The last one is not of the type *last*.
    """
    lines = body.decode().splitlines()
    lines = [line.removeprefix("data: ") for line in lines if line and not line.startswith(":")]
    found = [json.loads(line) for line in lines if line != "[DONE]"]
    if not found or found[-1]["type"] != last:
        raise WrongAnswerError(f"the events do not end with {last}: {lines[-1:]}")
    return found


def duration_s(data: bytes, form: str) -> float:
    """Decode speech; return its length in seconds.

    Raises:
        WrongAnswerError: It cannot be decoded.
    """
    if form == "pcm":
        return len(data) / 2 / 24_000
    try:
        return len(samples_of(data, 24_000)) / 24_000
    except (OSError, ValueError, IndexError) as error:
        raise WrongAnswerError(f"{form} that cannot be decoded: {error}") from error
