"""What the clients' own tests leave out, over a real socket: speech, events, deletion, the description.

The tests of openai-python and openai-node themselves are run by scripts/check_openai_python.py and
scripts/check_openai_node.py, generated requests by scripts/check_schemathesis.py.
"""

import io
import json
import re
import wave

import msgspec
import openai
import pytest
import yaml

from speechhub.http.schemas import asr as asr_schemas
from speechhub.http.schemas import audio as schemas
from speechhub.http.schemas import elevenlabs as elevenlabs_schemas
from speechhub.http.schemas import models as model_schemas
from speechhub.http.schemas import realtime as realtime_schemas
from speechhub.http.schemas import voices as voice_schemas
from tests.http.conftest import wav

pytestmark = pytest.mark.unhurried

CLIP = wav(2.0)
FORM = "/v1/audio/transcriptions"
SPEECH = {"model": "tts-1", "input": "One two three.", "voice": "alloy"}


@pytest.fixture(scope="module")
def description(echo_server):
    with openai.OpenAI(base_url=echo_server.url, api_key="any") as client:
        return client.get("/schema/openapi.json", cast_to=object)


@pytest.fixture
def client(echo_server):
    with openai.OpenAI(base_url=f"{echo_server.url}/v1", api_key="any", max_retries=0) as made:
        yield made


