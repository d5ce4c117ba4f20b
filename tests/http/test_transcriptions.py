"""POST /v1/audio/transcriptions and translations, with the official client."""

import json

import openai
import pytest
import srt
import webvtt

from speechhub.engine import Task
from speechhub.errors import (
    EngineCrashedError,
    EngineOutOfMemoryError,
    ModelFilesError,
    QueueFullError,
)
from tests.http.conftest import wav


@pytest.mark.mission("9.2", "9.3")
async def test_json_is_the_default(client, clip):
    """The plain answer has the text and its length in whole seconds, rounded up."""
    answer = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", clip))

    assert answer.text == "Good morning, dear world."
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 1)


@pytest.mark.parametrize("route", ["transcriptions", "translations"])
async def test_a_path_in_place_of_a_recording(http, route):
    """What curl sends without its @ is told from a damaged recording, and not quoted."""
    answer = await http.post(f"/v1/audio/{route}", files={"file": (None, "my secret/öffentlich.mp3")})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_value", "file")
    assert error["message"].endswith("-F file=@speech.mp3")
    assert "secret" not in error["message"]


@pytest.mark.mission("5.10", "8.4")
async def test_verbose_json_has_every_field(client, clip):
    """Segments carry all ten fields; language is a name; duration a number."""
    answer = await client.audio.transcriptions.create(
        model="whisper-1", file=clip, response_format="verbose_json"
    )

    assert (answer.task if hasattr(answer, "task") else "transcribe") == "transcribe"
    assert (answer.language, answer.duration) == ("english", 1.0)
    [segment] = answer.segments
    assert segment.model_dump() == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 1.0,
        "text": " Good morning, dear world.",
        "tokens": [1, 2, 3],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
    }
    assert answer.words is None


@pytest.mark.mission("9.8")
@pytest.mark.parametrize(
    ("granularities", "segments", "words"),
    [(["word"], False, True), (["segment"], True, False), (["word", "segment"], True, True)],
)
async def test_granularities_choose_what_is_told(client, clip, granularities, segments, words):
    """Word times come alone or beside segments; words are bare and grow in time."""
    answer = await client.audio.transcriptions.create(
        model="whisper-1",
        file=clip,
        response_format="verbose_json",
        timestamp_granularities=granularities,
    )

    assert (answer.segments is not None, answer.words is not None) == (segments, words)
    if words:
        assert [word.word for word in answer.words] == ["Good", "morning", "dear", "world"]
        times = [t for word in answer.words for t in (word.start, word.end)]
        assert times == sorted(times)


@pytest.mark.mission("9.7")
async def test_text_ends_with_a_newline(http, clip):
    """The text format is plain text, not JSON."""
    answer = await http.post(
        "/v1/audio/transcriptions", data={"response_format": "text"}, files={"file": clip}
    )

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "Good morning, dear world.\n"


@pytest.mark.mission("5.10", "9.7", "15.6")
@pytest.mark.parametrize("response_format", ["srt", "vtt"])
async def test_subtitles_parse(client, clip, response_format):
    """Subtitles are plain text that a subtitle library reads back."""
    text = await client.audio.transcriptions.create(
        model="whisper-1", file=clip, response_format=response_format
    )

    if response_format == "srt":
        assert " ".join(cue.content.strip() for cue in srt.parse(text)) == "Good morning, dear world."
    else:
        assert " ".join(cue.text for cue in webvtt.from_string(text)) == "Good morning, dear world."


@pytest.mark.mission("9.9")
async def test_options_reach_the_engine(client, runner, clip):
    """Prompt, temperature, keywords and language arrive as the engine API says them."""
    await client.audio.transcriptions.create(
        model="my-ears",
        file=clip,
        language="en-US",
        prompt="Names: Ada",
        temperature=0.5,
        extra_body={"keywords": ["Ada", "Bob"]},
    )

    [(model, request)] = runner.requests
    assert model == "ears"
    assert (request.language, request.prompt, request.temperature) == ("en", "Names: Ada", 0.5)
    assert request.hotwords == ("Ada", "Bob")
    assert request.audio.sample_rate == 16_000


