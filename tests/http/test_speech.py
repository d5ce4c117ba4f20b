"""POST /v1/audio/speech, with the official client."""

import asyncio
import io
import math
import wave

import av
import numpy as np
import openai
import pytest
import structlog

from speechhub.codecs.encode import SpeechFormat
from speechhub.engine import Audio
from speechhub.errors import EngineCrashedError, QueueFullError
from speechhub.services.speech_job import SpeechJob

FORMATS = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def seconds(data, audio_format):
    """Return how long *data* sounds."""
    if audio_format == "pcm":
        return len(data) / 2 / 24_000
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    return sum(frame.samples for frame in frames) / frames[0].sample_rate


@pytest.mark.mission("10.1")
@pytest.mark.parametrize("audio_format", FORMATS)
async def test_every_format_sounds_as_long_as_the_speech(client, audio_format):
    """Each format has its type, and decodes to the 1.5 s that the engine spoke."""
    answer = await client.audio.speech.with_raw_response.create(
        model="tts-1", voice="alloy", input="Hello.", response_format=audio_format
    )

    assert answer.headers["content-type"] == FORMATS[audio_format]
    assert seconds(answer.content, audio_format) == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("audio_format", FORMATS)
async def test_the_first_bytes_do_not_wait_for_a_whole_sentence(hub, runner, audio_format):
    """Of a long first piece, the beginning is encoded and sent before the rest."""
    runner.piece_s = 10.0

    stream = await hub.speech.open(SpeechJob(text="Hello.", format=SpeechFormat(audio_format), whole=False))
    pieces = [piece async for piece in stream]
    await stream.aclose()

    assert 0 < len(pieces[0]) < 0.05 * len(b"".join(pieces))
    assert seconds(b"".join(pieces), audio_format) == pytest.approx(30, abs=0.1)


@pytest.mark.mission("10.6")
@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("tts-1", "audio/mpeg"),
        ("tts-1-1106", "audio/mpeg"),
        ("tts-hd", "audio/mpeg"),
        ("mouth", "audio/wav"),
    ],
)
async def test_default_format(http, model, kind):
    """OpenAI's own model names mean mp3, as their clients expect; others mean the server's default."""
    answer = await http.post("/v1/audio/speech", json={"model": model, "voice": "anna", "input": "Hello."})

    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize(
    ("voice", "spoken"),
    [
        ("anna", "anna"),
        ("Bert", "bert"),
        ("boss", "bert"),
        ({"id": "bert"}, "bert"),
        (None, "anna"),
        ("alloy", "anna"),
        ("ash", "bert"),
        ("default", "anna"),
    ],
)
async def test_voices(http, runner, voice, spoken):
    """A voice is an id, a name, an alias, an object, nothing, or one of OpenAI's names."""
    answer = await http.post("/v1/audio/speech", json={"voice": voice, "input": "Hello."})

    assert answer.status_code == 200
    assert runner.requests[0][1].voice == spoken


@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("audio_format", FORMATS)
async def test_speech_has_the_sample_rate_that_was_asked_for(client, audio_format, rate):
    """As Groq's, Together's and speaches' clients ask for it; the tone stays where it was."""
    answer = await client.audio.speech.create(
        model="tts-1",
        voice="alloy",
        input="Hello.",
        response_format=audio_format,
        extra_body={"sample_rate": rate},
    )

    samples, told = decoded(answer.content, audio_format, rate)
    tone_hz = np.argmax(np.abs(np.fft.rfft(samples))) * told / len(samples)
    assert told == (48_000 if audio_format == "opus" else rate)  # Opus is always decoded at 48 kHz
    assert len(samples) / told == pytest.approx(1.5, abs=0.2)
    assert tone_hz == pytest.approx(0.1 * 16_000 / (2 * math.pi), rel=0.02)


def decoded(data, audio_format, rate):
    """Return the samples of speech, and the rate that its header tells."""
    if audio_format == "pcm":
        return np.frombuffer(data, "<i2") / 32768, rate
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(float), frames[0].sample_rate


