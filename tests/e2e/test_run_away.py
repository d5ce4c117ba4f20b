"""A text of the real Whisper's that finds no end, and a client that leaves meanwhile."""

import json
import threading
from pathlib import Path

import pytest

from tests.e2e.server import serving
from tests.fuzz.exchange import exchange
from tests.fuzz.leaving import begin, is_idle, promptly, since_leaving, transcription

pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")

MODEL = "whisper-base"
CLIPS = Path(__file__).parents[2] / "plugins" / "speechhub-whisper" / "tests" / "clips"
MOMENTS_S = (0.0, 1.0)
"""When the client leaves: as the work begins, and while Whisper writes on and on."""


@pytest.mark.invariant("bounded-decoding")
def test_a_client_that_leaves_costs_no_worker(tmp_path):
    """Seven seconds of English, said to be Latin, have no end; the worker gives up and serves the next."""
    clip = (CLIPS / "en.ogg").read_bytes()
    right = transcription(clip, model=MODEL, language="en")
    wrong = transcription(clip, model=MODEL, language="la")
    with serving(tmp_path, SPEECHHUB_OFFLINE="true") as server:
        assert "lighthouse" in heard(server, right)
        workers = sorted(server.workers())

        for moment_s in MOMENTS_S:

            def attempt(moment_s=moment_s):
                connection = begin(server, MODEL, wrong)
                threading.Event().wait(moment_s)
                return since_leaving(connection, lambda: is_idle(server), "the engine is free")

            promptly(attempt)

        assert "lighthouse" in heard(server, right)
        assert sorted(server.workers()) == workers
        assert not server.logged("engine did not stop a cancelled call; killing it")


def heard(server, request):
    answer = exchange(server.url, request)
    assert answer.status == 200
    return json.loads(answer.body)["text"]