async def test_hints_that_an_engine_cannot_use_are_dropped(client, runner, clip):
    """A prompt is a hint: an engine without prompts gets none, and the request works."""
    await client.audio.transcriptions.create(model="bare-ears", file=clip, prompt="x", temperature=0.3)

    [(_, request)] = runner.requests
    assert (request.prompt, request.temperature) == (None, None)


async def test_translation(client, runner, clip):
    """The translations route asks for English, and says so."""
    with pytest.warns(DeprecationWarning, match="deprecated"):
        answer = await client.audio.translations.create(
            model="whisper-1", file=clip, response_format="verbose_json"
        )

    assert runner.requests[0][1].task is Task.TRANSLATE
    assert answer.text == "Good morning, dear world."


@pytest.mark.mission("9.6")
@pytest.mark.parametrize("language", ["", "auto", "null"])
async def test_no_language_means_detect(http, runner, clip, language):
    """Empty, auto and null are what clients send for unknown."""
    await http.post("/v1/audio/transcriptions", data={"language": language}, files={"file": clip})

    assert runner.requests[0][1].language is None


@pytest.mark.mission("8.2")
@pytest.mark.scenario("bad-field")
@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"model": "nope"}, 404, "model", "model_not_found"),
        ({"model": "mouth"}, 404, "model", "model_not_found"),
        ({"response_format": "docx"}, 400, "response_format", "invalid_value"),
        ({"temperature": "7"}, 400, "temperature", "invalid_value"),
        ({"temperature": "hot"}, 400, "temperature", "invalid_value"),
        ({"language": "klingon"}, 400, "language", "invalid_language_format"),
        ({"language": "fr"}, 400, "language", "invalid_value"),
        ({"timestamp_granularities[]": "word"}, 400, "timestamp_granularities", "invalid_value"),
        (
            {"timestamp_granularities[]": "letter", "response_format": "verbose_json"},
            400,
            "timestamp_granularities",
            "invalid_value",
        ),
        ({"model": "bare-ears", "response_format": "srt"}, 400, "response_format", "unsupported_value"),
    ],
)
async def test_bad_fields(http, runner, clip, fields, status, param, code):
    """A wrong field is OpenAI's error object with its name, before any engine is asked."""
    answer = await http.post("/v1/audio/transcriptions", data=fields, files={"file": clip})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert not runner.requests


@pytest.mark.mission("5.11")
@pytest.mark.scenario("foreign-format")
@pytest.mark.parametrize(
    ("name", "contents", "status"),
    [
        ("empty.wav", b"", 400),
        ("text.mp3", b"This is not audio at all. " * 50, 400),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:1/a.mp3\nfile:///etc/passwd\n", 400),
        ("short.wav", wav(0.05), 400),
        ("long.wav", wav(30, rate=4_000), 400),
        ("huge.wav", b"RIFF" + bytes(400_000), 413),
    ],
)
async def test_bad_files(http, runner, name, contents, status):
    """What is not usable audio is refused in words, whatever its name says."""
    answer = await http.post("/v1/audio/transcriptions", files={"file": (name, contents)})

    error = answer.json()["error"]
    assert answer.status_code == status
    assert error["message"]
    assert error["param"] == "file"
    assert not runner.requests


