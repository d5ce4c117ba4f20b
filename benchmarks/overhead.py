"""Measures the overhead of HTTP: a 30 s clip through the hub, compared with the engine called in process.

Also shows where that time goes, stage by stage, beginning with the floor, a bare Litestar application on
Granian that reads the same body; and compares metadata requests through the hub with that application.
"""

import http.client
import inspect
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import uvloop
from litestar import Request

from speechhub.domain.audio import Pcm16Audio
from speechhub.engine import Audio, Call, LoadContext, TranscribeRequest
from speechhub.http.context import KEY, RequestContext
from speechhub.http.multipart import read_form
from speechhub.log import configure_logging
from speechhub.pools import Pools
from speechhub.services.account import Account
from speechhub.services.passages import DecodingPlaces, Passages
from speechhub.worker.host import Worker
from speechhub_echo import STT
from speechhub_echo.stt import EchoStt

ROUNDS = 100
METADATA_ROUNDS = 1000
RATE = 16_000
CLIP_S = 30
LIMIT_BYTES = 100_000_000
CHUNK_BYTES = 256 * 1024
"""About how much Granian hands over at a time while a body arrives."""

BARE = """
import uvloop
from litestar import Litestar, Request, get, post
from granian.server.embed import Server
@post("/v1/audio/transcriptions", status_code=200)
async def transcribe(request: Request) -> dict:
    return {"text": str(sum([len(chunk) async for chunk in request.stream()]))}
@get("/v1/models")
async def models() -> dict:
    return {"object": "list", "data": []}
async def main():
    app = Litestar([models, transcribe])
    await Server(app, port=int(__import__("sys").argv[1]), interface="asgi").serve()
uvloop.run(main())
"""


def clip() -> tuple[bytes, Audio]:
    """Return 30 s of noise, as a WAV file and as samples."""
    samples = np.random.default_rng(1).uniform(-0.1, 0.1, CLIP_S * RATE).astype(np.float32)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return out.getvalue(), Audio(samples=samples, sample_rate=RATE)


