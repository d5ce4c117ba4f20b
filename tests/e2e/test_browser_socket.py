"""A browser's own WebSocket, with subprotocols and without a client's code, against real engines."""

import base64
import itertools
import json

import numpy as np
import openai
import pytest

from tests.e2e.browser import browsing
from tests.e2e.server import serving
from tests.e2e.test_round_trip import word_error_rate
from tests.fakes.babble import wav_of

pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")
pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")

KEY = "a-key-of-token-characters"
RATE = 24_000
SENTENCES = (
    "The old lighthouse stood on a rock far out in the bay.",
    "Every evening the keeper climbed the stairs to light the lamp.",
    "He could see the fishing boats come home one after another.",
)
SPEAK = """
    const [address, protocols, pcm, done] = arguments;
    const sound = Uint8Array.from(atob(pcm), (it) => it.charCodeAt(0));
    const socket = new WebSocket(address, protocols);
    const events = [];
    const send = (event) => socket.send(JSON.stringify(event));
    const PIECE_MS = 100, PIECE = 2 * 24 * PIECE_MS;
    let at = 0, began, committed = 0, over = 0, cleared = false;
    const step = () => {
        // A browser that is busy calls later: what is due by now is sent, as a microphone would.
        while (at < sound.length && at / PIECE * PIECE_MS <= performance.now() - began) {
            const piece = sound.slice(at, at += PIECE);
            send({ type: "input_audio_buffer.append", audio: btoa(String.fromCharCode(...piece)) });
        }
        if (at < sound.length) return setTimeout(step, PIECE_MS);
        send({ type: "input_audio_buffer.clear" });
    };
    socket.onmessage = ({ data }) => {
        const event = JSON.parse(data);
        events.push({ ...event, sent_ms: at / 48 });
        if (event.type === "session.created") {
            const transcription = { model: "whisper-1", language: "en" };
            const turn_detection = { type: "server_vad", silence_duration_ms: 500 };
            const session = { type: "transcription", audio: { input: { transcription, turn_detection } } };
            send({ type: "session.update", session });
        }
        if (event.type === "session.updated") { began = performance.now(); step(); }
        if (event.type === "input_audio_buffer.committed") committed += 1;
        if (/transcription\\.(completed|failed)$/.test(event.type)) over += 1;
        if (event.type === "input_audio_buffer.cleared") cleared = true;
        if (cleared && over === committed) socket.close(1000);
    };
    socket.onclose = ({ code, wasClean }) => done({ events, code, wasClean, protocol: socket.protocol });
"""
"""Says something in real time, and waits until all of it is heard."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Without noise the speech is the same each time, and so is what is heard.
    steady = {"piper": {"noise_scale": 0.0, "noise_w_scale": 0.0}}
    env = {"SPEECHHUB_ENGINES": json.dumps(steady), "SPEECHHUB_PRELOAD": "whisper-base"}
    env |= {"SPEECHHUB_OFFLINE": "true", "SPEECHHUB_API_KEYS": KEY}
    with serving(tmp_path_factory.mktemp("home"), **env) as made:
        yield made


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, timeout=120) as made:
        yield made


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        page.driver.set_script_timeout(120)
        yield page


@pytest.fixture(scope="module")
def sound(client):
    """The sentences, with a second of silence after each; int16, shape (n_samples,), at 24 kHz."""
    pause = np.zeros(RATE, "<i2")
    parts = [
        np.frombuffer(
            client.audio.speech.create(
                model="tts-1", voice="alloy", input=sentence, response_format="pcm"
            ).content,
            "<i2",
        )
        for sentence in SENTENCES
    ]
    return np.concatenate(list(itertools.chain.from_iterable((part, pause) for part in parts)))


def uploaded(client, sound, start_ms, end_ms):
    """Return the transcript of a part of the sound, sent as a file."""
    part = sound[round(start_ms * RATE / 1000) : round(end_ms * RATE / 1000)]
    return client.audio.transcriptions.create(
        model="whisper-1", language="en", file=("said.wav", wav_of(part / 32768, RATE))
    ).text


def spoken(browser, server, key, sound):
    """Say *sound* over a WebSocket of a page without a script; return how that ended."""
    browser.driver.get(f"{server.url}/health/live")
    return browser.driver.execute_async_script(
        SPEAK,
        f"{server.url.replace('http', 'ws')}/v1/realtime?intent=transcription",
        ["realtime", f"openai-insecure-api-key.{key}"],
        base64.b64encode(sound.tobytes()).decode(),
    )


def test_a_browsers_websocket_transcribes(browser, server, client, sound):
    """Three sentences in real time: events come while they are spoken, and texts as good as an upload's."""
    ended = spoken(browser, server, KEY, sound)

    events = ended.pop("events")
    times = {
        (event["item_id"], name): event[name]
        for event in events
        for name in ("audio_start_ms", "audio_end_ms")
        if name in event
    }
    texts = {
        event["item_id"]: event["transcript"]
        for event in events
        if event["type"] == "conversation.item.input_audio_transcription.completed"
    }
    sent = [
        uploaded(client, sound, times[item, "audio_start_ms"], times[item, "audio_end_ms"]) for item in texts
    ]
    said = " ".join(SENTENCES)
    assert ended == {"code": 1000, "wasClean": True, "protocol": "realtime"}
    assert not [event for event in events if event["type"] == "error" or event["type"].endswith("failed")]
    assert len(texts) == len(SENTENCES)
    assert word_error_rate(said, " ".join(texts.values())) <= word_error_rate(said, " ".join(sent)) + 0.01
    began = [event for event in events if event["type"] == "input_audio_buffer.speech_started"]
    assert began[0]["sent_ms"] < began[1]["audio_start_ms"]  # it was told before the next sentence was spoken
    assert KEY not in server.log_text()


@pytest.mark.parametrize("kind", ["secret", "wrong"])
def test_a_browser_shows_a_secret_or_learns_why_not(browser, server, client, kind):
    """A client secret opens a WebSocket as the key does; with a wrong one the browser sees the error."""
    made = client.realtime.client_secrets.create(session={"type": "transcription"}).value
    shown = made if kind == "secret" else f"{made}0"

    ended = spoken(browser, server, shown, np.zeros(0, "<i2"))

    types = [event["type"] for event in ended["events"]]
    if kind == "secret":
        assert types == ["session.created", "session.updated", "input_audio_buffer.cleared"]
        assert ended["code"] == 1000
    else:
        assert types == ["error"]
        assert ended["events"][0]["error"]["code"] == "invalid_api_key"
        assert (ended["code"], ended["wasClean"]) == (3000, True)
    assert made not in server.log_text()