@pytest.mark.scenario("no-file")
async def test_no_file(http):
    """A form without a recording names the field."""
    answer = await http.post("/v1/audio/transcriptions", files={"other": b"x"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


@pytest.mark.scenario("not-a-form")
@pytest.mark.parametrize(
    ("content_type", "status"), [("application/octet-stream", 415), ("multipart/form-data; boundary=x", 400)]
)
async def test_not_a_form(http, content_type, status):
    """Another body, or a broken form, is refused."""
    answer = await http.post(
        "/v1/audio/transcriptions", content=b"{}", headers={"content-type": content_type}
    )

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.mission("9.4")
async def test_file_part_without_name_or_type(http, clip):
    """The Java and Ruby SDKs send the file without filename and type; the field's name is enough."""
    body = b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\n' + clip + b"\r\n--b--\r\n"

    answer = await http.post(
        "/v1/audio/transcriptions",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )

    assert answer.status_code == 200


@pytest.mark.mission("9.12")
@pytest.mark.parametrize(
    ("error", "status", "kind", "headers"),
    [
        (QueueFullError("full", retry_after_s=7), 503, "server_error", {"retry-after": "7"}),
        (EngineCrashedError("crash"), 500, "server_error", {"x-should-retry": "false"}),
        (EngineOutOfMemoryError("oom"), 500, "server_error", {"x-should-retry": "false"}),
        (ModelFilesError("files"), 503, "server_error", {"x-should-retry": "false"}),
    ],
)
async def test_errors_of_engines(http, runner, clip, error, status, kind, headers):
    """An engine's failure has the right status, and tells SDKs whether to try again."""
    runner.error = error

    answer = await http.post("/v1/audio/transcriptions", files={"file": clip})

    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert headers.items() <= dict(answer.headers).items()


@pytest.mark.scenario("bug")
async def test_a_bug_leaks_nothing(http, runner, clip):
    """An unexpected exception is a 500 without its text."""
    runner.error = KeyError("secret words")

    answer = await http.post("/v1/audio/transcriptions", files={"file": clip})

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["type"] == "server_error"


@pytest.mark.mission("8.5")
async def test_the_clients_exceptions_are_the_right_ones(client, clip):
    """The official client raises the class and carries code, param and request id."""
    with pytest.raises(openai.NotFoundError) as caught:
        await client.audio.transcriptions.create(model="nope", file=clip)

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert caught.value.request_id.startswith("req_")


async def test_every_answer_has_its_headers(http, clip):
    """Request id, time and version are on every answer; a client's own id is kept."""
    good = await http.post(
        "/v1/audio/transcriptions", files={"file": clip}, headers={"x-request-id": "mine-1"}
    )
    bad = await http.get("/v1/nothing")

    assert good.headers["x-request-id"] == "mine-1"
    assert int(good.headers["openai-processing-ms"]) >= 0
    assert bad.headers["x-request-id"].startswith("req_")
    assert json.loads(bad.text)["error"]["message"].startswith("Invalid URL (GET /v1/nothing).")


@pytest.mark.parametrize("route", ["transcriptions", "translations"])
@pytest.mark.parametrize("response_format", ["json", "verbose_json"])
async def test_groq_s_clients_find_the_id_of_their_request(http, clip, route, response_format):
    """Vercel's provider for Groq refuses an answer without it; on OpenAI's paths it would be too much."""
    sent = {"files": {"file": clip}, "data": {"response_format": response_format}}

    groq = await http.post(f"/openai/v1/audio/{route}", **sent)
    azure = await http.post(f"/openai/deployments/whisper-1/audio/{route}", **sent)
    plain = await http.post(f"/v1/audio/{route}", **sent)

    assert groq.json()["x_groq"] == {"id": groq.headers["x-request-id"]}
    assert "x_groq" not in azure.json()
    assert plain.json().keys() == groq.json().keys() - {"x_groq"}


async def test_fields_of_a_form_that_have_no_effect_are_told(http, clip):
    """By name, in a header; those that this server reads are not among them."""
    fields = {"url": "secret", "vad_filter": "false", "empty": "", "chunking_strategy[type]": "server_vad"}

    answer = await http.post("/v1/audio/transcriptions", files={"file": clip}, data=fields)

    assert answer.status_code == 200
    assert answer.headers["x-ignored-fields"] == "url, vad_filter"
