"""Measures how soon Piper's first audio arrives through HTTP, alternating with direct synthesis.

.venv/bin/python benchmarks/first_audio.py [rounds]
"""

import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from piper import PiperVoice

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from speechhub.store import ModelStore  # the path comes first
from speechhub_piper import JOE
from speechhub_piper.voice import find_voice
from tests.e2e.server import serving

ROUNDS = 60
REST_S = 0.1
TEXT = (
    "The old lighthouse stood on a rock far out in the bay. Every evening the keeper climbed the stairs to "
    "light the lamp. He could see the fishing boats come home one after another."
)
FORMATS = ("pcm", "mp3", "opus")


def through_http(url: str, audio_format: str) -> float:
    """Return the seconds from sending a request to the first byte of audio; read the audio to its end."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
    body = json.dumps({"model": JOE.id, "voice": "joe", "input": TEXT, "response_format": audio_format})
    began = time.perf_counter()
    connection.request("POST", "/v1/audio/speech", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    assert answer.read(1)
    first_s = time.perf_counter() - began
    assert answer.status == 200
    answer.read()
    connection.close()
    return first_s


def directly(voice: PiperVoice) -> float:
    """Return the seconds until piper has its first sentence; synthesize the others, too."""
    began = time.perf_counter()
    chunks = iter(voice.synthesize(TEXT))
    next(chunks)
    first_s = time.perf_counter() - began
    for _ in chunks:
        pass
    return first_s


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    with tempfile.TemporaryDirectory() as home:
        folder = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True).resolve(JOE)
        with serving(Path(home), SPEECHHUB_OFFLINE="true") as server:
            voice = PiperVoice.load(find_voice(folder)[0])
            print("| first audio, ms | through HTTP | directly | ratio, median | of the fastest quarter |")
            print("| --- | --- | --- | --- | --- |")
            for audio_format in FORMATS:
                through_http(server.url, audio_format), directly(voice)
                ours, theirs = [], []
                for _ in range(rounds):
                    time.sleep(REST_S)
                    ours.append(through_http(server.url, audio_format) * 1000)
                    time.sleep(REST_S)
                    theirs.append(directly(voice) * 1000)
                ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
                fastest = [
                    statistics.quantiles(side, n=4)[0] for side in (ours, theirs)
                ]  # the least disturbed
                spread = f"{statistics.median(ratios):.3f} | {fastest[0] / fastest[1]:.3f}"
                medians = f"{statistics.median(ours):.1f} | {statistics.median(theirs):.1f}"
                print(f"| {audio_format} | {medians} | {spread} |", flush=True)
    print(f"\nload {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
