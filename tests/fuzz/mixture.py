"""Good, bad and abandoned requests in any order, and what they must not leave behind."""

import json
import logging
import os
import random
import socket
import struct
import threading
from collections import Counter
from pathlib import Path

from tests.e2e.server import until
from tests.fuzz.damage import damaged
from tests.fuzz.exchange import connect, exchange, post
from tests.fuzz.forms import odd_form
from tests.fuzz.recordings import good_recordings

log = logging.getLogger(__name__)

GROWTH_BYTES = 64 * 2**20
"""What a hub may grow by after its first requests: allocators keep some of what decoders needed at a time."""

POOL_THREADS = (os.cpu_count() or 1) + 4
"""What asyncio makes for blocking work, and keeps. Source: ThreadPoolExecutor's max_workers."""


class Watch:
    """What a hub has, to be compared with what it has later."""

    def __init__(self, server):
        """Look at it now."""
        self._server = server
        self.workers = sorted(server.workers())
        self.descriptors = server.descriptors()
        self.threads = threads(server.pid)
        self.memory_bytes = memory_bytes(server.pid)

    def check(self, growth_bytes=GROWTH_BYTES):
        """Fail if the hub has lost or gained more than it may.

        Args:
            growth_bytes: of its resident memory.
        """
        server = self._server
        assert sorted(server.workers()) == self.workers
        assert not server.logged("worker ended by itself")
        assert not server.logged("unexpected error"), server.logged("unexpected error")
        until(lambda: server.descriptors() <= self.descriptors, f"descriptors are back to {self.descriptors}")
        # Threads for blocking work are made when they are needed, up to a limit, and stay.
        until(lambda: threads(server.pid) <= self.threads + POOL_THREADS, "no thread too many")
        grown_bytes = memory_bytes(server.pid) - self.memory_bytes
        log.info("hub grew by %.1f MB from %.1f MB", grown_bytes / 2**20, self.memory_bytes / 2**20)
        assert grown_bytes < growth_bytes


def threads(pid):
    """Return how many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def memory_bytes(pid):
    """Return the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


class Mixture:
    """Requests by number: the same number is the same request, on every machine."""

    def __init__(self, url):
        """Prepare requests to the server at *url*."""
        self._url = url
        self._recordings = good_recordings()
        self._whole = sorted(name for name in self._recordings if name != "mp4-tables")
        self._clip = self._recordings["wav"]

    def send(self, number):
        """Send request *number*; return its kind, and the status or what became of it."""
        dice = random.Random(f"mixture {number}")
        kind = dice.choice(KINDS)
        return kind, getattr(self, f"_{kind}")(dice, number)

    def _transcribe(self, dice, number):
        recording = self._recordings[dice.choice(self._whole)]
        fields = {"response_format": dice.choice(("json", "text", "srt", "verbose_json"))}
        if dice.random() < 0.3:
            fields = {"stream": "true"}
        return exchange(self._url, _transcription(recording, fields)).status

    def _speak(self, dice, number):
        return exchange(self._url, _speech(dice, dice.choice(("One two three.", "Hello. " * 20)))).status

    def _look(self, dice, number):
        path = dice.choice(
            ("/health", "/v1/models", "/v1/audio/voices", "/v1/models/echo-stt", "/", "/nowhere")
        )
        return exchange(self._url, f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()).status

    def _damaged_recording(self, dice, number):
        return exchange(self._url, _transcription(damaged(self._recordings, number)[1], {})).status

    def _odd_form(self, dice, number):
        form = odd_form(self._clip, number)
        return exchange(self._url, form.request, hang_up=form.hang_up).status

    def _bad_request(self, dice, number):
        body = dice.choice(
            ({"input": ""}, {"input": "a", "speed": 9}, {"input": "a", "model": "nope"}, {}, [])
        )
        request = post("/v1/audio/speech", "application/json", json.dumps(body).encode())
        return exchange(self._url, dice.choice((request, request[:-1] + b"{"))).status

    def _abandoned_upload(self, dice, number):
        request = _transcription(self._clip * dice.choice((1, 500)), {})
        with connect(self._url) as connection:
            connection.sendall(request[: dice.randrange(1, len(request))])
            _leave(dice, connection)
        return "left"

    def _abandoned_work(self, dice, number):
        request = _speech(dice, "Hello. " * 100) if dice.random() < 0.5 else _transcription(self._clip, {})
        with connect(self._url) as connection:
            connection.sendall(request)
            threading.Event().wait(dice.choice((0, 0.001, 0.01, 0.05)))
            _leave(dice, connection)
        return "left"

    def _abandoned_answer(self, dice, number):
        request = _speech(dice, "Hello. " * 100)
        with connect(self._url) as connection:
            connection.sendall(request)
            connection.recv(dice.choice((1, 100, 10_000)))
            _leave(dice, connection)
        return "left"


KINDS = (
    *("transcribe", "speak", "look", "damaged_recording", "odd_form", "bad_request"),
    *("abandoned_upload", "abandoned_work", "abandoned_answer"),
)


def tally(outcomes):
    """Count *outcomes*, pairs of kind and status; return counts by kind."""
    counts = {kind: Counter() for kind in KINDS}
    for kind, status in outcomes:
        counts[kind][status] += 1
    return counts


def _transcription(recording, fields):
    parts = [(b'"%b"' % name.encode(), value.encode()) for name, value in fields.items()]
    parts.append((b'"file"; filename="a"', recording))
    said = b"".join(b"--b\r\ncontent-disposition: form-data; name=%b\r\n\r\n%b\r\n" % part for part in parts)
    return post("/v1/audio/transcriptions", "multipart/form-data; boundary=b", said + b"--b--\r\n")


def _speech(dice, text):
    body = {
        "input": text,
        "model": "echo-tts",
        "response_format": dice.choice(("wav", "mp3", "opus", "flac", "pcm", "aac")),
        "stream_format": dice.choice(("audio", "audio", "sse")),
        "speed": dice.choice((1.0, 1.0, 1.3)),
    }
    return post("/v1/audio/speech", "application/json", json.dumps(body).encode())


def _leave(dice, connection):
    if dice.random() < 0.5:  # as a program that was killed leaves
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
