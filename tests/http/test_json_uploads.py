"""Recordings as base64 in JSON, as OpenRouter takes them and Open WebUI can send them."""

import base64
import json

import pytest

from speechhub.http import json_uploads


def body_of(clip, **fields):
    """Return what Open WebUI sends with ``api_request_format=json``."""
    audio = {"data": base64.b64encode(clip).decode(), "format": "wav"}
    return {"model": "whisper-1", "input_audio": audio} | fields


@pytest.mark.parametrize("route", ["transcriptions", "translations"])
async def test_a_recording_in_json_is_heard_like_one_in_a_form(http, clip, runner, route):
    """The answers are the same, and the fields have the same names."""
    fields = {"language": "de", "temperature": 0.25, "response_format": "verbose_json"}
    words = {"timestamp_granularities": ["word", "segment"]}

    by_json = await http.post(f"/v1/audio/{route}", json=body_of(clip, **fields, **words, prompt=None))
    by_form = await http.post(f"/v1/audio/{route}", data=fields | words, files={"file": clip})

    assert by_json.status_code == 200, by_json.text
    assert by_json.json() == by_form.json()
    assert by_json.json()["words"]
    heard = [request for _, request in runner.requests]
    assert len({len(request.audio.samples) for request in heard}) == 1
    assert {request.temperature for request in heard} == {0.25}


@pytest.mark.parametrize(
    "write",
    [
        lambda data: "data:audio/wav;base64," + data,
        lambda data: "\r\n".join(data[at : at + 76] for at in range(0, len(data), 76)),
    ],
)
async def test_base64_is_read_as_clients_write_it(http, clip, write):
    """As a data URL, and with the line ends of MIME."""
    audio = {"data": write(base64.b64encode(clip).decode())}

    answer = await http.post("/v1/audio/transcriptions", json={"input_audio": audio})

    assert answer.json()["text"] == "Good morning, dear world."


async def test_json_streams_and_names_what_it_ignores(http, clip):
    """As a form does."""
    answer = await http.post(
        "/audio/transcriptions", json=body_of(clip, stream=True, provider={"x": 1}, user=None)
    )

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-ignored-fields"] == "provider"
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input_audio": None}, "input_audio", "missing_required_parameter"),
        ({"input_audio": "x"}, "input_audio", "invalid_value"),
        ({"input_audio": {"format": "wav"}}, "input_audio", "missing_required_parameter"),
        ({"input_audio": {"data": "!!"}}, "input_audio.data", "invalid_value"),
        ({"input_audio": {"data": "data:audio/wav"}}, "input_audio.data", "invalid_value"),
        ({"input_audio": {"data": ""}}, "file", "invalid_value"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"response_format": "xml"}, "response_format", "invalid_value"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities", "invalid_value"),
    ],
)
async def test_what_is_wrong_in_json_is_refused(http, clip, runner, fields, param, code):
    """With the field's name."""
    answer = await http.post("/v1/audio/transcriptions", json=body_of(clip) | fields)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert not runner.requests


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"7", b'{"model": "\xff"}'])
async def test_bodies_that_are_no_object_are_refused(http, body):
    """In the shape of every error."""
    answer = await http.post(
        "/v1/audio/transcriptions", content=body, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_too_large_a_recording_is_told_to_come_as_a_form(http, clip, monkeypatch):
    """The limit holds for the decoded bytes."""
    monkeypatch.setattr(json_uploads, "LIMIT_BYTES", len(clip) - 1)

    refused = await http.post("/v1/audio/transcriptions", json=body_of(clip))
    monkeypatch.setattr(json_uploads, "LIMIT_BYTES", len(clip))
    taken = await http.post("/v1/audio/transcriptions", json=body_of(clip))

    assert (refused.status_code, refused.json()["error"]["param"]) == (413, "input_audio")
    assert "multipart/form-data" in refused.json()["error"]["message"]
    assert taken.status_code == 200


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_beyond_the_limit_is_not_kept(http, clip, monkeypatch, announced):
    """Nobody can fill the memory: reading stops, and what is announced is not even begun."""
    monkeypatch.setattr(json_uploads, "LIMIT_BYTES", 3000)
    monkeypatch.setattr(json_uploads, "OVERHEAD_BYTES", 1000)
    body = json.dumps(body_of(bytes(120_000))).encode()
    read = []

    async def pieces():
        for start in range(0, len(body), 1000):
            read.append(start)
            yield body[start : start + 1000]

    headers = {"content-type": "application/json"}
    if announced:
        headers["content-length"] = str(len(body))

    answer = await http.post("/v1/audio/transcriptions", content=pieces(), headers=headers)

    assert answer.status_code == 413
    assert len(read) <= (1 if announced else 7)
