"""What the way through HTTP costs: a 30 s clip through the hub, against the engine called in process.

Also: metadata requests through the hub, against a bare Litestar application on Granian.
"""

import http.client
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from speechhub.engine import Audio, Call, LoadContext, TranscribeRequest
from speechhub_echo.stt import EchoStt

ROUNDS = 100
METADATA_ROUNDS = 1000
RATE = 16_000
CLIP_S = 30

BARE = """
import uvloop
from litestar import Litestar, get
from granian.server.embed import Server
@get("/v1/models")
async def models() -> dict:
    return {"object": "list", "data": []}
async def main():
    await Server(Litestar([models]), port=int(__import__("sys").argv[1]), interface="asgi").serve()
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


def times(rounds: int, *calls: Callable[[], object]) -> list[list[float]]:
    """Time calls in turns; return milliseconds of each."""
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, results in zip(calls, found, strict=True):
            began = time.perf_counter()
            call()
            results.append((time.perf_counter() - began) * 1000)
    return found


def row(name: str, results: list[float]) -> None:
    """Print one line of the table."""
    ordered = sorted(results)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(f"| {name} | {statistics.median(results):.2f} | {min(results):.2f} | {p99:.2f} |")


def main() -> None:
    """Print both tables."""
    wav, audio = clip()
    boundary = b"b0undary"
    body = (
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + wav
        + b"\r\n--" + boundary + b"--\r\n"
    )  # fmt: skip
    headers = {"content-type": f"multipart/form-data; boundary={boundary.decode()}"}
    engine = EchoStt()
    engine.load(LoadContext(model="echo-stt", model_dir=None))

    port, bare_port = 18_123, 18_124
    bare_file = Path(tempfile.mkdtemp()) / "bare.py"
    bare_file.write_text(BARE)
    with (
        serving([sys.executable, "-m", "speechhub", "serve", "--port", str(port)], port),
        serving([sys.executable, str(bare_file), str(bare_port)], bare_port),
    ):
        hub = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        bare = http.client.HTTPConnection("127.0.0.1", bare_port, timeout=60)

        def through_http() -> None:
            hub.request("POST", "/v1/audio/transcriptions", body, headers)
            answer = hub.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            assert json.loads(text)["text"]

        def in_process() -> None:
            engine.transcribe([TranscribeRequest(audio=audio)], Call())

        def metadata(connection: http.client.HTTPConnection) -> None:
            connection.request("GET", "/v1/models")
            connection.getresponse().read()

        times(5, through_http, in_process)
        hub_ms, direct_ms = times(ROUNDS, through_http, in_process)
        print("| 30 s clip, echo engine | median ms | min ms | p99 ms |\n| --- | --- | --- | --- |")
        row("through HTTP", hub_ms)
        row("in process", direct_ms)
        print(f"\nOverhead, median: {statistics.median(hub_ms) - statistics.median(direct_ms):.2f} ms\n")
        times(50, lambda: metadata(hub), lambda: metadata(bare))
        ours, theirs = times(METADATA_ROUNDS, lambda: metadata(hub), lambda: metadata(bare))
        print("| GET /v1/models | median ms | min ms | p99 ms |\n| --- | --- | --- | --- |")
        row("speechhub", ours)
        row("bare Litestar, empty list", theirs)
        print(f"\nRatio of medians: {statistics.median(ours) / statistics.median(theirs):.2f}")


if __name__ == "__main__":
    main()
