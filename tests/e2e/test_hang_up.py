"""A client that hangs up, at whatever moment, stops its work within a second; a slow one holds nobody up."""

import asyncio
import json
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from speechhub.http.app import create_app
from speechhub.hub import Hub
from speechhub.settings import Settings
from tests.e2e.conftest import echo_env
from tests.e2e.server import alive, serving, until
from tests.fakes.babble import babble, wav_of
from tests.fuzz.exchange import connect, exchange, post
from tests.fuzz.leaving import (
    KIND,
    PROMPT_S,
    STT,
    TTS,
    ask,
    begin,
    form,
    health,
    is_busy,
    is_idle,
    leave,
    nameless_files,
    promptly,
    read_until,
    since_leaving,
    speech,
    stays_idle,
    transcription,
    waiting,
)
from tests.fuzz.mixture import Mixture, Watch, tally
from tests.http.conftest import wav

log = logging.getLogger(__name__)

WORK_S = 30.0
"""How long work takes that nobody stops: far more than any deadline here."""
READING_S = 1.5
"""How long decoding and voice detection take for the first passage of a long recording; at least."""
SPOOL_BYTES = 1024 * 1024
"""Larger uploads are files."""
MIXED = int(os.environ.get("MIXED_REQUESTS", "700"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose engines take long for every call."""
    env = echo_env(stt={"work_s": WORK_S}, tts={"work_s": WORK_S})
    with serving(tmp_path_factory.mktemp("home"), **env) as made:
        yield made


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    """A server that takes half a second for a sentence."""
    with serving(tmp_path_factory.mktemp("home"), **echo_env(tts={"work_s": 0.5})) as made:
        yield made


# ── During the upload ────────────────────────────────────────────────────────


@pytest.mark.scenario("leaves-upload")
@pytest.mark.parametrize("rudely", [False, True])
@pytest.mark.parametrize("announced", [True, False])
def test_during_the_upload(server, announced, rudely):
    """Half an upload runs nothing; its file, which was on disk already, is closed."""
    body = form(bytes(2 * SPOOL_BYTES))
    part = body[: len(body) * 3 // 4]
    request = post(STT, KIND, part, length=len(body))
    if not announced:
        head = (
            f"POST {STT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {KIND}\r\n"
            "transfer-encoding: chunked\r\n\r\n"
        )
        request = head.encode() + b"%x\r\n%b\r\n" % (len(part), part)

    def attempt():
        descriptors, files, logged = (
            server.descriptors(),
            len(nameless_files(server)),
            len(broken_off(server)),
        )
        connection = ask(server, request)
        until(lambda: len(nameless_files(server)) > files, "the upload is on disk")

        took_s = since_leaving(
            connection, lambda: len(nameless_files(server)) <= files, "the file is closed", rudely=rudely
        )

        until(lambda: server.descriptors() <= descriptors, f"descriptors are back to {descriptors}")
        until(lambda: len(broken_off(server)) > logged, "it is logged")
        return took_s

    promptly(attempt)
    assert is_idle(server)


def broken_off(server):
    lines = [line for line in server.logged("request") if line.get("error") == "UploadBrokenOffError"]
    assert {line["status"] for line in lines} <= {400}
    return lines


# ── Before and during the work ───────────────────────────────────────────────

WORK = {
    "transcript": ("echo-stt", transcription()),
    "transcript as events": ("echo-stt", transcription(stream="true")),
    "speech": ("echo-tts", speech()),
    "speech as events": ("echo-tts", speech(stream_format="sse")),
}


@pytest.mark.scenario("leaves-reading")
def test_while_the_recording_is_read(server):
    """Who leaves before the engine has anything to do stops the decoding, too."""
    recording = long_recording(1200)
    request = transcription(recording)

    def attempt():
        files, logged = len(nameless_files(server)), len(server.logged("request"))
        connection = ask(server, request)
        until(lambda: max(nameless_files(server), default=0) >= len(recording), "the upload is there")
        threading.Event().wait(READING_S / 4)
        assert is_idle(server), "the recording is being read, and the engine has nothing to do yet"

        took_s = since_leaving(
            connection,
            lambda: len(server.logged("request")) > logged and len(nameless_files(server)) <= files,
            "nobody reads the recording",
        )

        assert server.logged("request")[-1]["status"] == 499
        return took_s

    promptly(attempt)


def long_recording(duration_s):
    """Return a WAV of continuous speech, as the voice detector hears it; some 300 s are one passage."""
    return wav_of(np.tile(babble(10), duration_s // 10))


@pytest.mark.scenario("leaves-queue")
@pytest.mark.invariant("leaver-stops-work", "client-leaves")
@pytest.mark.parametrize(("model", "request_bytes"), WORK.values(), ids=WORK)
def test_in_the_queue(server, model, request_bytes):
    """Who leaves the queue is out of it, and its work never runs."""
    first = begin(server, model, request_bytes)
    workers = sorted(server.workers())

    def attempt():
        second = ask(server, request_bytes)
        until(lambda: waiting(server, model) == 1, "it waits")
        return since_leaving(second, lambda: waiting(server, model) == 0, "it waits no more")

    promptly(attempt)
    assert is_busy(server, model), "the one before it runs on"
    # If the one that left were still to run, it would run now, and for long: there is no pause between two.
    since_leaving(first, lambda: is_idle(server), "the engine is free")
    assert sorted(server.workers()) == workers


@pytest.mark.scenario("leaves-work")
@pytest.mark.invariant("leaver-stops-work", "client-leaves")
@pytest.mark.parametrize("rudely", [False, True])
@pytest.mark.parametrize(("model", "request_bytes"), WORK.values(), ids=WORK)
def test_at_work_before_the_first_byte(server, model, request_bytes, rudely):
    """The engine is free at once, and its worker has not been killed for it."""
    since_leaving(
        begin(server, model, request_bytes), lambda: is_idle(server), "the model is loaded, and idle"
    )
    workers = sorted(server.workers())

    def attempt():
        working = begin(server, model, request_bytes)
        return since_leaving(working, lambda: is_idle(server), "the engine is free", rudely=rudely)

    promptly(attempt)
    assert sorted(server.workers()) == workers


@pytest.mark.scenario("leaves-load")
@pytest.mark.invariant("leaver-stops-work", "client-leaves")
def test_while_the_model_loads(tmp_path):
    """Who leaves before the engine is even there leaves the queue, too; the model is loaded all the same."""
    with serving(tmp_path, **echo_env(stt={"load_s": 4.0, "work_s": WORK_S})) as server:
        connection = ask(server, transcription())
        until(
            lambda: (health(server)["echo-stt"]["state"], waiting(server, "echo-stt")) == ("loading", 1),
            "it loads",
        )

        took_s = since_leaving(connection, lambda: is_idle(server), "nobody waits")

        assert took_s <= 2 * PROMPT_S
        until(lambda: health(server)["echo-stt"]["state"] == "ready", "the model is ready")
        assert is_idle(server)


@pytest.mark.scenario("leaves-stuck-engine")
def test_an_engine_that_cannot_stop_is_replaced(tmp_path):
    """An engine that is deaf to its client's leaving is given a few seconds, then another process."""
    env = echo_env(stt={"hang": True, "prints": True})
    with serving(tmp_path, SPEECHHUB_LOG_LEVEL="debug", **env) as server:
        connection = ask(server, transcription())
        until(lambda: server.logged("worker output"), "the engine is at work, and hangs")
        [worker] = server.workers()

        leave(connection)

        until(lambda: not alive(worker), "the deaf worker is gone")
        until(lambda: is_idle(server), "nothing runs")


# ── In the middle of the answer ──────────────────────────────────────────────

SENTENCES = "One two three four five. " * 60
"""Half a minute of work."""

ANSWERS = {
    "audio": (speech(SENTENCES), (b"\r\n\r\n", b"WAVE")),
    "mp3": (speech(SENTENCES, response_format="mp3"), (b"\r\n\r\n",)),
    "faster": (speech(SENTENCES, speed=1.5), (b"\r\n\r\n", b"WAVE")),
    "events": (speech(SENTENCES, stream_format="sse"), (b"speech.audio.delta",)),
    "head alone": (speech(SENTENCES), (b"HTTP/1.1 200",)),
}


@pytest.mark.scenario("leaves-stream")
@pytest.mark.invariant("leaver-stops-work")
@pytest.mark.parametrize("rudely", [False, True])
@pytest.mark.parametrize(("request_bytes", "marks"), ANSWERS.values(), ids=ANSWERS)
def test_in_the_middle_of_speech(speaker, request_bytes, marks, rudely):
    """Who has heard enough stops the speaker."""

    def attempt():
        connection = ask(speaker, request_bytes)
        read_until(connection, *marks)
        assert is_busy(speaker, "echo-tts"), "the rest is still to be spoken"
        return since_leaving(connection, lambda: stays_idle(speaker), "the engine is free", rudely=rudely)

    promptly(attempt)


@pytest.mark.scenario("leaves-stream")
@pytest.mark.invariant("client-leaves")
def test_in_the_middle_of_a_transcript(tmp_path):
    """Who has read enough stops a long recording after its first passage."""
    request = transcription(long_recording(660), stream="true")
    with serving(tmp_path, **echo_env(stt={"work_s": 5.0})) as server:

        def attempt():
            connection = ask(server, request)
            read_until(connection, b"transcript.text.delta")
            until(lambda: is_busy(server, "echo-stt"), "the next passage is at work")
            return since_leaving(connection, lambda: stays_idle(server), "the engine is free")

        promptly(attempt)
        assert not server.logged("worker ended by itself")


MOMENTS_S = [0.0, 0.001, 0.002, 0.005] + [0.01 * step for step in range(1, 26)]


@pytest.mark.invariant("work-count", "leaver-frees-place")
@pytest.mark.parametrize(
    "request_bytes",
    [
        transcription(wav(20)),
        transcription(wav(20), stream="true"),
        speech("One two three. " * 12),
        speech("One two three. " * 12, stream_format="sse"),
    ],
    ids=WORK,
)
def test_at_any_moment(tmp_path, request_bytes):
    """A client that leaves after 0 to 250 ms, wherever its request is then, leaves nothing behind."""
    with serving(tmp_path, **echo_env(stt={"work_s": 0.1}, tts={"work_s": 0.02})) as server:
        assert exchange(server.url, request_bytes).status == 200
        until(lambda: stays_idle(server), "all is quiet")
        watch = Watch(server)

        for number, moment_s in enumerate(MOMENTS_S):
            connection = ask(server, request_bytes)
            threading.Event().wait(moment_s)
            leave(connection, rudely=number % 2 == 1)

        until(lambda: stays_idle(server), "all is quiet", deadline_s=10)
        watch.check()


class _Client:
    """An ASGI client that leaves when it has seen a message of one kind."""

    def __init__(self, body, leave_at):
        self._messages = [{"type": "http.request", "body": body, "more_body": False}]
        self._leave_at = leave_at
        self._left = asyncio.Event()
        self.seen = []

    async def receive(self):
        if self._messages:
            return self._messages.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.seen.append(message["type"])
        if message["type"] == self._leave_at:
            self._left.set()


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize("leave_at", ["http.response.start", "http.response.body"])
async def test_between_the_head_and_the_body(tmp_path, stream_format, leave_at):
    """The moment that no socket can hit: the client is gone when the head has been sent, and nothing else."""
    settings = Settings(
        home=tmp_path, stt_model="echo-stt", tts_model="echo-tts", engines={"echo-tts": {"work_s": 0.3}}
    )
    body = json.dumps({"input": SENTENCES, "stream_format": stream_format}).encode()
    client = _Client(body, leave_at)
    hub = Hub.assemble(settings)
    app = create_app(hub)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": TTS,
        "raw_path": TTS.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {},
        "app": app,
    }

    async with hub:
        async with asyncio.timeout(20):
            await app(scope, client.receive, client.send)

        async with asyncio.timeout(PROMPT_S):
            while hub.manager.state("echo-tts").busy:  # noqa: ASYNC110  # until the worker has answered
                await asyncio.sleep(0.01)

    assert client.seen[0] == "http.response.start"
    assert len(client.seen) <= 3, "the speech was not sent to its end"


# ── Slow readers ─────────────────────────────────────────────────────────────


@pytest.mark.scenario("slow-reader")
def test_a_slow_reader_does_not_hold_the_engine(tmp_path):
    """A client that reads nothing is spoken to all the same, and the next one is served meanwhile."""
    with serving(tmp_path, **echo_env()) as server:
        assert exchange(server.url, speech()).status == 200
        before = Watch(server)
        grown_bytes = []
        for _ in range(2):
            slow = [connect(server.url, receive_bytes=4096) for _ in range(4)]
            for connection in slow:
                connection.sendall(speech("Word " * 800))  # 200 s of speech, 10 MB
                assert connection.recv(12) == b"HTTP/1.1 200"

            assert exchange(server.url, speech()).status == 200
            until(lambda: stays_idle(server), "all is spoken, though nobody has listened")
            grown_bytes.append(Watch(server).memory_bytes - before.memory_bytes)

            first, *others = slow
            for connection in others:
                leave(connection)
            assert len(read_until(first, b"\r\n0\r\n\r\n")) > 9_000_000, "a slow one gets it all in the end"
            leave(first)
        log.info("hub grew by %s MB for 4 slow readers", [size / 2**20 for size in grown_bytes])
        assert max(grown_bytes) < 4 * 2 * 10 * 2**20, "what waits is the speech, twice at most"
        speech_bytes = 4 * 10 * 2**20
        assert grown_bytes[1] < max(grown_bytes[0], speech_bytes) + speech_bytes / 2, (
            "and it is gone with its reader"
        )
        before.check(growth_bytes=4 * 2 * 10 * 2**20)


# ── All of it ────────────────────────────────────────────────────────────────


@pytest.mark.mission("15.14")
def test_a_mixture_leaves_nothing_behind(tmp_path):
    """Good, bad and abandoned requests, four at a time; `python -m benchmarks.load` sends more of them."""
    env = echo_env(stt={"work_s": 0.01}, tts={"work_s": 0.002})
    with serving(tmp_path, **env) as server, ThreadPoolExecutor(4) as clients:
        mixture = Mixture(server.url)
        list(clients.map(mixture.send, range(300)))
        until(lambda: stays_idle(server), "all is quiet")
        watch = Watch(server)

        outcomes = list(clients.map(mixture.send, range(300, 300 + MIXED)))

        until(lambda: stays_idle(server), "all is quiet")
        watch.check()
    counts = tally(outcomes)
    log.info("%s", counts)
    assert not [status for _, status in outcomes if isinstance(status, int) and status >= 500]
    assert set(counts["transcribe"]) == set(counts["speak"]) == {200}
