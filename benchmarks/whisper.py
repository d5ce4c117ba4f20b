"""What Whisper base takes through HTTP, against faster-whisper called directly with the same settings.

.venv/bin/python benchmarks/whisper.py [rounds]

First one request at a time, for the real-time factor: a short clip and a longer recording, with the language
given and found out. Then 16 clients at once, against a loop that does the same clips one after the other.
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

ROUNDS, CLIENTS = 15, 16
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
    print("| recording | language | through HTTP | directly | ratio, median | least | most |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, recording in recordings().items():
        for language in ("en", None):
            long_s = duration_s(recording)
            ask(url, recording, language), direct.hear(recording, language)
            pairs = []
            for number in range(rounds):
                calls = [lambda: ask(url, recording, language), lambda: direct.hear(recording, language)]  # noqa: B023
                if number % 2:
                    theirs, ours = seconds(calls[1]), seconds(calls[0])
                else:
                    ours, theirs = seconds(calls[0]), seconds(calls[1])
                pairs.append((ours / long_s, theirs / long_s))
            ratios = [ours / theirs for ours, theirs in pairs]
            ours_rtf, theirs_rtf = (statistics.median(side) for side in zip(*pairs, strict=True))
            print(
                f"| {name}, {long_s:.0f} s | {language or 'found out'} | {ours_rtf:.4f} | {theirs_rtf:.4f} | "
                f"{statistics.median(ratios):.3f} | {min(ratios):.3f} | {max(ratios):.3f} |",
                flush=True,
            )


def many_at_once(url: str, direct: Direct, rounds: int) -> None:
    """Print the throughput of many clients, and of a loop."""
    short = recordings()["short"]
    audio_s = CLIENTS * duration_s(short)
    found = []
    with ThreadPoolExecutor(CLIENTS) as clients:
        for language in ("en", None):
            pairs = []
            for _ in range(rounds):
                ours = seconds(lambda: list(clients.map(lambda _: ask(url, short, language), range(CLIENTS))))  # noqa: B023
                theirs = seconds(lambda: [direct.hear(short, language) for _ in range(CLIENTS)])  # noqa: B023
                pairs.append((audio_s / ours, audio_s / theirs))
            found.append((language or "found out", pairs))
    print(f"\n| {CLIENTS} clients, language | clients | loop | ratio, median | least | most |")
    print("| --- | --- | --- | --- | --- | --- |")
    for language, pairs in found:
        ratios = [ours / theirs for ours, theirs in pairs]
        ours_rtf, theirs_rtf = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(
            f"| {language} | {ours_rtf:.2f} | {theirs_rtf:.2f} | {statistics.median(ratios):.3f} | "
            f"{min(ratios):.3f} | {max(ratios):.3f} |"
        )


def main() -> None:
    """Print the tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    with tempfile.TemporaryDirectory() as home:
        folder = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True).resolve(WHISPER_BASE)
        with serving(Path(home), SPEECHHUB_OFFLINE="true") as server:
            direct = Direct(folder)
            one_at_a_time(server.url, direct, rounds)
            many_at_once(server.url, direct, max(3, rounds // 3))
    print(f"\nload {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
