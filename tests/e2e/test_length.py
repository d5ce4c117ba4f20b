"""Length of a real voice's speech: the same for a text that comes in parts as for one that is sent whole."""

import base64
import json
import time

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from tests.e2e.server import serving
from tests.fakes.humming import pauses_s

pytestmark = pytest.mark.unhurried

pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")

RATE = 24_000
PATIENCE_S = 120
MODEL = "piper-en-us-joe"
WITHOUT_CHANCE = json.dumps({"piper": {"noise_scale": 0, "noise_w_scale": 0}})
THREE = "The fox jumps over the lazy dog. It was a sunny day, and all was well. Where is the nearest station?"
TEXTS = {
    "three": THREE,
    "questions": "Are you sure? I am not. Come along!",
    "paragraphs": "The first day was cold. It rained.\n\nThe second day was warm. It did not rain.",
    "markup": "# A title\n\nThis is **bold. And** this is more. Here are 1,000 words!",
    "break": "It was green.<break time='1s'/> And it was blue. That is the end.",
    "quotations": "“Come in.” She opened the door. “Thank you,” he said. He sat down.",
    "without words": "Hello there. ??? Good bye.",
    "Chinese": "今天天气很好。我们去公园吧！你来吗？",
    "long": "This is a sentence of a text that is long. It is spoken in parts, as you can hear! " * 13,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose voice speaks a sentence in the same way each time."""
    with serving(
        tmp_path_factory.mktemp("home"),
        SPEECHHUB_OFFLINE="true",
        SPEECHHUB_TTS_MODEL=MODEL,
        SPEECHHUB_ENGINES=WITHOUT_CHANCE,
    ) as server:
        yield server


def speech(data):
    return np.frombuffer(data, "<i2").astype(np.float32) / 32767


def sent_whole(server, text):
    body = {"model": MODEL, "input": text, "response_format": "pcm"}
    answer = httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return speech(answer.content)


def written(server, parts, wait_s=0.0):
    path = f"/v1/text-to-speech/alloy/stream-input?output_format=pcm_{RATE}&model_id={MODEL}"
    audio = b""
    with connect(server.url.replace("http://", "ws://") + path, max_size=None, proxy=None) as socket:
        for place, part in enumerate(parts):
            time.sleep(wait_s if place else 0)
            socket.send(json.dumps({"text": part}))
        time.sleep(wait_s)
        socket.send(json.dumps({"text": ""}))
        while True:
            message = json.loads(socket.recv(PATIENCE_S))
            assert "error" not in message, message
            audio += base64.b64decode(message["audio"] or "")
            if message["isFinal"]:
                return speech(audio)


def assert_same_length(parts, whole):
    assert pauses_s(parts) == [pytest.approx(pause_s, abs=0.02) for pause_s in pauses_s(whole)]
    assert abs(len(parts) - len(whole)) <= 0.02 * RATE


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_in_parts_lasts_as_long_as_the_whole(server, text):
    """Written at once, and word by word."""
    whole = sent_whole(server, text)

    for parts in ([text], [f"{word} " for word in text.split(" ")]):
        assert_same_length(written(server, parts), whole)


def test_the_length_does_not_depend_on_when_sentences_come(server):
    """Each is written when the one before has been spoken."""
    first, second, third = THREE.split(". ")

    late = written(server, [f"{first}. ", f"{second}. ", third], wait_s=1.2)

    assert_same_length(late, sent_whole(server, THREE))
