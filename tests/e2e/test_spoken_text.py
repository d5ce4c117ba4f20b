"""Pauses of a text, measured as silence in what a real voice makes of it."""

import itertools

import httpx
import numpy as np
import pytest

from tests.e2e.server import serving

pytestmark = pytest.mark.unhurried

pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")

RATE = 24_000
QUIET = 0.01
"""Samples below are silence: the voice's breath is at most so loud."""


@pytest.fixture(scope="module")
def speak(tmp_path_factory):
    """Return the lengths of the pauses in a text's speech, in seconds; shorter ones than 0.1 s are none."""
    with serving(
        tmp_path_factory.mktemp("home"), SPEECHHUB_OFFLINE="true", SPEECHHUB_TTS_MODEL="piper-en-us-joe"
    ) as server:

        def speak(text, **fields):
            body = {"input": text, "response_format": "pcm", **fields}
            answer = httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=120)
            assert answer.status_code == 200, answer.text
            samples = np.frombuffer(answer.content, "<i2") / 32767
            sound = np.flatnonzero(np.abs(samples) > QUIET)
            gaps = [float(b - a) / RATE for a, b in itertools.pairwise(sound)]
            return [gap for gap in gaps if gap > 0.1]

        yield speak


@pytest.mark.parametrize(
    ("text", "shortest_s", "longest_s"),
    [
        ("Chapter One\n\nIt was a dark night", 0.55, 1.1),
        ("## Chapter One\nIt was a dark night", 0.55, 1.1),
        ("<h1>Chapter One</h1>It was a dark night", 0.55, 1.1),
        ("Chapter One\r\n\r\nIt was a dark night", 0.55, 1.1),
        ("I wonder… what she said", 0.15, 0.6),
        ("I wonder... what she said", 0.15, 0.6),
        ("He came. . . She left", 0.15, 0.8),
        ("- a big dog\n- one small house", 0.12, 0.6),
        ("It was green<break time='1s'/> and blue", 0.95, 1.1),
    ],
)
def test_a_pause_is_heard(speak, text, shortest_s, longest_s):
    """Where a person who reads it would make one, and as long a one."""
    assert shortest_s < max(speak(text)) < longest_s


def test_a_text_as_it_was_sent_has_the_engines_own_pauses(speak):
    """Piper makes none of an ellipsis."""
    assert speak("I wonder… what she said", text_normalization="none") == []


def test_pauses_are_as_long_at_another_speed(speak):
    """They are as the listener hears them."""
    text = "It was green<break time='800ms'/> and blue"

    assert max(speak(text, speed=0.5)) == pytest.approx(0.8, abs=0.15)
    assert max(speak(text, speed=2.0)) == pytest.approx(0.8, abs=0.15)


def test_wrapped_prose_has_no_pause_where_it_was_wrapped(speak):
    """A line that goes on is no end of one."""
    assert speak("It was a dark and rather cold and also long\nand stormy night") == []
