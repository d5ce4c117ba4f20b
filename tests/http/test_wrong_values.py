"""Values that a field cannot have: the answer says what it can have, and what is near."""

import base64
from typing import Literal, get_args, get_origin

import msgspec
import pytest

from speechhub.http.schemas.asr import AsrQuery, DetectionQuery
from speechhub.http.schemas.audio import CreateSpeech, EmotionFields, TranscriptionFields
from tests.http.conftest import wav

CLIP = wav(1.0)
AUDIO = {"data": base64.b64encode(CLIP).decode(), "format": "wav"}


def choices(kind):
    """Return the texts that a type names, wherever they stand in it; true and false for a boolean."""
    if kind is bool:
        return ["true", "false"]
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [choice for inner in get_args(kind) for choice in choices(inner)]


def fixed(struct):
    """Return the fields of a struct that have a fixed set of values, with that set."""
    return [(field.name, found) for field in msgspec.structs.fields(struct) if (found := choices(field.type))]


def check(answer, name, allowed, near, *, param=None):
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid_value")
    assert error["param"] == (param or name)
    assert name in error["message"]
    assert [choice for choice in allowed if choice not in error["message"]] == []
    assert error["message"].endswith(f"Did you mean {near}?")


@pytest.mark.parametrize(("name", "allowed"), fixed(TranscriptionFields))
@pytest.mark.parametrize("route", ["transcriptions", "translations"])
async def test_a_wrong_choice_in_a_form(http, route, name, allowed):
    """Of each field of transcriptions and translations; lists are repeated parts."""
    near = allowed[-1]

    answer = await http.post(f"/v1/audio/{route}", files={"file": CLIP}, data={name: f"{near}x"})

    check(answer, name, allowed, near)


@pytest.mark.parametrize(("name", "allowed"), [it for it in fixed(TranscriptionFields) if it[0] != "stream"])
async def test_a_wrong_choice_in_json_with_a_recording(http, name, allowed):
    """The same, where lists are lists."""
    near = allowed[-1]
    listed = name in ("timestamp_granularities", "include")
    body = {"input_audio": AUDIO, name: [f"{near}x"] if listed else f"{near}x"}

    check(await http.post("/v1/audio/transcriptions", json=body), name, allowed, near)


@pytest.mark.parametrize(("name", "allowed"), fixed(CreateSpeech))
async def test_a_wrong_choice_of_speech(http, name, allowed):
    """Of each field of speech."""
    body = {"input": "Hello.", name: f"{allowed[0]}x"}

    check(await http.post("/v1/audio/speech", json=body), name, allowed, allowed[0])


@pytest.mark.parametrize(("name", "allowed"), [it for it in fixed(EmotionFields) if it[0] != "random"])
async def test_a_wrong_choice_within_a_field_of_speech(http, name, allowed):
    """The parameter is named with the field that it stands in."""
    body = {"input": "Hello.", "emotion": {name: f"{allowed[0]}x"}}

    answer = await http.post("/v1/audio/speech", json=body)

    check(answer, name, allowed, allowed[0], param=f"emotion.{name}")