@pytest.mark.parametrize("audio_format", ["wav", "pcm", "flac"])
@pytest.mark.parametrize("rate", [11_111, 47_999])
async def test_any_sample_rate_where_the_format_has_any(http, audio_format, rate):
    """Formats without a table of rates take all."""
    answer = await http.post(
        "/v1/audio/speech", json={"input": "Hello.", "response_format": audio_format, "sample_rate": rate}
    )

    samples, told = decoded(answer.content, audio_format, rate)
    assert (told, len(samples)) == (rate, pytest.approx(1.5 * rate, rel=0.001))


@pytest.mark.parametrize(
    ("audio_format", "rate", "said"),
    [
        ("wav", 7_999, "8000"),
        ("pcm", 48_001, "48000"),
        ("pcm", 0, "8000"),
        ("mp3", 10_000, "11025, 12000, 16000"),
        ("aac", 47_999, "44100, 48000"),
        ("opus", 44_100, "8000, 12000, 16000, 24000, 48000"),
        ("pcm", "16k", "a whole number from 8000 to 48000"),
        ("pcm", 16_000.5, "a whole number"),
    ],
)
async def test_other_sample_rates_are_refused(http, runner, audio_format, rate, said):
    """The message says which there are."""
    answer = await http.post(
        "/v1/audio/speech", json={"input": "Hello.", "response_format": audio_format, "sample_rate": rate}
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "sample_rate", "invalid_value")
    assert said in error["message"]
    assert not runner.requests


@pytest.mark.mission("10.7")
@pytest.mark.parametrize("speed", [0.5, 2.0])
async def test_speed_stretches_where_the_engine_has_none(client, runner, speed):
    """The core changes the pace of an engine that cannot, and the engine never hears of it."""
    answer = await client.audio.speech.create(
        model="tts-1", voice="alloy", input="Hello.", response_format="pcm", speed=speed
    )

    assert seconds(answer.content, "pcm") == pytest.approx(1.5 / speed, rel=0.1)
    assert runner.requests[0][1].speed == 1.0


