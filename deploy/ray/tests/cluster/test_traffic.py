"""Traffic through Serve's proxies: large bodies, streams, sockets, headers and errors, as from one hub."""

import asyncio
import contextlib
import io
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deploy.ray.tests.cluster.cluster import ECHO, clustered
from tests.e2e.realtime import MANUAL, RATE, TRANSCRIPTION, joined, ready
from tests.e2e.server import until
from tests.fakes.babble import babble
from tests.fuzz.leaving import STT, TTS
from tests.http.conftest import wav

log = logging.getLogger(__name__)

SENTENCE_S = 0.3
UPLOAD_BYTES, FINE_RATE = 50 * 10**6, 48_000
MESSAGE_BYTES = 15 * 1024**2
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-these-tests"}
"""With which another program may change what the cluster serves."""
CALLS = 6
"""Requests and sockets that one caller may have in one hub."""
PAGE = "https://page.example.org"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    engines = {"echo-tts": {"work_s": SENTENCE_S}, "echo-stt": {"work_s": 1.0}}
    env = ECHO | {
        "SPEECHHUB_ENGINES": json.dumps(engines),
        "SPEECHHUB_CORS_ORIGINS": json.dumps([PAGE]),
        "SPEECHHUB_CONCURRENCY_LIMIT": str(CALLS),
        **TOKEN,
    }
    with clustered(tmp_path_factory.mktemp("home"), "--replicas", "2", **env) as running:
        yield running


@pytest.fixture
def http(cluster):
    with httpx.Client(base_url=cluster.url, timeout=60) as client:
        yield client


def speech(text):
    return {"model": "tts-1", "voice": "alloy", "input": text, "response_format": "pcm"}


def large_wav():
    """Return a recording of `UPLOAD_BYTES`: silence, which is decoded to its end."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, FINE_RATE, 0, "NONE", ""))
        file.writeframes(bytes(UPLOAD_BYTES - 44))
    return out.getvalue()


# ── Large and slow ───────────────────────────────────────────────────────────


def test_an_upload_of_50_mb_arrives(cluster, http):
    """It is heard to its end, and what it took of the memory is given back."""
    clip = large_wav()
    before = memory_mb(cluster)
    for _ in range(2):
        answer = http.post(STT, files={"file": ("a.wav", clip)}, data={"model": "whisper-1"}, timeout=120)
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["seconds"] == round(UPLOAD_BYTES / 2 / FINE_RATE)
    after = memory_mb(cluster)
    log.info("memory in MB before and after two uploads: %s, %s", before, after)
    assert set(after) == set(before)
    assert len(after) == 3, "two replicas and a proxy"
    assert all(grown < 8 * UPLOAD_BYTES / 10**6 for grown in (after[name] - before[name] for name in after))


def memory_mb(cluster):
    """Return process → own memory of the replicas and of the proxy, without their engines.

    Large messages between them pass through Ray's shared memory, which has a limit of its own.
    """
    found = {}
    for pid in cluster.processes():
        with contextlib.suppress(OSError):
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
            if title.startswith((b"ray::ProxyActor", b"ray::ServeReplica")):
                status = Path(f"/proc/{pid}/status").read_text().split("RssAnon:")[1]
                found[f"{title[5:10].decode()} {pid}"] = int(status.split()[0]) // 1024
    return found


def test_a_body_over_the_limit_is_refused(http):
    body = bytes(60 * 1024**2)

    answer = http.post(STT, files={"file": ("a.wav", body)}, data={"model": "whisper-1"}, timeout=120)

    assert answer.status_code == 413
    assert answer.json()["error"]["message"]


def test_speech_is_heard_before_it_is_made(http):
    """The first audio comes when the first sentence is spoken, not when all are."""
    began, at_s, length = time.monotonic(), [], 0
    with http.stream("POST", TTS, json=speech("One two three. " * 12)) as answer:
        for piece in answer.iter_raw():
            at_s.append(time.monotonic() - began)
            length += len(piece)

    assert length > 2 * 24_000 * 5
    assert at_s[0] < at_s[-1] / 2
    assert len([1 for earlier, later in itertools.pairwise(at_s) if later - earlier > 0.1]) >= 5


@pytest.mark.parametrize(
    ("path", "request_", "last"),
    [
        (
            STT,
            {"files": {"file": ("a.wav", wav(40))}, "data": {"model": "whisper-1", "stream": "true"}},
            "done",
        ),
        (TTS, {"json": speech("One two. " * 8) | {"stream_format": "sse"}}, "speech.audio.done"),
    ],
    ids=["transcript", "speech"],
)
def test_events_come_one_by_one(http, path, request_, last):
    with http.stream("POST", path, **request_) as answer:
        reads = [piece for piece in answer.iter_raw() if piece]

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line for line in b"".join(reads).decode().split("\n\n") if line]
    assert len(events) >= 3
    assert len(reads) >= 2
    assert last in events[-1] or "[DONE]" in events[-1]


# ── Sockets ──────────────────────────────────────────────────────────────────


async def test_a_message_of_15_mib_passes(cluster):
    async with ready(cluster.url) as session:
        await session.update(audio=MANUAL)
        envelope = len('{"type": "input_audio_buffer.append", "audio": ""}')
        silence = bytes((MESSAGE_BYTES - envelope) // 8 * 6)

        await session.append(silence)
        await session.send("input_audio_buffer.commit")

        await session.until("input_audio_buffer.committed", deadline_s=60)


async def test_a_message_over_16_mib_is_refused(cluster):
    async with joined(cluster.url) as session:
        with pytest.raises(ConnectionClosed):
            await session.send("input_audio_buffer.append", audio="A" * 17 * 1024**2)

        assert await session.closed() == 1009


async def test_a_handshake_is_refused_in_words(cluster):
    """The hub's answer arrives with its body, though it is no WebSocket."""
    with pytest.raises(InvalidStatus) as refused:
        async with joined(cluster.url, path="/v1/nothing"):
            pass

    answer = refused.value.response
    assert answer.status_code == 404
    assert json.loads(answer.body)["error"]["message"]
    assert "speechhub-replica" in answer.headers


