"""What Whisper base takes through HTTP, against faster-whisper called directly with the same settings.

.venv/bin/python benchmarks/whisper.py [rounds]

First one request at a time, for the real-time factor: a short clip, whose language is given or found out, and
a minute. Then 16 clients at once, against a loop that does the same clips one after the other.
Whatever is compared takes turns.
"""

import http.client
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load.engines import CLIPS, SPOKEN, samples_of  # the path comes first
from speechhub.store import ModelStore
from speechhub_whisper import WHISPER_BASE
from tests.e2e.server import serving
from tests.unit.codecs.recordings import wav

ROUNDS, CLIENTS = 11, 16
RATE = 16_000
REST_S = 0.3
"""Between two turns: threads of OpenMP wait in a busy loop for more work, for 0.2 s."""
BEAM, BATCH = 5, 4
"""Those of speechhub-whisper on a CPU."""


def recordings() -> dict[str, bytes]:
    """Return a clip of 7 s and a recording of a minute, as WAV files."""
    clips = [samples_of((CLIPS / f"{name}.ogg").read_bytes(), RATE) for name in SPOKEN]
    pause = np.zeros(RATE * 2 // 3, np.float32)
    long = np.concatenate([part for clip in clips * 3 for part in (clip, pause)])
    return {"short": _wav(clips[0]), "minute": _wav(long)}


def _wav(samples: np.ndarray) -> bytes:
    return wav((samples * 32767).astype(np.int16), RATE)


def duration_s(recording: bytes) -> float:
    """Return how long a recording is, in seconds."""
    return (len(recording) - 44) / 2 / RATE


def ask(url: str, recording: bytes, language: str | None) -> str:
    """Return the transcript of a recording."""
    fields = {"model": "whisper-base"} | ({"language": language} if language else {})
    head = b"".join(
        b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value.encode())
        for name, value in fields.items()
    )
    head += b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    connection.request(
        "POST",
        "/v1/audio/transcriptions",
        head + recording + b"\r\n--b--\r\n",
        {"content-type": "multipart/form-data; boundary=b"},
    )
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status == 200, text
    return str(json.loads(text)["text"])


class Direct:
    """faster-whisper, as its own documentation uses it, with the settings that speechhub-whisper has."""

    def __init__(self, folder: Path) -> None:
        threads = len(os.sched_getaffinity(0))
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
        self._batched = BatchedInferencePipeline(self._model)

    def hear(self, recording: bytes, language: str | None) -> str:
        """Return the transcript; what is longer than one look of Whisper's is decoded in batches."""
        file = io.BytesIO(recording)
        if duration_s(recording) < 30:
            segments, _ = self._model.transcribe(file, beam_size=BEAM, language=language, vad_filter=True)
        else:
            segments, _ = self._batched.transcribe(
                file, beam_size=BEAM, language=language, batch_size=BATCH, word_timestamps=True
            )
        return "".join(segment.text for segment in segments).strip()


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    time.sleep(REST_S)
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def one_at_a_time(url: str, direct: Direct, rounds: int) -> None:
    """Print real-time factors, and their ratios: the median of those of each round."""
    made = recordings()
    print("| recording | language | through HTTP | directly | ratio, median | least | most |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, language in (("short", "en"), ("short", None), ("minute", "en")):
        recording = made[name]
        ours, theirs = partial(ask, url, recording, language), partial(direct.hear, recording, language)
        ours(), theirs()
        pairs = [in_turns(ours, theirs, number) for number in range(rounds)]
        long_s = duration_s(recording)
        row(
            f"{name}, {long_s:.0f} s | {language or 'found out'}",
            [(a / long_s, b / long_s) for a, b in pairs],
        )


def many_at_once(url: str, direct: Direct, rounds: int) -> None:
    """Print the throughput of many clients, and of a loop."""
    short = recordings()["short"]
    audio_s = CLIENTS * duration_s(short)
    print(f"\n| seconds of audio in a second | {CLIENTS} clients | loop | ratio, median | least | most |")
    print("| --- | --- | --- | --- | --- | --- |")
    with ThreadPoolExecutor(CLIENTS) as clients:

        def ours() -> None:
            list(clients.map(lambda _: ask(url, short, "en"), range(CLIENTS)))

        def theirs() -> None:
            for _ in range(CLIENTS):
                direct.hear(short, "en")

        pairs = [in_turns(ours, theirs, number) for number in range(rounds)]
    row("short clips, in English", [(audio_s / a, audio_s / b) for a, b in pairs])


def in_turns(ours: Callable[[], object], theirs: Callable[[], object], number: int) -> tuple[float, float]:
    """Return the seconds that each takes; who begins changes from round to round."""
    if number % 2:
        later = seconds(theirs)
        return seconds(ours), later
    return seconds(ours), seconds(theirs)


def row(name: str, pairs: list[tuple[float, float]]) -> None:
    """Print one line: medians of both sides, and of their ratios."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = f"{statistics.median(ratios):.3f} | {min(ratios):.3f} | {max(ratios):.3f}"
    print(f"| {name} | {ours:.4f} | {theirs:.4f} | {spread} |", flush=True)


def main() -> None:
    """Print the tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    with tempfile.TemporaryDirectory() as home:
        folder = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True).resolve(WHISPER_BASE)
        with serving(Path(home), SPEECHHUB_OFFLINE="true", SPEECHHUB_QUEUE_LIMIT_S="900") as server:
            direct = Direct(folder)
            one_at_a_time(server.url, direct, rounds)
            many_at_once(server.url, direct, max(3, rounds // 2))
    print(f"\nload {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
