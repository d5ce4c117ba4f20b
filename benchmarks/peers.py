"""Compares speechhub with two small servers on the same weights and settings, alternately.

.venv/bin/python benchmarks/peers.py FOLDER [rounds]

FOLDER is the bin of an environment that has them: pip install faster-whisper-server 'piper-tts[http]'.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.footprint import rss_mb  # the path comes first
from benchmarks.load.engines import CLIPS, samples_of
from speechhub.store import ModelStore
from speechhub_piper import JOE
from speechhub_piper.voice import find_voice
from speechhub_whisper import WHISPER_BASE
from tests.e2e.server import serving, until
from tests.unit.codecs.recordings import wav

ROUNDS, CLIENTS, SHORT, LOOK_EVERY_S = 9, 16, "en", 0.05
STT_PORT, TTS_PORT = 18_131, 18_132
SENTENCE = "The old lighthouse stood on a rock far out in the bay."
SETTINGS = """
models:
  - name: whisper-base
    path: {path}
    model_options: {{device: cpu, compute_type: int8, cpu_threads: {threads}}}
    transcribe_options: {{beam_size: 5, vad_filter: true}}
"""
"""The settings that speechhub-whisper uses by default."""
Call = Callable[[], object]


@contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), f"{command[0]} answers", 60)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    """Return whether a server answers at a port."""
    try:
        return bool(get(port, "/"))
    except OSError:
        return False


def get(port: int, path: str) -> int:
    """Return the status of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def post(port: int, path: str, body: bytes, kind: str) -> bytes:
    """Return an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("POST", path, body, {"content-type": kind})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status == 200, data
    return data


def hear(port: int, recording: bytes) -> str:
    """Return a transcript; one of the servers names the model's field `model_name`."""
    fields = {"model": "whisper-base", "model_name": "whisper-base", "language": "en"}
    body = b"".join(
        b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value.encode())
        for name, value in fields.items()
    )
    body += b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + recording
    answer = post(
        port, "/v1/audio/transcriptions", body + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"
    )
    return str(json.loads(answer)["text"])


def speak(port: int, path: str) -> bytes:
    """Return a sentence as WAV; each server accepts the fields that the other one needs."""
    body = {"text": SENTENCE, "input": SENTENCE, "model": JOE.id, "response_format": "wav"}
    return post(port, path, json.dumps(body).encode(), "application/json")


def compare(name: str, rounds: int, ours: Call, theirs: Call) -> None:
    """Time both alternately; print how long each takes, and the median of the ratios."""
    ours(), theirs()
    pairs = []
    for _ in range(rounds):
        took_s = []
        for call in (ours, theirs):
            time.sleep(0.3)
            began = time.perf_counter()
            call()
            took_s.append(time.perf_counter() - began)
        pairs.append(took_s)
    medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
    ratio = statistics.median(ours_s / theirs_s for ours_s, theirs_s in pairs)
    print(f"| {name} | {medians[0]:.2f} s | {medians[1]:.2f} s | {ratio:.2f} |", flush=True)


def at_once(call: Call) -> Call:
    """Return a call that lets 16 clients call at once."""

    def all_of_them() -> None:
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda _: call(), range(CLIENTS)))

    return all_of_them


def worst_look_ms(port: int, busy: Call) -> float:
    """Return the longest time that `/health` takes, in milliseconds, while a server is busy."""
    over, worst_s = Event(), [0.0]

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            began = time.perf_counter()
            get(port, "/health")
            worst_s[0] = max(worst_s[0], time.perf_counter() - began)

    looking = Thread(target=look)
    looking.start()
    busy()
    over.set()
    looking.join()
    return worst_s[0] * 1000


def main() -> None:
    """Print the table."""
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    clip = wav((samples_of((CLIPS / f"{SHORT}.ogg").read_bytes(), 16_000) * 32767).astype("<i2"))
    with tempfile.TemporaryDirectory() as home:
        store = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True)
        weights, voice = store.resolve(WHISPER_BASE), find_voice(store.resolve(JOE))[0]
        settings = Path(home) / "peer.yaml"
        settings.write_text(SETTINGS.format(path=weights, threads=len(os.sched_getaffinity(0))))
        stt = [str(folder / "faster-whisper-server"), "--config", str(settings), "--port", str(STT_PORT)]
        tts = [str(folder / "python"), "-m", "piper.http_server", "-m", str(voice), "--port", str(TTS_PORT)]
        local = ["--host", "127.0.0.1"]
        env = {"SPEECHHUB_OFFLINE": "true", "SPEECHHUB_QUEUE_LIMIT_S": "900"}
        with (
            serving(Path(home), **env) as hub,
            running(stt + local, STT_PORT) as ears,
            running(tts + local, TTS_PORT) as mouth,
        ):
            ours = int(hub.url.rpartition(":")[2])
            print("| | speechhub | the other | ratio |\n| --- | --- | --- | --- |")
            memory = rss_mb(hub.pid), rss_mb(ears.pid) + rss_mb(mouth.pid)
            print(f"| resident before the first request | {memory[0]:.0f} MB | {memory[1]:.0f} MB | |")
            listen, listen_there = lambda: hear(ours, clip), lambda: hear(STT_PORT, clip)
            say, say_there = lambda: speak(ours, "/v1/audio/speech"), lambda: speak(TTS_PORT, "/synthesize")
            compare("a clip of 7 s → text", rounds, listen, listen_there)
            compare("16 of them at once", max(3, rounds // 3), at_once(listen), at_once(listen_there))
            compare("a sentence → WAV", rounds, say, say_there)
            compare("16 of them at once", max(3, rounds // 3), at_once(say), at_once(say_there))
            looks = worst_look_ms(ours, at_once(listen)), worst_look_ms(STT_PORT, at_once(listen_there))
            print(f"| /health at worst, 16 clips at once | {looks[0]:.0f} ms | {looks[1]:.0f} ms | |")
            memory = rss_mb(hub.pid), rss_mb(ears.pid) + rss_mb(mouth.pid)
            print(f"| resident with both models loaded | {memory[0]:.0f} MB | {memory[1]:.0f} MB | |")
    print(f"\nload {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
