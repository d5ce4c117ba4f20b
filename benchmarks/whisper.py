"""Compares Whisper base through HTTP with faster-whisper called directly, with the same settings.

.venv/bin/python benchmarks/whisper.py [rounds]

First, one request at a time, for the real-time factor: a short clip whose language is given or detected, a
minute, and another minute that repeats itself, with the number of words that both sides got wrong. Then 16
clients at once, compared with a loop over the same clips. Last, 3 s of English declared as Latin, in which
Whisper finds no end, compared with the same 3 s in the right language.
Both sides of each comparison alternate.

Time is measured twice: by the clock, which a busy machine disturbs, and as processor time of all the work,
which it disturbs less.
"""

import http.client
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import jiwer
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load.engines import CLIPS, PLAIN, SPOKEN, samples_of  # the path comes first
from speechhub.store import ModelStore
from speechhub_whisper import WHISPER_BASE
from tests.e2e.server import Server, serving
from tests.unit.codecs.recordings import wav

ROUNDS, CLIENTS = 11, 16
ROUNDS_OF_REFRAIN = 9
RATE = 16_000
REST_S = 0.3
"""Pause between two turns, in seconds: OpenMP's threads wait for more work in a busy loop for 0.2 s."""
BEAM, BATCH = 5, 4
"""Beam and batch size of speechhub-whisper on a CPU."""


def recordings() -> dict[str, bytes]:
    """Return two short clips, a minute of three clips in turns, and a minute of one, as WAV files."""
    clips = [samples_of((CLIPS / f"{name}.ogg").read_bytes(), RATE) for name in SPOKEN]
    pause = np.zeros(RATE * 2 // 3, np.float32)
    long = np.concatenate([part for clip in clips * 3 for part in (clip, pause)])
    refrain = np.concatenate([clips[1], pause] * ROUNDS_OF_REFRAIN)
    return {
        "short": _wav(clips[0]),
        "shorter": _wav(clips[0][: 3 * RATE]),
        "minute": _wav(long),
        "refrain": _wav(refrain),
    }


SAID = {
    "short": SPOKEN["en"],
    "minute": " ".join([*SPOKEN.values()] * 3),
    "refrain": " ".join([SPOKEN["en2"]] * ROUNDS_OF_REFRAIN),
}
"""The words spoken in each recording."""


def wrong_words(said: str, heard: str) -> int:
    """Return how many words are missing, added or different."""
    found = jiwer.process_words(said, heard, PLAIN, PLAIN)
    return int(found.insertions + found.deletions + found.substitutions)


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
    """faster-whisper as its own documentation uses it, with the settings of speechhub-whisper."""

    def __init__(self, folder: Path) -> None:
        threads = len(os.sched_getaffinity(0))
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
        self._batched = BatchedInferencePipeline(self._model)

    def hear(self, recording: bytes, language: str | None) -> str:
        """Return the transcript; a recording longer than Whisper's window is decoded in batches."""
        file = io.BytesIO(recording)
        if duration_s(recording) < 30:
            segments, _ = self._model.transcribe(file, beam_size=BEAM, language=language, vad_filter=True)
        else:
            segments, _ = self._batched.transcribe(
                file, beam_size=BEAM, language=language, batch_size=BATCH, word_timestamps=True
            )
        return "".join(segment.text for segment in segments).strip()


def seconds(call: Callable[[], object], pids: Sequence[int]) -> tuple[float, float]:
    """Return how long a call takes, and the CPU time that processes spend on it, in seconds."""
    time.sleep(REST_S)
    before, began = sum(map(processor_s, pids)), time.perf_counter()
    call()
    return time.perf_counter() - began, sum(map(processor_s, pids)) - before


def processor_s(pid: int) -> float:
    """Return the CPU time of a process so far, in seconds.

    Source: proc_pid_stat(5), utime and stime.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Both sides of one comparison."""

    server: Server
    direct: Direct

    def compare(
        self, ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int, audio_s: float
    ) -> str:
        """Return one line: medians of both sides and of each round's ratios; the first side alternates."""
        ours(), theirs()
        sides = (ours, (self.server.pid, *self.server.workers())), (theirs, (os.getpid(),))
        pairs = []
        for number in range(rounds):
            order = sides[::-1] if number % 2 else sides
            took = [seconds(*side) for side in order]
            pairs.append(took[::-1] if number % 2 else took)
        clock = [(one[0] / audio_s, other[0] / audio_s) for one, other in pairs]
        ratios = [one / other for one, other in clock]
        medians = [statistics.median(side) for side in zip(*clock, strict=True)]
        work = statistics.median(one[1] / other[1] for one, other in pairs)
        return (
            f"{medians[0]:.4f} | {medians[1]:.4f} | {statistics.median(ratios):.3f} | {min(ratios):.3f} | "
            f"{max(ratios):.3f} | {work:.3f} |"
        )


HEAD = "real-time factor | through HTTP | directly | ratio, median | least | most | ratio of processor time"


def one_at_a_time(turns: Turns, rounds: int) -> None:
    """Print how long one request takes for each second of audio."""
    made = recordings()
    print(f"| {HEAD} | wrong words |\n{'| --- ' * 8}|")
    for name, language in (("short", "en"), ("short", None), ("minute", "en"), ("refrain", "en")):
        recording = made[name]
        ours = partial(ask, turns.server.url, recording, language)
        theirs = partial(turns.direct.hear, recording, language)
        line = turns.compare(ours, theirs, rounds=rounds, audio_s=duration_s(recording))
        wrong = [wrong_words(SAID[name], side()) for side in (ours, theirs)]
        print(
            f"| {name}, {duration_s(recording):.0f} s, language {language or 'detected'} | {line} "
            f"{wrong[0]}, directly {wrong[1]} |",
            flush=True,
        )


def many_at_once(turns: Turns, rounds: int) -> None:
    """Print how long 16 short clips take, all at once and in a loop, for each second of audio."""
    short = recordings()["short"]
    with ThreadPoolExecutor(CLIENTS) as clients:

        def ours() -> None:
            list(clients.map(lambda _: ask(turns.server.url, short, "en"), range(CLIENTS)))

        def theirs() -> None:
            for _ in range(CLIENTS):
                turns.direct.hear(short, "en")

        line = turns.compare(ours, theirs, rounds=rounds, audio_s=CLIENTS * duration_s(short))
    print(f"| {CLIENTS} clips of {duration_s(short):.0f} s at once; directly, a loop | {line}", flush=True)


def without_an_end(turns: Turns, rounds: int) -> None:
    """Print how much longer a clip takes with a wrong language, when its text finds no end."""
    clip = recordings()["shorter"]
    pids = (turns.server.pid, *turns.server.workers())
    ratios = []
    for _ in range(rounds):
        right, wrong = (
            seconds(partial(ask, turns.server.url, clip, language), pids)[0] for language in ("en", "la")
        )
        ratios.append(wrong / right)
    print(
        f"\nEnglish declared as Latin, {duration_s(clip):.0f} s, takes {statistics.median(ratios):.1f} "
        f"times as long as declared as English ({min(ratios):.1f} to {max(ratios):.1f})"
    )


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    with tempfile.TemporaryDirectory() as home:
        folder = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True).resolve(WHISPER_BASE)
        with serving(Path(home), SPEECHHUB_OFFLINE="true", SPEECHHUB_QUEUE_LIMIT_S="900") as server:
            turns = Turns(server=server, direct=Direct(folder))
            one_at_a_time(turns, rounds)
            many_at_once(turns, max(3, rounds // 2))
            without_an_end(turns, max(3, rounds // 2))
    print(f"\nload {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
