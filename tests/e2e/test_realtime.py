"""The Realtime API of a real server, through openai-python's own connection, and with real speech."""

import asyncio
import base64
import io
import json
import wave

import httpx
import numpy as np
import openai
import pytest
import websockets

from tests.e2e.conftest import ECHO
from tests.e2e.server import serving
from tests.e2e.test_round_trip import word_error_rate
from tests.fakes.babble import talk
from tests.fakes.realtime import checked, pcm16

RATE = 24_000
PATIENCE_S = 60.0
SENTENCES = (
    "The quick brown fox jumps over the lazy dog while the sun is shining.",
    "I would like to order a large cup of coffee with milk and sugar, please.",
)
COMPLETED = "conversation.item.input_audio_transcription.completed"


class Live:
    """A connection of the official client; each event is validated strictly, too."""

    def __init__(self, connection):
        self.connection = connection
        self.seen = []

    async def receive(self):
        async with asyncio.timeout(PATIENCE_S):
            data = await self.connection.recv_bytes()
        checked(data)
        event = self.connection.parse_event(data)
        assert event.type != "error", event
        self.seen.append(event)
        return event

    async def until(self, kind):
        while (event := await self.receive()).type != kind:
            pass
        return event

    async def append(self, samples):
        """Send samples in pieces of 100 ms, as a microphone does, but faster."""
        data = pcm16(samples).tobytes()
        for start in range(0, len(data), RATE // 5):
            piece = base64.b64encode(data[start : start + RATE // 5]).decode()
            await self.connection.input_audio_buffer.append(audio=piece)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("home"), SPEECHHUB_API_KEYS="right,other", **ECHO) as made:
        yield made


@pytest.fixture
async def client(server):
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="right", max_retries=0) as made:
        yield made


def transcribing(client):
    return client.realtime.connect(extra_query={"intent": "transcription"})


async def test_server_vad_finds_two_utterances(client):
    """Events come in OpenAI's order, and the second item follows the first."""
    async with transcribing(client) as connection:
        live = Live(connection)
        await live.until("session.created")
        await live.append(talk(0, 0.5, 1.5, 1.0, 1.5, 1.0, rate=RATE))
        first, second = await live.until(COMPLETED), await live.until(COMPLETED)

    added = {event.item.id: event for event in live.seen if event.type == "conversation.item.added"}
    assert first.transcript
    assert second.transcript
    assert added[second.item_id].previous_item_id == first.item_id
    assert [event.type for event in live.seen if getattr(event, "item_id", None) == first.item_id][:3] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]


async def test_semantic_vad_then_commit_and_clear(client):
    """So does openai-agents: the last words come out by a commit, and then a clear."""
    turns = {"type": "semantic_vad"}
    async with transcribing(client) as connection:
        live = Live(connection)
        await live.until("session.created")
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {"turn_detection": turns}}}
        )
        updated = await live.until("session.updated")
        await live.append(talk(0, 0.5, 1.5, rate=RATE))
        await connection.input_audio_buffer.commit(event_id="at_the_end")
        await connection.input_audio_buffer.clear()
        await live.until("input_audio_buffer.cleared")
        if not any(event.type == COMPLETED for event in live.seen):
            await live.until(COMPLETED)

    assert updated.session.audio.input.turn_detection.eagerness == "auto"


async def test_commits_by_hand(client):
    """Without turn detection the client says what an utterance is."""
    async with transcribing(client) as connection:
        live = Live(connection)
        await live.until("session.created")
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "turn_detection": None,
                        "transcription": {"model": "echo-stt", "language": "en"},
                    }
                },
            }
        )
        await live.until("session.updated")
        await live.append(talk(1.0, rate=RATE))
        await connection.input_audio_buffer.commit()
        done = await live.until(COMPLETED)

    assert done.transcript
    assert done.usage.seconds == pytest.approx(1.0, abs=0.05)
    assert done.languages[0].code == "en"


async def test_speech_out(client):
    """A text is spoken word for word, as the same text is by POST /v1/audio/speech."""
    async with client.realtime.connect(model="gpt-realtime") as connection:
        live = Live(connection)
        await live.until("session.created")
        await connection.response.create(response={"conversation": "none", "input": [said(SENTENCES[0])]})
        done = await live.until("response.done")

    sound = b"".join(
        base64.b64decode(event.delta) for event in live.seen if event.type == "response.output_audio.delta"
    )
    upload = await client.audio.speech.create(
        input=SENTENCES[0], model="tts-1", voice="alloy", response_format="pcm"
    )
    assert done.response.status == "completed"
    assert done.response.output[0].content[0].transcript == SENTENCES[0]
    assert abs(len(sound) - len(upload.content)) < RATE * 2 * 0.02


