"""Values of a length that the client chose: neither the answer nor the log repeats them."""

import io
import json
import logging
import sys

import pytest
import structlog

from speechhub.log import configure_logging
from tests.http.conftest import wav

LONG = "x" * 200_000
PATH = "y" * 60_000
MOST_CHARS = 6_000
"""What an answer, or a line of the log, may have; what was asked for is ten times as long at least."""


@pytest.fixture
def log_lines(monkeypatch):
    """A function that returns the lines logged so far."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("debug", "json")
    yield lambda: written.getvalue().splitlines()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def form(**fields):
    return {"files": {"file": wav(0.2)}, "data": fields}


def voice_form(field, **fields):
    return {"files": {field: wav(1.5)}, "data": {"name": "n", "consent": "c", "language": "en"} | fields}


REQUESTS = {
    "speech, model": ("POST", "/v1/audio/speech", {"json": {"input": "a", "model": LONG}}),
    "speech, voice": ("POST", "/v1/audio/speech", {"json": {"input": "a", "voice": f"!{LONG}"}}),
    "speech, voice's id": ("POST", "/v1/audio/speech", {"json": {"input": "a", "voice": {"id": LONG}}}),
    "speech, language": ("POST", "/v1/audio/speech", {"json": {"input": "a", "language": LONG}}),
    "speech, instructions": ("POST", "/v1/audio/speech", {"json": {"input": "a", "instructions": LONG}}),
    "speech, format": ("POST", "/v1/audio/speech", {"json": {"input": "a", "response_format": LONG}}),
    "speech, emotion": ("POST", "/v1/audio/speech", {"json": {"input": "a", "emotion": {LONG: 1}}}),
    "speech, not JSON": ("POST", "/v1/audio/speech", {"content": LONG}),
    "speech, a number": ("POST", "/v1/audio/speech", {"json": {"input": "a", "seed": LONG}}),
    "form, model": ("POST", "/v1/audio/transcriptions", form(model=LONG[:60_000])),
    "form, language": ("POST", "/v1/audio/transcriptions", form(language=LONG[:60_000])),
    "form, a long field": ("POST", "/v1/audio/transcriptions", form(prompt=LONG)),
    "form, format": ("POST", "/v1/audio/transcriptions", form(response_format=LONG[:60_000])),
    "form, keywords": ("POST", "/v1/audio/transcriptions", form(keywords=LONG[:60_000])),
    "form, temperature": ("POST", "/v1/audio/transcriptions", form(temperature="9" * 60_000)),
    "form, a nested field": ("POST", "/v1/audio/transcriptions", form(chunking_strategy=LONG[:60_000])),
    "JSON, prompt": (
        "POST",
        "/v1/audio/transcriptions",
        {"json": {"input_audio": {"data": "AAAA"}, "prompt": LONG}},
    ),
    "engine": ("POST", "/v1/engines/load", {"json": {"model": LONG}}),
    "voice, consent": ("POST", "/v1/audio/voices", voice_form("audio_sample", consent=LONG[:60_000])),
    "voice, name": ("POST", "/v1/audio/voices", voice_form("audio_sample", name=LONG[:60_000])),
    "voice, type": ("POST", "/v1/audio/voices", voice_form("audio_sample", type=LONG[:60_000])),
    "consent, language": (
        "POST",
        "/v1/audio/voice_consents",
        voice_form("recording", language=LONG[:60_000]),
    ),
    "consent, new name": ("POST", "/v1/audio/voice_consents/cons_0", {"json": {"name": LONG}}),
    "path of a model": ("GET", f"/v1/models/{PATH}", {}),
    "path of a model to delete": ("DELETE", f"/v1/models/{PATH}", {}),
    "path of a voice": ("GET", f"/v1/audio/voices/{PATH}", {}),
    "path of a voice to delete": ("DELETE", f"/v1/audio/voices/{PATH}", {}),
    "path of a consent": ("GET", f"/v1/audio/voice_consents/{PATH}", {}),
    "path of nothing": ("GET", f"/{PATH}", {}),
    "path with a route at its end": ("GET", f"/{PATH}/models", {}),
    "path of another version": ("GET", f"/v9{LONG[:9000]}/{PATH[:40_000]}", {}),
    "wrong method": ("PUT", f"/v1/models/{PATH}", {}),
    "long method": ("Z" * 10_000, "/v1/models", {}),
    "deployment": (
        "POST",
        f"/openai/deployments/{PATH}/audio/speech",
        {"json": {"input": "a"}},
    ),
    "query, model": ("GET", "/v1/audio/voices", {"params": {"model": PATH}}),
    "query, model's id": ("GET", "/v1/audio/speech/voices", {"params": {"model_id": PATH}}),
    "query, number": ("GET", "/v1/audio/voice_consents", {"params": {"limit": PATH}}),
    "query, many digits": ("GET", "/v1/audio/voice_consents", {"params": {"limit": "9" * 5000}}),
    "query, id": ("GET", "/v1/audio/voice_consents", {"params": {"after": PATH}}),
    "asr, language": ("POST", "/asr", {"params": {"language": PATH}, "files": {"audio_file": wav(0.2)}}),
    "asr, output": ("POST", "/asr", {"params": {"output": PATH}, "files": {"audio_file": wav(0.2)}}),
}


@pytest.mark.scenario("long-value")
@pytest.mark.parametrize("what", REQUESTS)
async def test_long_values_come_back_short(http, log_lines, what):
    """The answer is a refusal that one can read, and each line of the log one that can be kept."""
    method, path, rest = REQUESTS[what]

    answer = await http.request(method, path, **rest)

    lines = log_lines()
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert answer.json()["error"]["message"]
    assert len(answer.content) < MOST_CHARS
    assert sum(len(name) + len(value) for name, value in answer.headers.items()) < MOST_CHARS
    assert any(json.loads(line)["event"] == "request" for line in lines)
    assert max(map(len, lines)) < MOST_CHARS


HEADERS = (
    "host",
    "user-agent",
    "x-request-id",
    "origin",
    "accept",
    "content-type",
    "cookie",
    "referer",
    "api-key",
)


@pytest.mark.parametrize("name", HEADERS)
async def test_long_headers_come_back_short(http, log_lines, name):
    """What stands in a header is not repeated at all, or for as long as it is an id."""
    answer = await http.post("/v1/audio/transcriptions", headers={name: LONG}, content=b"a")

    assert len(answer.content) + sum(len(it) for it in answer.headers.values()) < MOST_CHARS
    assert max(map(len, log_lines())) < MOST_CHARS


async def test_many_long_unknown_fields(http, log_lines):
    """Names of fields without effect are told up to a number and a length."""
    body = {"input": "Hello."} | {f"{'f' * 60}{number}": number for number in range(5000)} | {LONG: 1}

    answer = await http.post("/v1/audio/speech", json=body)

    assert answer.status_code == 200
    assert len(answer.headers["x-ignored-fields"]) < MOST_CHARS
    assert max(map(len, log_lines())) < MOST_CHARS


async def test_a_long_file_name_is_cut(http):
    """The name comes back in a header of /asr, which no proxy may find too long."""
    files = {"audio_file": ("é" * 2000 + ".wav", wav(0.5))}

    answer = await http.post("/asr", files=files)

    assert answer.status_code == 200, answer.text
    assert len(answer.headers["content-disposition"]) < 1000