@pytest.mark.parametrize(
    ("route", "name", "allowed"),
    [
        *(("asr", *it) for it in fixed(AsrQuery)),
        *(("detect-language", *it) for it in fixed(DetectionQuery)),
    ],
)
async def test_a_wrong_choice_in_a_query(http, route, name, allowed):
    """Of each name that whisper-asr-webservice's clients send."""
    near = allowed[0]

    answer = await http.post(f"/{route}", params={name: f"{near}x"}, files={"audio_file": CLIP})

    check(answer, name, allowed, near)


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"speed": 9}, "speed", "Invalid value 9 for 'speed': it must be a number from 0.25 to 4."),
        ({"seed": -1}, "seed", "it must be a whole number from 0 to 4294967295."),
        ({"voice": 5}, "voice", "it must be text or an object with id."),
        ({"voice": {}}, "voice.id", "Missing required parameter: 'voice.id'."),
        ({"emotion": {"tone": 1}}, "emotion", "there is no tone in it. There are: mode, audio, vector"),
        (
            {"emotion": {"vector": {"hapy": 1}}},
            "emotion.vector",
            "there is no hapy in it. Did you mean happy?",
        ),
        (
            {"emotion": {"vector": [1] * 7}},
            "emotion.vector",
            "a list of 8 items in which each item is",
        ),
        ({"emotion": {"vector": [0, 2]}}, "emotion.vector[1]", "it must be a number from 0 to 1."),
        ({"input": ["x" * 99] * 99}, "input", "it must be text."),
        (
            {"emotion": {"x" * 999: 1}},
            "emotion",
            f"there is no {'x' * 80}… (999 characters) in it. There are: mode",
        ),
        (
            {"response_format": "x" * 99},
            "response_format",
            f"Invalid value '{'x' * 80}…' (99 characters) for",
        ),
    ],
    ids=str,
)
async def test_other_wrong_values_of_speech(http, fields, param, said):
    """Numbers tell their range, objects their fields, lists their length; long values are cut."""
    answer = await http.post("/v1/audio/speech", json={"input": "Hello."} | fields)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert said in error["message"]
    assert len(error["message"]) < 400


@pytest.mark.parametrize(
    "body",
    [
        {"input": ["My pin is 4711."]},
        {"input": 4711},
        {"input": "Hello.", "instructions": ["4711"]},
        {"input": "Hello.", "emotion": {"text": ["4711"]}},
        ["My pin is 4711."],
        "My pin is 4711.",
    ],
    ids=str,
)
async def test_a_text_in_a_wrong_place_is_not_quoted(http, body):
    """What somebody says is not told again in a message, which programs log."""
    answer = await http.post("/v1/audio/speech", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")
    assert "4711" not in answer.text


async def test_a_recording_in_json_without_its_data(http):
    """The message names the part that is missing."""
    answer = await http.post("/v1/audio/transcriptions", json={"input_audio": {"format": "wav"}})

    assert answer.json()["error"] == {
        "message": "Missing required parameter: 'input_audio.data'.",
        "type": "invalid_request_error",
        "param": "input_audio",
        "code": "missing_required_parameter",
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "param", "said"),
    [
        ("post", "/v1/audio/speech", {}, "input", "Missing required parameter: 'input'."),
        ("post", "/v1/audio/speech", None, None, "The request has no body; send an object with input"),
        ("post", "/v1/audio/speech", {"input": True}, "input", "Invalid value for 'input'"),
        ("post", "/v1/audio/speech", [], None, "Invalid value: it must be an object with input, model"),
        (
            "post",
            "/v1/engines/load",
            {"model": 5},
            "model",
            "Invalid value for 'model': it must be text of at most 256 characters.",
        ),
        ("post", "/v1/audio/voice_consents/x", {"name": []}, "name", "it must be text."),
        ("get", "/v1/audio/voice_consents?limit=x", None, "limit", "'limit': it must be a whole number."),
    ],
)
async def test_wrong_values_elsewhere(http, method, path, body, param, said):
    """Bodies and queries of every other route are answered in the same words."""
    answer = await http.request(method, path, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert said in error["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type": "vad"}', "'chunking_strategy.type': it must be 'server_vad'."),
        ('{"type": "server_vad", "threshold": 3}', "'chunking_strategy.threshold': it must be a number from"),
        ("[]", "'chunking_strategy': it must be 'auto' or an object with type, prefix_padding_ms"),
    ],
)
async def test_wrong_values_within_a_field_of_a_form(http, text, said):
    """The field is the parameter, and the message names the part of it."""
    answer = await http.post(
        "/v1/audio/transcriptions", files={"file": CLIP}, data={"chunking_strategy": text}
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "chunking_strategy")
    assert said in error["message"]