@contextmanager
def serving(command: list[str], port: int) -> Iterator[None]:
    """Run a server until the block ends."""
    env = os.environ | {
        "SPEECHHUB_HOME": tempfile.mkdtemp(),
        "SPEECHHUB_STT_MODEL": "echo-stt",
        "SPEECHHUB_TTS_MODEL": "echo-tts",
        "SPEECHHUB_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                http.client.HTTPConnection("127.0.0.1", port).connect()
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def times(rounds: int, *calls: Callable[[], object]) -> list[list[float]]:
    """Time calls alternately; return the milliseconds of each."""
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, results in zip(calls, found, strict=True):
            began = time.perf_counter()
            result = call()
            if inspect.isawaitable(result):
                await result
            results.append((time.perf_counter() - began) * 1000)
    return found


@asynccontextmanager
async def echo_worker() -> AsyncIterator[Worker]:
    """Run a worker with the echo engine, as the hub does."""
    worker = await Worker.start(STT, epoch=1)
    try:
        await worker.load(LoadContext(model="echo-stt", model_dir=None))
        yield worker
    finally:
        await worker.stop(grace_s=2.0)


def row(name: str, results: list[float]) -> None:
    """Print one line of the table."""
    ordered = sorted(results)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(f"| {name} | {statistics.median(results):.2f} | {min(results):.2f} | {p99:.2f} |")


def stages(floor: float, form: float, reading: float, worker: float, overhead: float) -> None:
    """Print where the overhead goes, in milliseconds."""
    print("| stage of the overhead | ms |\n| --- | --- |")
    print(f"| the floor: a bare Litestar application reads the same body | {floor:.2f} |")
    print(f"| reading the form | {form:.2f} |")
    print(f"| reading the recording | {reading:.2f} |")
    print(f"| the way to the worker and back | {worker:.2f} |")
    print(f"| everything else | {overhead - floor - form - reading - worker:.2f} |")
    print(f"| overhead | {overhead:.2f} |\n")


async def compare_metadata(hub: http.client.HTTPConnection, bare: http.client.HTTPConnection) -> None:
    """Print how long a metadata request takes."""

    def metadata(connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/v1/models")
        connection.getresponse().read()

    await times(50, lambda: metadata(hub), lambda: metadata(bare))
    ours, theirs = await times(METADATA_ROUNDS, lambda: metadata(hub), lambda: metadata(bare))
    print("| GET /v1/models | median ms | min ms | p99 ms |\n| --- | --- | --- | --- |")
    row("speechhub", ours)
    row("bare Litestar, empty list", theirs)
    print(f"\nRatio of medians: {statistics.median(ours) / statistics.median(theirs):.2f}")


def chunked_request(body: bytes, headers: dict[str, str]) -> Any:
    """Return a request with *body* in chunks, as Granian hands it over."""
    starts = iter(range(0, len(body), CHUNK_BYTES))

    async def receive() -> Any:
        start = next(starts)
        chunk, more = body[start : start + CHUNK_BYTES], start + CHUNK_BYTES < len(body)
        return {"type": "http.request", "body": chunk, "more_body": more}

    context = RequestContext(request_id="req_1", path="/v1/audio/transcriptions")
    context.holding = Account().open()
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    unlimited = SimpleNamespace(resolve_request_max_body_size=lambda: None)
    scope: Any = {"type": "http", "headers": raw, "route_handler": unlimited, "state": {KEY: context}}
    return Request(scope, receive=receive)


async def main() -> None:
    """Print the tables."""
    configure_logging("warning", "auto")
    wav, audio = clip()
    boundary = b"3f1c9a6b0d8e4c57a2b1e6f90c7d5a84"  # as long as those of OpenAI's clients
    body = (
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + wav
        + b"\r\n--" + boundary + b"--\r\n"
    )  # fmt: skip
    headers = {"content-type": f"multipart/form-data; boundary={boundary.decode()}"}
    engine = EchoStt()
    engine.load(LoadContext(model="echo-stt", model_dir=None))
    pcm16 = Pcm16Audio(pcm16=np.frombuffer(wav, "<i2", offset=44), sample_rate=RATE)

    port, bare_port = 18_123, 18_124
    bare_file = Path(tempfile.mkdtemp()) / "bare.py"
    bare_file.write_text(BARE)
    with (
        serving([sys.executable, "-m", "speechhub", "serve", "--port", str(port)], port),
        serving([sys.executable, str(bare_file), str(bare_port)], bare_port),
    ):
        hub = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        bare = http.client.HTTPConnection("127.0.0.1", bare_port, timeout=60)

        def through_http(connection: http.client.HTTPConnection) -> None:
            connection.request("POST", "/v1/audio/transcriptions", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            assert json.loads(text)["text"]

        def in_process() -> None:
            engine.transcribe([TranscribeRequest(audio=audio)], Call())

        async def form() -> None:
            request = chunked_request(body, headers)
            found = await read_form(request, limit_bytes=LIMIT_BYTES)
            assert found.file
            found.file.close()

        places = DecodingPlaces(Pools().decoding)

        async def reading() -> None:
            source = Passages(
                io.BytesIO(wav), sample_rate=RATE, longest_s=None, max_audio_s=3600, places=places
            )
            assert len(await source.take(1, ahead=1)) == 1
            await source.aclose()

        async with echo_worker() as worker:

            async def in_worker() -> None:
                await worker.transcribe([TranscribeRequest(audio=pcm16)])

            calls: list[Callable[[], object]] = [lambda: through_http(hub), in_process]
            calls += [lambda: through_http(bare), form, reading, in_worker]
            await times(10, *calls)
            results = await times(ROUNDS, *calls)
        print("| 30 s clip, echo engine | median ms | min ms | p99 ms |\n| --- | --- | --- | --- |")
        row("through HTTP", results[0])
        row("in process", results[1])
        hub_ms, direct_ms, floor_ms, form_ms, reading_ms, worker_ms = map(statistics.median, results)
        print(f"\nOverhead, median: {hub_ms - direct_ms:.2f} ms\n")
        stages(floor_ms, form_ms, reading_ms, worker_ms - direct_ms, hub_ms - direct_ms)
        await compare_metadata(hub, bare)


if __name__ == "__main__":
    uvloop.run(main())
