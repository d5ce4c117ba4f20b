"""Fifty texts as people send them, spoken by Piper and heard back by Whisper."""

import io
import re
import tomllib
import wave
from pathlib import Path

import httpx
import jiwer
import numpy as np
import pytest

from speechhub.speakable.wording import in_words
from tests.e2e.server import serving

pytestmark = pytest.mark.unhurried

pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")
pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")

TEXTS = tomllib.loads((Path(__file__).parents[1] / "texts" / "fifty.toml").read_text("utf-8"))["text"]
RATE = 24_000
WINDOW_S = 28.0
"""Whisper takes 30 s at a time, and as long for less."""
BETWEEN_S = 0.8
MOST_WRONG = 0.12
"""Of all words. Piper differs each time; of the texts as they were sent, a third would be wrong."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("home"), SPEECHHUB_OFFLINE="true") as made:
        yield made


def spoken(server, text, **fields):
    """Return the speech for *text*, as samples."""
    answer = httpx.post(
        f"{server.url}/v1/audio/speech",
        json={"model": "tts-1", "voice": "alloy", "input": text, "response_format": "pcm", **fields},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, np.int16)


def windows(clips):
    """Join clips, with silence between, into recordings that Whisper takes in one go."""
    gap, window = np.zeros(round(BETWEEN_S * RATE), np.int16), np.zeros(0, np.int16)
    for clip in clips:
        if len(window) and len(window) + len(clip) > WINDOW_S * RATE:
            yield window
            window = np.zeros(0, np.int16)
        window = np.concatenate([window, clip, gap])
    yield window


def heard(server, samples):
    """Return what Whisper hears."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        files={"file": ("a.wav", file.getvalue())},
        data={"model": "whisper-1", "language": "en"},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["text"]


def plainly(text):
    """Return words in small letters: Whisper writes ``$5.30``, whether it hears that or ``five dollars``."""
    return " ".join(re.findall("[a-z0-9']+", in_words(text, "en").lower().replace("-", " ")))


def test_what_people_send_is_heard_as_a_person_would_read_it(server):
    """Over all fifty, the words that are heard differ little from the right reading."""
    clips = [spoken(server, text["sent"]) for text in TEXTS]

    said = plainly("\n".join(text["heard"] for text in TEXTS))
    back = plainly("\n".join(heard(server, window) for window in windows(clips)))

    assert jiwer.wer(said, back) <= MOST_WRONG, jiwer.visualize_alignment(jiwer.process_words(said, back))
