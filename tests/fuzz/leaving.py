"""Clients that leave, and a look at what a server still does afterwards."""

import contextlib
import json
import logging
import socket
import struct
import threading
import time
from pathlib import Path

from tests.e2e.server import until
from tests.fuzz.exchange import connect, exchange, post
from tests.http.conftest import wav

log = logging.getLogger(__name__)

PROMPT_S = 1.0
"""How soon work has to end when its client has left."""
ATTEMPTS = 3
"""Another program may keep the machine busy for a second; hardly three times in a row."""
STT, TTS = "/v1/audio/transcriptions", "/v1/audio/speech"
KIND = "multipart/form-data; boundary=b"


def form(clip=None, **fields):
    """Return a form's body."""
    parts = [(name.encode(), value.encode()) for name, value in fields.items()]
    parts.append((b'file"; filename="a.wav', clip or wav(1)))
    head = b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    return b"".join(head % part for part in parts) + b"--b--\r\n"


def transcription(clip=None, **fields):
    """Return a request for a transcript."""
    return post(STT, KIND, form(clip, **fields))


def speech(text="Hello there.", **fields):
    """Return a request for speech."""
    body = {"model": "echo-tts", "input": text, "response_format": "wav"} | fields
    return post(TTS, "application/json", json.dumps(body).encode())


def ask(server, request):
    """Send *request* on a connection of its own; return the connection."""
    connection = connect(server.url)
    connection.sendall(request)
    return connection


def begin(server, model, request):
    """Send *request*; return its connection once the engine works on it."""
    connection = ask(server, request)
    until(lambda: is_busy(server, model), f"{model} works")
    return connection


def read_until(connection, *marks):
    """Read until all *marks* were seen; return what was read."""
    data = bytearray()
    while not all(mark in data for mark in marks):
        piece = connection.recv(65536)
        assert piece, data[:500]
        data += piece
    return data


def leave(connection, *, rudely=False):
    """Close a connection; *rudely* is a reset, as a program that was killed sends it with data unread."""
    if rudely:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def since_leaving(connection, condition, what, *, rudely=False):
    """Leave; return how many seconds passed until *condition*."""
    began = time.monotonic()
    leave(connection, rudely=rudely)
    until(condition, what, deadline_s=10)
    return time.monotonic() - began


def promptly(attempt):
    """Run *attempt*, which returns how many seconds something took, until it was prompt."""
    took_s = []
    for _ in range(ATTEMPTS):
        took_s.append(attempt())
        if took_s[-1] <= PROMPT_S:
            log.info("took %.3f s", took_s[-1])
            return
    raise AssertionError(f"took {took_s} s")


def health(server):
    """Return what /health says of the models, by id."""
    answer = exchange(server.url, b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return {model["id"]: model for model in json.loads(answer.body)["models"]}


def is_busy(server, model):
    """Return whether the engine works."""
    return health(server)[model]["busy"]


def waiting(server, model):
    """Return how many requests wait for the engine."""
    return health(server)[model]["waiting"]


def is_idle(server):
    """Return whether nothing runs, and nothing waits."""
    return not any(model["busy"] or model["waiting"] for model in health(server).values())


def stays_idle(server, duration_s=0.3):
    """Return whether nothing runs or waits for so long; between two pieces of work there is less."""
    end = time.monotonic() + duration_s
    while time.monotonic() < end:
        if not is_idle(server):
            return False
        threading.Event().wait(0.02)
    return True


def nameless_files(server):
    """Return the sizes of open files without a name: uploads, and what pytest catches output in."""
    sizes = []
    for entry in Path(f"/proc/{server.pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            link = str(entry.readlink())
            if link.startswith("/") and link.endswith(" (deleted)"):
                sizes.append(entry.stat().st_size)
    return sizes