def walk(node, path=""):
    """Yield every object of a document with its place."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from walk(value, f"{path}/{key.replace('/', '~1')}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from walk(value, f"{path}/{number}")


def operations(description):
    return {
        (method.upper(), path): operation
        for path, item in description["paths"].items()
        for method, operation in item.items()
    }


# ── The description ──────────────────────────────────────────────────────────


def test_the_description_is_served_without_pages_from_elsewhere(http, description):
    """It is there as JSON and as YAML; nothing that is served loads a script."""
    as_yaml = http.get("/schema/openapi.yaml")

    assert yaml.safe_load(as_yaml.text) == description
    assert "&id" not in as_yaml.text
    assert json.loads(http.get("/schema").text) == description
    for page in ("swagger", "redoc", "rapidoc", "elements"):
        assert http.get(f"/schema/{page}").status_code == 404


def test_every_operation_is_described(description):
    """Each has a summary, a description, one tag, and its errors as OpenAI's object, or ElevenLabs'."""
    assert description["openapi"].startswith("3.1")
    ids = [operation["operationId"] for operation in operations(description).values()]
    assert len(ids) == len(set(ids))
    for (method, path), operation in operations(description).items():
        assert operation["summary"], path
        assert operation["description"], path
        assert len(operation["tags"]) == 1, path
        if path.startswith("/v1"):
            assert "401" in operation["responses"], path
        for status, response in operation["responses"].items():
            if status >= "400":
                theirs = "ElevenLabs" if operation["tags"] == ["ElevenLabs' API"] else ""
                assert response == {"$ref": f"#/components/responses/{theirs}{status}"}, (method, path)
    ours, theirs = ({"$ref": f"#/components/schemas/{name}"} for name in ("ErrorBody", "ElevenLabsError"))
    for name, response in description["components"]["responses"].items():
        expected = {"anyOf": [theirs, ours]} if name.startswith("ElevenLabs") else ours
        assert response["content"]["application/json"]["schema"] == expected


def test_a_value_that_is_no_text_is_described(http, description):
    """Wherever a path or a query may hold one."""
    for (method, path), operation in operations(description).items():
        if not operation.get("parameters"):
            continue
        assert "400" in operation["responses"], (method, path)
        if method == "GET":
            answer = http.get(re.sub(r"{\w+}", "%00", path), params={"model": "\0", "model_id": "\0"})
            assert answer.status_code == 400, (method, path)


def test_references_lead_somewhere(description):
    """Each $ref has its component, and each schema is referred to."""
    schema_names = set()
    for place, node in walk(description):
        if "$ref" in node:
            kind, name = re.fullmatch(r"#/components/(\w+)/(\w+)", node["$ref"]).groups()
            assert name in description["components"][kind], place
            schema_names |= {name} if kind == "schemas" else set()

    written_out = {"TranscriptionFields", "AsrQuery", "DetectionQuery"}  # forms and queries take no reference
    answered_as_text = {"AsrJson"}
    assert set(description["components"]["schemas"]) - schema_names == written_out | answered_as_text


def test_every_field_has_a_description(description):
    """The docstrings of the structs arrive in the document."""
    speech = description["components"]["schemas"]["CreateSpeech"]["properties"]
    body = description["paths"][FORM]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    fields = {*schemas.TranscriptionFields.__struct_fields__, "file"}

    assert set(body["properties"]) == fields
    assert body["required"] == ["file"]
    undescribed = [name for name, it in {**speech, **body["properties"]}.items() if "description" not in it]
    assert undescribed == []
    assert "Not in OpenAI's API." in str(description["components"]["schemas"]["Model"])


def test_examples_are_true(description):
    """Each example of a body is one that the struct in its schema takes, with no field too many."""
    shapes = {
        "json": schemas.TranscriptionJson,
        "verbose_json": schemas.TranscriptionVerbose,
        "diarized_json": schemas.TranscriptionDiarized,
        "list": model_schemas.ModelList,
        "alias": model_schemas.Model,
        "created": voice_schemas.CreatedVoice,
        "voice": voice_schemas.VoiceObject,
        "consent": voice_schemas.VoiceConsent,
        "voices": voice_schemas.VoiceList,
        "names": list[voice_schemas.SpeechVoice],
        "language": asr_schemas.DetectedLanguage,
        "models": model_schemas.AudioModelList,
        **dict.fromkeys(("minimal", "everything", "own"), schemas.CreateSpeech),
        **dict.fromkeys(("elevenlabs", "elevenlabs_faster"), elevenlabs_schemas.ElevenLabsSpeech),
        **dict.fromkeys(("transcription", "speech"), realtime_schemas.CreateClientSecret),
        "secret": realtime_schemas.ClientSecret,
        "session": realtime_schemas.TranscriptionSessionObject,
    }
    seen = set()
    for operation in operations(description).values():
        bodies = [operation.get("requestBody", {}), operation["responses"].get("200", {})]
        for body in bodies:
            examples = body.get("content", {}).get("application/json", {}).get("examples", {})
            for name, example in examples.items():
                read = msgspec.convert(example["value"], shapes[name])
                told, taken = example["value"], msgspec.to_builtins(read)
                if isinstance(told, list):
                    [told], [taken] = told, taken
                assert set(told) <= set(taken), name
                seen.add(name)

    assert seen == set(shapes)


REQUESTS = [
    ("GET", "/v1/models", {}),
    ("GET", "/v1/models/whisper-1", {}),
    ("GET", "/v1/models/nope", {}),
    ("DELETE", "/v1/models/whisper-1", {}),
    ("GET", "/v1/audio/voices", {}),
    ("GET", "/v1/audio/models", {}),
    ("GET", "/health", {}),
    ("GET", "/health/ready", {}),
    ("GET", "/", {}),
    ("GET", "/", {"headers": {"accept": "text/html,*/*;q=0.8"}}),
    *(
        ("POST", FORM, {"files": {"file": CLIP}, "data": {"response_format": name}})
        for name in ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
    ),
    ("POST", FORM, {"files": {"file": CLIP}, "data": {"stream": "true"}}),
    ("POST", FORM, {"files": {"file": CLIP}, "data": {"model": "nope"}}),
    ("POST", FORM, {"json": {}}),
    ("POST", "/v1/audio/translations", {"files": {"file": CLIP}}),
    *(
        ("POST", "/v1/audio/speech", {"json": SPEECH | {"response_format": name}})
        for name in ("mp3", "opus", "aac", "flac", "wav", "pcm", "nope")
    ),
    ("POST", "/v1/audio/speech", {"json": SPEECH | {"stream_format": "sse"}}),
]


@pytest.mark.mission("2.4")
@pytest.mark.parametrize(("method", "path", "request_"), REQUESTS)
def test_answers_are_as_described(http, description, method, path, request_):
    """Status, type and headers of an answer stand in the description, and JSON has what is required."""
    answer = http.request(method, path, **request_)

    [operation] = [
        it
        for (verb, place), it in operations(description).items()
        if verb == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", place), path)
    ]
    response = operation["responses"][str(answer.status_code)]
    if "$ref" in response:
        response = description["components"]["responses"][response["$ref"].rpartition("/")[2]]
    assert answer.headers["content-type"].split(";")[0] in response["content"]
    parts = description["components"]["headers"]
    told = {
        name: parts[it["$ref"].rpartition("/")[2]] if "$ref" in it else it
        for name, it in response["headers"].items()
    }
    assert {name for name, it in told.items() if it.get("required")} <= set(answer.headers)
    assert "x-request-id" in told


# ── Over a socket ────────────────────────────────────────────────────────────


def test_models_are_not_deleted(client):
    """Deleting is refused with 403 for a model and 404 for what is none, by the client's classes."""
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.models.delete("whisper-1")
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.delete("ft:gpt-4o-mini:acemeco:suffix:abc123")

    assert (refused.value.code, refused.value.param) == ("model_not_deletable", "model")
    assert missing.value.code == "model_not_found"
    assert client.models.retrieve("whisper-1").id == "whisper-1"


