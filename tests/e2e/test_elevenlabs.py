"""Text that is still being written, over ElevenLabs' WebSocket to a running server."""

import base64
import contextlib
import json

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from tests.e2e.server import until
from tests.fakes.humming import pauses_s

pytestmark = pytest.mark.unhurried

TEXT = "Here is the first. Here is **the second. And** this is the third, with 1,000 words!\n\nThe last one."
PATIENCE_S = 30
RATE = 24_000


@contextlib.contextmanager
def opened(server, route="stream-input"):
    url = server.url.replace("http://", "ws://")
    path = f"/v1/text-to-speech/alloy/{route}?output_format=pcm_{RATE}&model_id=eleven_flash_v2_5"
    with connect(url + path, max_size=None, proxy=None) as socket:
        yield socket


def say(socket, **message):
    socket.send(json.dumps(message))


def heard(socket):
    """Return the audio until the end, as float32."""
    audio = b""
    while True:
        message = json.loads(socket.recv(PATIENCE_S))
        assert "error" not in message, message
        audio += base64.b64decode(message["audio"] or "")
        if message["isFinal"]:
            return np.frombuffer(audio, "<i2").astype(np.float32) / 32767


def test_words_are_heard_before_the_text_ends(echo_server):
    """A writer who sends a word every 100 ms hears the first sentence while writing."""
    words = [*["The", "first", "sentence", "is", "short."], *(f"word{number}" for number in range(200))]
    with opened(echo_server) as socket:
        left = iter(words)
        message = {}
        while not message and (word := next(left, None)):
            say(socket, text=f"{word} ")
            with contextlib.suppress(TimeoutError):
                message = json.loads(socket.recv(0.1))

    assert message.get("audio")
    assert next(left, None), "there was more to write"


@pytest.mark.parametrize("length", [1, 7])
def test_the_speech_is_that_of_the_whole_text(echo_server, length):
    """However it is cut: as long, and with the same pauses, within 20 ms."""
    results = []
    for step in (len(TEXT), length):
        with opened(echo_server) as socket:
            for place in range(0, len(TEXT), step):
                say(socket, text=TEXT[place : place + step])
            say(socket, text="")
            results.append(heard(socket))
    whole, parts = results

    assert len(pauses_s(whole)) >= 3
    assert pauses_s(parts) == [pytest.approx(pause_s, abs=0.02) for pause_s in pauses_s(whole)]
    assert abs(len(whole) - len(parts)) <= 0.02 * RATE


def test_leaving_frees_the_engine(echo_server):
    """The connection ends in the middle of a long text, and the next request is served."""
    with opened(echo_server, "multi-stream-input") as socket:
        say(socket, text="Here is a sentence. " * 1000, context_id="a")
        socket.recv(PATIENCE_S)

    def has_ended():
        return [line for line in echo_server.logged("session") if "multi" in str(line.get("path"))]

    until(has_ended, "the session has ended")
    health = httpx.get(f"{echo_server.url}/health").json()
    assert not any(model["busy"] or model["waiting"] for model in health["models"])
    answer = httpx.post(
        f"{echo_server.url}/v1/text-to-speech/alloy", json={"text": "Hello."}, timeout=PATIENCE_S
    )
    assert answer.status_code == 200