async def test_a_cancelled_response_is_silent(client):
    """After `response.cancel` no sound comes, and the next response can begin."""
    async with client.realtime.connect(model="gpt-realtime") as connection:
        live = Live(connection)
        await live.until("session.created")
        await connection.response.create(response={"input": [said(" ".join(SENTENCES * 20))]})
        await live.until("response.output_audio.delta")
        await connection.response.cancel()
        cancelled = await live.until("response.done")
        after = len(live.seen)
        await connection.response.create(response={"input": [said("Yes.")]})
        await live.until("response.created")
        completed = await live.until("response.done")

    assert cancelled.response.status == "cancelled"
    assert cancelled.response.status_details.reason == "client_cancelled"
    assert live.seen[after].type == "response.created"
    assert completed.response.status == "completed"


async def test_who_speaks_interrupts(client):
    """A person who begins to speak ends the response."""
    async with client.realtime.connect(model="gpt-realtime") as connection:
        live = Live(connection)
        await live.until("session.created")
        await connection.response.create(response={"input": [said(" ".join(SENTENCES * 20))]})
        await live.until("response.output_audio.delta")
        await live.append(talk(0, 0.5, 1.0, rate=RATE))
        await live.until("input_audio_buffer.speech_started")
        done = await live.until("response.done")

    assert done.response.status == "cancelled"
    assert done.response.status_details.reason == "turn_detected"


async def test_a_wrong_key_is_told_before_the_close(server):
    """The client learns why: an error, then 3000."""
    async with (
        openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0) as stranger,
        transcribing(stranger) as connection,
    ):
        event = checked(await connection.recv_bytes())
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await connection.recv_bytes()

    assert event["error"]["code"] == "invalid_api_key"
    assert closed.value.rcvd.code == 3000
    assert closed.value.rcvd.reason == "invalid_request_error.invalid_api_key"


async def test_a_client_secret_opens_its_session(server, client):
    """A page gets a key whose session is set already, and which opens nothing else."""
    made = await client.realtime.client_secrets.create(
        session={"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    )
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=made.value, max_retries=0) as page:
        async with page.realtime.connect(model="gpt-realtime") as connection:
            created = await Live(connection).until("session.created")
        with pytest.raises(openai.AuthenticationError):
            await page.models.list()

    assert created.session.type == "transcription"
    assert created.session.audio.input.turn_detection is None


def said(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


# ── Real speech ──────────────────────────────────────────────────────────────


def spoken(server):
    """Return the sentences in Piper's voice, with a second of silence after each; float32 at 24 kHz."""
    pause = np.zeros(RATE, np.float32)
    parts = [pause]
    with httpx.Client(base_url=server.url, timeout=120) as http:
        for sentence in SENTENCES:
            body = {"input": sentence, "response_format": "wav"}
            speech = http.post("/v1/audio/speech", json=body).raise_for_status().content
            with wave.open(io.BytesIO(speech)) as file:
                frames = file.readframes(file.getnframes())
            parts += [np.frombuffer(frames, "<i2").astype(np.float32) / 32768, pause]
    return np.concatenate(parts)


async def test_real_speech_is_heard_sentence_by_sentence(tmp_path):
    """Whisper hears what Piper says, an item for each sentence, and the deltas begin as the text does."""
    pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")
    pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")
    # Without noise the speech is the same each time, and so is what is heard.
    steady = {"piper": {"noise_scale": 0.0, "noise_w_scale": 0.0}}
    with serving(tmp_path, SPEECHHUB_OFFLINE="true", SPEECHHUB_ENGINES=json.dumps(steady)) as server:
        speech = await asyncio.to_thread(spoken, server)
        async with (
            openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client,
            transcribing(client) as connection,
        ):
            live = Live(connection)
            await live.until("session.created")
            turns = {"type": "server_vad", "silence_duration_ms": 600}
            await connection.session.update(
                session={"type": "transcription", "audio": {"input": {"turn_detection": turns}}}
            )
            await live.append(speech)
            heard = [await live.until(COMPLETED) for _ in SENTENCES]

    for sentence, event in zip(SENTENCES, heard, strict=True):
        assert word_error_rate(sentence, event.transcript) <= 0.1