async def test_callers_are_told_apart_by_their_address_alone(cluster):
    """One address uses up its share whatever it says in X-Forwarded-For; another one has its own."""
    replica = cluster.replicas()[0]
    query = f"{TRANSCRIPTION}&replica={replica}"
    async with contextlib.AsyncExitStack() as stack:
        for number in range(CALLS):
            forged = {"x-forwarded-for": f"203.0.113.{number}"}
            await stack.enter_async_context(ready(cluster.url, query, additional_headers=forged))

        forged = {"x-forwarded-for": "203.0.113.99"}
        with pytest.raises(AssertionError) as refused:
            await stack.enter_async_context(ready(cluster.url, query, additional_headers=forged))

        assert "concurrency_limit" in str(refused.value)
        await stack.enter_async_context(ready(cluster.url, query, local_addr=("127.0.0.2", 0)))


# ── Headers and errors ───────────────────────────────────────────────────────


@pytest.mark.parametrize("sent", ["mine-1", None, "not one"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/nothing"])
def test_a_request_has_one_id(cluster, http, path, sent):
    """Once in the answer, and the same in the hub's line; a client's own is kept if the hub would keep it."""
    known = len(cluster.logged("request"))

    answer = http.get(path, headers={"x-request-id": sent} if sent else {})

    (shown,) = answer.headers.get_list("x-request-id")
    assert (shown == sent) == (sent == "mine-1")
    lines = until(
        lambda: [line for line in cluster.logged("request")[known:] if line["path"] == path], "a line"
    )
    assert [line["request_id"] for line in lines] == [shown]
    assert lines[0]["replica"] == answer.headers["speechhub-replica"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/nothing", None, 404),
        ("DELETE", "/v1/models", None, 405),
        ("POST", TTS, {"json": {"model": "tts-1"}}, 400),
        ("POST", TTS, {"content": b"{"}, 400),
        ("POST", STT, {"data": {"model": "no-such-model"}, "files": {"file": ("a.wav", wav(1))}}, 404),
        ("POST", STT, {"data": {"model": "whisper-1"}, "files": {"file": ("a.wav", b"no sound")}}, 400),
        ("GET", "/v1/models/no-such-model", None, 404),
        ("GET", "/%ff", None, 400),
    ],
)
def test_errors_of_hubs_arrive_unchanged(http, method, path, body, status):
    answer = http.request(method, path, **body or {})

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["code"] != "replica_lost"
    assert "speechhub-replica" in answer.headers


def test_a_head_has_no_body(http):
    answer = http.head("/v1/models")

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(http.get("/v1/models").content)


def test_web_pages_are_let_in(http):
    """A preflight and its request are answered as the hub's settings say."""
    asked = {"origin": PAGE, "access-control-request-method": "POST"}
    for answer in (http.options(TTS, headers=asked), http.get("/v1/models", headers={"origin": PAGE})):
        assert answer.is_success
        assert answer.headers["access-control-allow-origin"] == PAGE
    other = http.options(TTS, headers=asked | {"origin": "https://other.example.org"})
    assert "access-control-allow-origin" not in other.headers


# ── A rolling update; the last test, because it replaces the replicas ────────

UPDATE = """
import ray
from ray import serve
from speechhub_ray.app import app
ray.init(logging_level="error")  # at RAY_ADDRESS
serve.run(app({"replicas": 1, "cpus_per_replica": 0.5}), name="speechhub", route_prefix="/")
"""


async def test_an_update_ends_no_request_and_tells_sockets(cluster):
    """Two replicas become one new one: what runs is answered, and each socket is told to come again."""
    old = cluster.replicas()
    with ThreadPoolExecutor() as pool:
        async with contextlib.AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(ready(cluster.url, f"{TRANSCRIPTION}&replica={name}"))
                for name in old
            ]
            for session in sockets:
                await session.update(audio=MANUAL)
                await session.append(babble(1, RATE))
                await session.send("input_audio_buffer.commit")
                await session.until("input_audio_buffer.committed")
            enough = []
            stack.callback(enough.append, 1)  # before the pool waits for the load, whatever fails
            load = pool.submit(keep_asking, cluster.url, enough)
            text = "One two three. " * 30
            speeches = [pool.submit(spoken, cluster.url, text, name) for name in old]
            env = os.environ | TOKEN | {"RAY_ADDRESS": gcs_address(cluster)}

            done = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", UPDATE],
                env=env,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )

            assert done.returncode == 0, done.stderr
            for session in sockets:
                assert await session.closed(60) == 1012
                assert session.all("conversation.item.input_audio_transcription.completed")
            lengths = {await asyncio.to_thread(speech.result, 60) for speech in speeches}
            assert len(lengths) == 1
        assert set(load.result()) == {200}
    until(lambda: len(cluster.logged("draining")) == 2, "both were drained")
    assert {line["replica"] for line in cluster.logged("draining")} == set(old)
    (new,) = cluster.replicas(count=1)
    assert new not in old


def gcs_address(cluster):
    """Return where this cluster's control service listens; others may run on this machine."""
    lines = [Path(f"/proc/{pid}/cmdline").read_text() for pid in cluster.processes()]
    return next(re.search(r"--gcs-address=([^\0]+)", line)[1] for line in lines if "--gcs-address=" in line)


def spoken(url, text, replica):
    answer = httpx.post(f"{url}{TTS}", params={"replica": replica}, json=speech(text), timeout=60)
    answer.raise_for_status()
    return len(answer.content)


def keep_asking(url, enough):
    """Return the status of each of many requests, one after the other."""
    found = []
    while not enough:
        found.append(httpx.get(f"{url}/v1/models", timeout=60).status_code)
    return found