@pytest.mark.mission("10.10")
@pytest.mark.parametrize(
    ("audio_format", "start", "kind"),
    [
        ("mp3", b"\xff", "audio/mpeg"),
        ("opus", b"OggS", "audio/opus"),
        ("aac", b"\xff", "audio/aac"),
        ("flac", b"fLaC", "audio/flac"),
        ("wav", b"RIFF", "audio/wav"),
        ("pcm", b"", "audio/pcm"),
    ],
)
def test_speech_streams_to_the_client(client, audio_format, start, kind):
    """The generated tests never let speech reach a server; here it arrives in chunks, with its type."""
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts",
        voice="alloy",
        input="One two three. Four five six.",
        response_format=audio_format,
    ) as response:
        audio = b"".join(response.iter_bytes())

    assert response.headers["content-type"] == kind
    assert response.headers["transfer-encoding"] == "chunked"
    assert audio.startswith(start)
    assert len(audio) > 1000


@pytest.mark.parametrize("sentences", [1, 40])
def test_whole_speech_has_a_length(client, sentences):
    """As an answer, and as a file."""
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts",
        voice="alloy",
        input="One two three. " * sentences,
        response_format="wav",
        extra_body={"stream": False},
    ) as response:
        audio = b"".join(response.iter_bytes())

    assert int(response.headers["content-length"]) == len(audio)
    assert "transfer-encoding" not in response.headers
    with wave.open(io.BytesIO(audio)) as file:
        assert file.getnframes() * 2 == len(audio) - 44
        assert file.getnframes() > 10_000 * sentences


async def test_the_client_on_aiohttp_gets_the_same(echo_server):
    """The other HTTP library that the client can use reads results and events alike."""
    async with openai.AsyncOpenAI(
        base_url=f"{echo_server.url}/v1", api_key="any", http_client=openai.DefaultAioHttpClient()
    ) as client:
        whole = await client.audio.transcriptions.create(model="whisper-1", file=CLIP)
        stream = await client.audio.transcriptions.create(model="whisper-1", file=CLIP, stream=True)
        events = [event async for event in stream]

    assert events[-1].text == whole.text
    assert "".join(event.delta for event in events[:-1]) == whole.text


def test_events_are_framed_as_openai_frames_them(http):
    """One line ``data:`` for each event, no names, a blank line behind each, [DONE] at the end."""
    answer = http.post(FORM, files={"file": CLIP}, data={"stream": "true", "model": "gpt-4o-transcribe"})

    *events, done, end = answer.text.split("\n\n")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert (done, end) == ("data: [DONE]", "")
    assert all(re.fullmatch(r"data: \{.*\}", event) for event in events)
    assert json.loads(events[-1].removeprefix("data: "))["type"] == "transcript.text.done"
