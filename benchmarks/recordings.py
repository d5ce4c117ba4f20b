"""Measures how well speech is transcribed from every container and codec, and from damaged recordings.

.venv/bin/python benchmarks/recordings.py [--against PATH-OR-GIT-REF | --server URL] [--only WORDS]

A person's reading, from a wheel that clips.txt names, is converted to each format, and made late, damaged,
quiet or out of phase; Whisper base transcribes it. The table shows, for each recording: the word error rate,
how far the times of the first and the last word are from those in the clean WAV, how far the duration is from
the true one, and the CPU time for decoding, as a multiple of WAV at 44.1 kHz. Transcripts with wrong words
follow the table. ``--against`` does all of it twice, with the same files: a cell shows ``before → after``
where the two differ. ``--server`` uses a running server.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jiwer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.damages import CLEAN, Case, cases  # the path comes first
from benchmarks.load.engines import PLAIN
from tests.e2e.server import serving

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = 8
TIMES = 3
"""How often each file is decoded; the shortest time counts."""
DECODE = """
import io, json, pathlib, sys, time
from speechhub.codecs.decode import decode
from speechhub.errors import SpeechhubError
took = {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    data, times = path.read_bytes(), []
    for _ in range(int(sys.argv[2])):
        began = time.thread_time()
        try:
            decode(io.BytesIO(data), sample_rate=16_000, max_duration_s=600)
        except SpeechhubError:
            break
        times.append(time.thread_time() - began)
    took[path.name] = min(times, default=None)
print(json.dumps(took))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A server's transcript of one recording."""

    error: str = ""
    """The code of a refusal; the other fields are empty then."""
    text: str = ""
    first_s: float = 0.0
    last_s: float = 0.0
    """When the first and the last word begin; minus infinity if there are none."""
    duration_s: float = 0.0


def ask(client: httpx.Client, case: Case) -> Heard:
    """Have one recording transcribed, with word times."""
    fields = {"language": "en", "response_format": "verbose_json", "timestamp_granularities[]": "word"}
    answer = client.post("/v1/audio/transcriptions", data=fields, files={"file": ("a", case.data)})
    told: dict[str, Any] = answer.json()
    if answer.is_error:
        return Heard(error=f"{answer.status_code}")
    starts = [word["start"] for word in told["words"]] or [float("-inf")]
    return Heard(text=told["text"], first_s=starts[0], last_s=starts[-1], duration_s=told["duration"])


def hear(url: str, chosen: Sequence[Case]) -> dict[str, Heard]:
    """Return a server's transcripts by the names of the recordings; one request comes before the rest."""
    with httpx.Client(base_url=url, timeout=600) as client, ThreadPoolExecutor(CLIENTS) as clients:
        ask(client, chosen[0])
        return dict(
            zip((case.name for case in chosen), clients.map(partial(ask, client), chosen), strict=True)
        )


def wrong(case: Case, heard: Heard) -> float:
    """Return the word error rate of a transcript."""
    return float(jiwer.wer(case.said, heard.text, reference_transform=PLAIN, hypothesis_transform=PLAIN))


def cells(case: Case, all_heard: dict[str, Heard], took: dict[str, float | None]) -> list[str]:
    """Return the table's cells for one recording."""
    heard, first, last = (all_heard[made.name] for made in (case, CLEAN["rainbow"], CLEAN[case.last_clip]))
    if heard.error:
        return [heard.error, "", "", "", ""]
    if case is CLEAN["spoons"]:
        first = last
    decode, wav = took.get(case.name), took.get(CLEAN["rainbow"].name)
    return [
        f"{wrong(case, heard):.2f}",
        f"{heard.first_s - first.first_s - case.starts_s:+.2f}",
        f"{heard.last_s - last.last_s - case.last_starts_s:+.2f}",
        f"{heard.duration_s - case.duration_s:+.2f}",
        f"{decode / wav:.1f}" if decode and wav else "",
    ]


def decode_times(source: Path, chosen: Sequence[Case]) -> dict[str, float | None]:
    """Return the CPU time that a checkout takes to decode each recording, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(chosen):
            (Path(folder) / f"{number:03}").write_bytes(case.data)
        done = subprocess.run(
            [sys.executable, "-c", DECODE, folder, str(TIMES)],
            env=os.environ | {"PYTHONPATH": str(source / "src")},
            stdout=subprocess.PIPE,
            check=True,
        )
    took: dict[str, float | None] = json.loads(done.stdout)
    return {case.name: took[f"{number:03}"] for number, case in enumerate(chosen)}


def figures(source: Path | str, chosen: Sequence[Case]) -> tuple[list[list[str]], dict[str, Heard]]:
    """Return the cells and the transcripts for a checkout, or for the server at an address."""
    took: dict[str, float | None] = {}
    if isinstance(source, str):
        heard = hear(source, chosen)
    else:
        took = decode_times(source, chosen)
        plugin = source / "plugins" / "speechhub-whisper" / "src"
        env = {"PYTHONPATH": f"{source / 'src'}{os.pathsep}{plugin}", "SPEECHHUB_OFFLINE": "true"}
        with tempfile.TemporaryDirectory() as home, serving(Path(home), **env) as server:
            heard = hear(server.url, chosen)
    return [cells(case, heard, took) for case in chosen], heard


@contextmanager
def checkout(wanted: str) -> Iterator[Path]:
    """Yield the folder of another checkout; for a git reference, a temporary one."""
    if Path(wanted, "src").is_dir():
        yield Path(wanted).resolve()
        return
    git = ("git", "-C", str(ROOT), "worktree")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "checkout")
        subprocess.run([*git, "add", "--quiet", "--detach", path, wanted], check=True)
        try:
            yield Path(path)
        finally:
            subprocess.run([*git, "remove", "--force", path], check=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", help="another checkout, or a git reference, to compare with")
    parser.add_argument("--server", help="address of a server to use instead of one of this checkout")
    parser.add_argument("--only", nargs="*", default=[], help="words in the names of the recordings to use")
    options = parser.parse_args()
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    chosen = [
        *CLEAN.values(),
        *(made for made in cases() if not options.only or any(w in made.name for w in options.only)),
    ]
    rows, heard = figures(options.server or ROOT, chosen)
    if options.against:
        with checkout(options.against) as other:
            before, _ = figures(other, chosen)
        rows = [
            [
                new if old == new else f"{old or '?'} → {new or '?'}"
                for old, new in zip(olds, news, strict=True)
            ]
            for olds, news in zip(before, rows, strict=True)
        ]
    print("| recording | word error rate | first word, s | last word, s | duration, s | decoding ÷ WAV |")
    print("| --- " * 6 + "|")
    for case, row in zip(chosen, rows, strict=True):
        print(f"| {case.name} | {' | '.join(row)} |")
    for case in chosen:
        if not heard[case.name].error and wrong(case, heard[case.name]):
            print(f"\n{case.name}: {heard[case.name].text}")
    print(f"\nload {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