@pytest.mark.mission("8.3", "10.3", "17.7")
@pytest.mark.scenario("bad-field")
@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"input": ""}, 400, "input", "missing_required_parameter"),
        ({"input": "  \n "}, 400, "input", "missing_required_parameter"),
        ({"input": "x" * 4097}, 400, "input", "invalid_value"),
        ({"input": 7}, 400, "input", "invalid_value"),
        ({"model": "nope"}, 404, "model", "model_not_found"),
        ({"model": "ears"}, 404, "model", "model_not_found"),
        ({"voice": "nobody"}, 400, "voice", "invalid_value"),
        ({"speed": 9}, 400, "speed", "invalid_value"),
        ({"speed": "fast"}, 400, "speed", "invalid_value"),
        ({"response_format": "midi"}, 400, "response_format", "invalid_value"),
    ],
)
async def test_bad_fields(http, runner, fields, status, param, code):
    """What cannot be spoken is refused, with the field's name, before the first byte."""
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello."} | fields

    answer = await http.post("/v1/audio/speech", json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert not runner.requests


@pytest.mark.mission("10.2")
@pytest.mark.scenario("broken-json")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"'])
async def test_bad_bodies(http, body):
    """What is not a JSON object is a 400 in OpenAI's shape."""
    answer = await http.post("/v1/audio/speech", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_unknown_fields_are_ignored_and_told(http):
    """Clients send more than the API knows: the answer names what has no effect, and the log no values."""
    fields = {"extra": {"deep": ["secret"]}, "lang_code": "secret", "unset": None, "not a name: secret": 1}

    with structlog.testing.capture_logs() as logged:
        answer = await http.post("/v1/audio/speech", json={"input": "Hello.", "speed": 1} | fields)
        plain = await http.post("/v1/audio/speech", json={"input": "Hello.", "speed": 1})

    (line,) = [it for it in logged if it["event"] == "fields ignored"]
    assert answer.status_code == 200
    assert answer.headers["x-ignored-fields"] == "extra, lang_code"
    assert (line["fields"], line["log_level"]) == (["extra", "lang_code"], "debug")
    assert "secret" not in repr(logged)
    assert "x-ignored-fields" not in plain.headers


@pytest.mark.mission("10.11")
async def test_failure_before_the_first_byte_is_an_error(client, runner):
    """An engine that fails at once is an error object, not broken audio."""
    runner.error = QueueFullError("full", retry_after_s=3)

    with pytest.raises(openai.InternalServerError) as caught:
        await client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")

    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"] == "3"


async def test_failure_after_the_first_byte_breaks_the_body(app, runner):
    """An engine that fails in the middle never looks like a complete answer."""
    runner.error_after_first = EngineCrashedError("crash")

    await expect_broken_body(app)


def piece(*samples, rate=16_000, dtype=np.float32):
    """Return 0.5 s of an engine's speech that ends with *samples*."""
    return Audio(samples=np.array([*[0.1] * (8000 - len(samples)), *samples], dtype), sample_rate=rate)


NOTHING = Audio(samples=np.empty(0, np.float32), sample_rate=16_000)
UNPLAYABLE = {
    "nan": piece(math.nan),
    "infinite": piece(math.inf, -math.inf),
    "no rate": piece(0.1, rate=0),
    "negative rate": piece(0.1, rate=-1),
    "float64": piece(0.1, dtype=np.float64),
    "stereo": Audio(samples=np.zeros((8000, 2), np.float32), sample_rate=16_000),
}


@pytest.mark.parametrize("before", [[], [NOTHING]], ids=["first", "after nothing"])
@pytest.mark.parametrize("unplayable", UNPLAYABLE.values(), ids=UNPLAYABLE)
@pytest.mark.parametrize("audio_format", ["wav", "mp3"])
async def test_unplayable_audio_is_an_error(client, runner, unplayable, before, audio_format):
    """What no player can play is the engine's failure, and not a byte of it leaves."""
    runner.pieces = [*before, unplayable]

    with pytest.raises(openai.InternalServerError) as caught:
        await client.audio.speech.create(
            model="tts-1", voice="alloy", input="Hello.", response_format=audio_format
        )

    assert (caught.value.status_code, caught.value.code) == (500, "engine_error")
    assert "'mouth'" in caught.value.message


@pytest.mark.parametrize("unplayable", [*UNPLAYABLE.values(), piece(rate=24_000)])
async def test_unplayable_audio_after_the_first_byte_breaks_the_body(app, runner, unplayable):
    """The listener can tell that something is missing."""
    runner.pieces = [piece(), unplayable, piece()]

    await expect_broken_body(app)


@pytest.mark.parametrize("audio_format", FORMATS)
@pytest.mark.parametrize("pieces", [[], [NOTHING], [NOTHING, NOTHING]], ids=len)
async def test_no_speech_at_all_is_an_error(client, runner, audio_format, pieces):
    """A file without sound would look like success."""
    runner.pieces = pieces

    with pytest.raises(openai.InternalServerError, match="no audio for this text") as caught:
        await client.audio.speech.create(
            model="tts-1", voice="alloy", input="Hello.", response_format=audio_format
        )

    assert caught.value.code == "engine_error"


@pytest.mark.parametrize("text", ["…", "?!", "\N{SLIGHTLY SMILING FACE}", "*** ---"])
@pytest.mark.parametrize("audio_format", FORMATS)
async def test_a_text_without_words_is_silence(client, runner, text, audio_format):
    """There is nothing to say, and that is no failure of the engine: a short silence in every format."""
    runner.pieces = [NOTHING]

    answer = await client.audio.speech.create(
        model="tts-1", voice="alloy", input=text, response_format=audio_format, speed=2.0
    )

    assert seconds(answer.content, audio_format) == pytest.approx(0.2, abs=0.1)


async def test_an_empty_piece_is_no_failure(client, runner):
    """Engines yield what they have, and sometimes that is nothing yet."""
    runner.pieces = [NOTHING, piece(), NOTHING, piece()]

    answer = await client.audio.speech.create(
        model="tts-1", voice="alloy", input="Hello.", response_format="pcm"
    )

    assert seconds(answer.content, "pcm") == pytest.approx(1.0)


async def expect_broken_body(app):
    """Ask for speech, and see that it begins well and does not end."""
    body = b'{"input": "Hello.", "response_format": "pcm"}'
    incoming = [{"type": "http.request", "body": body, "more_body": False}]
    sent = []

    async def receive():
        if not incoming:
            await asyncio.Event().wait()
        return incoming.pop()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/audio/speech",
        "raw_path": b"/v1/audio/speech",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("hub", 80),
        "client": ("c", 1),
        "root_path": "",
        "asgi": {"version": "3.0"},
    }
    with pytest.raises(Exception, match="after response started"):
        await app(scope, receive, send)

    assert sent[0]["status"] == 200
    assert any(message.get("body") for message in sent)
    assert all(message.get("more_body", True) for message in sent[1:])


# ── Speech as a whole ────────────────────────────────────────────────────────

LONG = "One sentence. Another sentence, which is longer. And a third one."


@pytest.mark.parametrize("audio_format", FORMATS)
@pytest.mark.parametrize("text", ["Hello.", LONG])
async def test_stream_false_waits_for_the_whole(http, audio_format, text):
    """It has a length as an answer, and as a file wherever the format can tell."""
    body = {"input": text, "response_format": audio_format}

    answer = await http.post("/v1/audio/speech", json=body | {"stream": False})
    streamed = await http.post("/v1/audio/speech", json=body | {"stream": True})

    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "content-length" not in streamed.headers
    length_s = seconds(answer.content, audio_format)
    assert length_s == pytest.approx(seconds(streamed.content, audio_format), abs=0.1)
    if audio_format == "wav":
        with wave.open(io.BytesIO(answer.content)) as file:
            assert file.getnframes() / file.getframerate() == length_s
    elif audio_format in ("mp3", "flac"):
        with av.open(io.BytesIO(answer.content)) as container:
            assert container.duration / 1e6 == pytest.approx(length_s, abs=0.03)


@pytest.mark.parametrize("audio_format", ["wav", "flac"])
async def test_short_speech_is_whole_by_itself(http, audio_format):
    """One sentence is there with its first audio."""
    answer = await http.post("/v1/audio/speech", json={"input": "Hello.", "response_format": audio_format})

    assert int(answer.headers["content-length"]) == len(answer.content)
    with av.open(io.BytesIO(answer.content)) as container:
        assert container.duration / 1e6 == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize(
    ("text", "audio_format"),
    [(LONG, "wav"), ("Long " * 50, "wav"), ("Hello.", "mp3"), ("Hello.", "opus"), ("Hello.", "pcm")],
)
async def test_what_would_take_time_streams(http, text, audio_format):
    """Several sentences, a long one, and formats that take their time."""
    answer = await http.post("/v1/audio/speech", json={"input": text, "response_format": audio_format})

    assert answer.status_code == 200
    assert "content-length" not in answer.headers


@pytest.mark.scenario("whole-speech-fails")
async def test_a_failure_of_a_whole_speech_has_a_status(http, runner):
    """Nothing has left, so that the answer does not break off."""
    runner.error_after_first = EngineCrashedError("mouth", "it crashed")

    answer = await http.post("/v1/audio/speech", json={"input": "Hello.", "stream": False})

    assert answer.status_code == 500
    assert answer.json()["error"]["message"]


async def test_events_are_a_stream(http):
    """To ask for both is a contradiction; true, and nothing, are none."""
    body = {"input": "Hello.", "stream_format": "sse", "response_format": "wav"}

    both = await http.post("/v1/audio/speech", json=body | {"stream": False})
    true = await http.post("/v1/audio/speech", json=body | {"stream": True})
    plain = await http.post("/v1/audio/speech", json=body)

    assert (both.status_code, both.json()["error"]["param"]) == (400, "stream")
    assert true.status_code == 200
    assert true.text == plain.text
    assert "content-length" not in plain.headers


async def test_silence_is_whole(http):
    """A text without words."""
    answer = await http.post("/v1/audio/speech", json={"input": "...", "response_format": "wav"})

    assert int(answer.headers["content-length"]) == len(answer.content)
    with wave.open(io.BytesIO(answer.content)) as file:
        assert len(file.readframes(file.getnframes())) == len(answer.content) - 44
