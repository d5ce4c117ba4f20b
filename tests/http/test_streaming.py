"""Server-sent events, read by the official client."""

import base64
import json

import openai
import pytest

from speechhub.errors import EngineCrashedError, QueueFullError
from tests.http.test_speech import seconds


async def test_transcript_flows_as_deltas_then_done(client, clip):
    """The deltas join to the text of the last event, which also tells the usage."""
    stream = await client.audio.transcriptions.create(model="gpt-4o-transcribe", file=clip, stream=True)
    events = [event async for event in stream]

    assert [event.type for event in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert len(events) > 2
    done = events[-1]
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == done.text == "Good morning, dear world."
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens


async def test_stream_is_framed_as_openai_does(http, clip):
    """One data line for each event, no names, [DONE] at the end, never cached."""
    answer = await http.post("/v1/audio/transcriptions", data={"stream": "True"}, files={"file": clip})

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    frames = answer.text.split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(frame.removeprefix("data: "))["type"] for frame in frames[:-2])


async def test_refusal_before_the_stream_is_an_error_answer(client, runner, clip):
    """What can be refused is refused with a status, not with an event."""
    runner.error = QueueFullError("full", retry_after_s=2)

    with pytest.raises(openai.InternalServerError) as caught:
        await client.audio.transcriptions.create(model="whisper-1", file=clip, stream=True)

    assert caught.value.status_code == 503


@pytest.mark.scenario("transcript-fails")
async def test_failure_in_the_stream_is_an_error_event(client, runner, clip):
    """The client raises when the engine fails after the first words."""
    runner.error_after_first = EngineCrashedError("The engine died.")
    stream = await client.audio.transcriptions.create(model="whisper-1", file=clip, stream=True)

    with pytest.raises(openai.APIError, match="The engine died"):
        _ = [event async for event in stream]


@pytest.mark.mission("6.11")
@pytest.mark.parametrize("audio_format", ["mp3", "wav", "pcm"])
async def test_speech_events_join_to_one_file(http, audio_format):
    """The base64 pieces make one valid file; the last event tells the usage."""
    answer = await http.post(
        "/v1/audio/speech",
        json={"input": "Hello.", "response_format": audio_format, "stream_format": "sse"},
    )

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = [frame.removeprefix("data: ") for frame in answer.text.split("\n\n")]
    assert frames[-2:] == ["[DONE]", ""]
    events = [json.loads(frame) for frame in frames[:-2]]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    data = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert seconds(data, audio_format) == pytest.approx(1.5, abs=0.1)
    assert events[-1] == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 2, "output_tokens": 30, "total_tokens": 32},
    }


@pytest.mark.scenario("speech-fails")
async def test_failure_in_speech_events_is_an_error_event(http, runner):
    """A stream of events can say what went wrong, and does."""
    runner.error_after_first = EngineCrashedError("The engine died.")

    answer = await http.post("/v1/audio/speech", json={"input": "Hi.", "stream_format": "sse"})

    last = json.loads(answer.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["error"]["message"] == "The engine died."
    assert last["error"]["type"] == "server_error"
