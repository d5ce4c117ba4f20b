"""Paths of other clients, other methods, and the probes."""

import httpx2
import openai
import pytest


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/models",
        "/openai/v1/models",
        "/v1/models/",
        "//v1//models",
        "/openai/models?api-version=x",
    ],
)
async def test_models_by_every_path(http, path):
    """The list is where OpenAI's, Azure's and Groq's clients look for it."""
    answer = await http.get(path)

    assert answer.json()["object"] == "list"


@pytest.mark.parametrize("base", ["/v1", "", "/openai/v1", "/v1/"])
async def test_the_official_client_with_every_base_url(app, clip, base):
    """Whatever base URL somebody configured, the client works."""
    transport = httpx2.ASGITransport(app)
    async with (
        httpx2.AsyncClient(transport=transport) as inner,
        openai.AsyncOpenAI(base_url=f"http://hub{base}", api_key="any", http_client=inner) as client,
    ):
        heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", clip))
        spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")

    assert heard.text
    assert spoken.content


async def test_the_official_azure_client(app, clip):
    """Azure's client works unchanged: its paths, its api-version, its header."""
    transport = httpx2.ASGITransport(app)
    async with (
        httpx2.AsyncClient(transport=transport) as inner,
        openai.AsyncAzureOpenAI(
            azure_endpoint="http://hub", api_key="any", api_version="2025-04-01-preview", http_client=inner
        ) as client,
    ):
        heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", clip))
        spoken = await client.audio.speech.create(model="mouth", voice="anna", input="Hello.")
        with pytest.raises(openai.NotFoundError) as caught:
            await client.audio.speech.create(model="nope", voice="anna", input="Hello.")

    assert heard.text
    assert spoken.content
    assert caught.value.code == "DeploymentNotFound"


@pytest.mark.parametrize("path", ["/v2/audio/speech", "/v1beta/models", "/openai/v2/models"])
async def test_other_versions_are_told_the_right_one(http, path):
    """A 404 in OpenAI's shape that says where the route is."""
    answer = await http.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "/v1" in answer.json()["error"]["message"]


async def test_unknown_paths_are_named(http):
    """A 404 names the method and the path."""
    answer = await http.post("/v1/chat/completions")

    assert answer.json()["error"]["message"] == "Invalid URL (POST /v1/chat/completions)"


async def test_a_base_url_with_too_much_in_front_is_told_the_route(http):
    """The 404 names the path of the route that was meant."""
    answer = await http.post("/v1/v1/audio/speech")

    assert answer.status_code == 404
    assert "(POST /v1/v1/audio/speech). The route is /v1/audio/speech:" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/v1/", "/health", "/health/live", "/v1/models", "/models/ears"])
async def test_head_is_get_without_the_body(http, path):
    """HEAD on what can be got has the same headers and no body."""
    got = await http.get(path)
    head = await http.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) == pytest.approx(len(got.content), abs=20)


async def test_head_sends_no_body(app):
    """Not one byte of body goes to the server, whatever it would do with it."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "HEAD", "path": "/", "query_string": b"", "headers": []}
    await app(scope, receive, send)

    assert sent[0]["status"] == 200
    assert not any(message.get("body") for message in sent)


async def test_head_where_nothing_can_be_got(http):
    """HEAD on work is a 405, and starts none."""
    assert (await http.head("/v1/audio/speech")).status_code == 405
    assert (await http.head("/nothing")).status_code == 404


async def test_probes(http, app):
    """Live says that the process runs; ready says no from the moment that it is asked to stop."""
    assert (await http.get("/health/live")).json() == {"status": "ok"}
    assert (await http.get("/health/ready")).status_code == 200

    app.state.stopping = True

    answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "server_shutting_down")
    assert "retry-after" in answer.headers
    assert (await http.get("/health/live")).status_code == 200
