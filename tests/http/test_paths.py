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


@pytest.mark.mission("8.6")
@pytest.mark.scenario("unknown-route")
@pytest.mark.parametrize("path", ["/v2/audio/speech", "/v1beta/models", "/openai/v2/models"])
async def test_other_versions_are_told_the_right_one(http, path):
    """A 404 in OpenAI's shape that says where the route is."""
    answer = await http.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "/v1" in answer.json()["error"]["message"]


@pytest.mark.scenario("near-miss-path")
@pytest.mark.parametrize(
    ("asked", "route"),
    [
        ("POST /v1/audio/speech/audio/speech", "/v1/audio/speech"),
        ("POST /v1/audio/speech/v1/audio/speech", "/v1/audio/speech"),
        ("GET /v1/audio/transcriptions/models", "/v1/models"),
        ("POST /v1/audio/transcriptions/audio/transcriptions/", "/v1/audio/transcriptions"),
        ("POST /v1/v1/audio/speech", "/v1/audio/speech"),
        ("POST /v1//v1/audio/translations", "/v1/audio/translations"),
        ("POST /openai/v1/audio/speech/audio/speech", "/v1/audio/speech"),
        ("POST /api/v1/audio/speech", "/v1/audio/speech"),
        ("GET /some/prefix/v1/models", "/v1/models"),
        ("GET /v1/models/models", "/v1/models"),
        ("GET /v1/audio/voices/models", "/v1/models"),
        ("GET /v1/v1/audio/voices", "/v1/audio/voices"),
        ("POST /v1/v1/engines/load", "/v1/engines/load"),
    ],
)
async def test_a_route_as_base_url_is_told_the_base_url(http, asked, route):
    """A client adds the rest itself; the 404 names the route, and the base URL of this server."""
    method, path = asked.split(" ")

    answer = await http.request(method, path)

    assert answer.status_code == 404
    message = answer.json()["error"]["message"]
    assert f" The route is {route}: the base URL of a client ends with /v1, such as http://hub/v1." in message


async def test_a_route_as_base_url_below_the_models(http):
    """Where the path is that of a model, whose name may hold slashes."""
    answer = await http.post("/v1/models/audio/speech", json={"input": "a"})

    assert answer.status_code == 405
    assert "The route is /v1/audio/speech: the base URL" in answer.json()["error"]["message"]


@pytest.mark.scenario("near-miss-path")
@pytest.mark.parametrize(
    ("path", "route", "base"),
    [
        ("/v1/audio/transcription", "/v1/audio/transcriptions", False),
        ("/v1/audio/transcripts", "/v1/audio/transcriptions", False),
        ("/v1/audio/transcribe", "/v1/audio/transcriptions", False),
        ("/v1/audio/speak", "/v1/audio/speech", False),
        ("/v1/audio/speach", "/v1/audio/speech", False),
        ("/v1/audio/speech/stream", "/v1/audio/speech", False),
        ("/V1/Audio/Speech", "/v1/audio/speech", True),
        ("/v1/translate", "/v1/audio/translations", False),
        ("/v1/voice", "/v1/audio/voices", False),
        ("/v1/model", "/v1/models", False),
        ("/api/tts", "/v1/audio/speech", True),
        ("/tts", "/v1/audio/speech", True),
        ("/inference", "/v1/audio/transcriptions", True),
        ("/v1/engine/load", "/v1/engines", False),
        ("/v1/live", "/v1/realtime", False),
        ("/v1/real-time", "/v1/realtime", False),
        ("/v1/health", "/health", False),
        ("/healthz", "/health", False),
        ("/docs", "/schema", False),
    ],
)
async def test_a_near_miss_is_told_the_nearest_route(http, path, route, base):
    """Slips of the pen, and what other servers call the routes."""
    answer = await http.post(path)

    assert answer.status_code == 404
    message = answer.json()["error"]["message"]
    assert f" The nearest route is {route}" in message
    assert ("the base URL of a client ends with /v1" in message) is base


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/chat/completions", "speechhub has only OpenAI's audio API"),
        ("/v1/audio/speech/chat/completions", "speechhub has only OpenAI's audio API"),
        ("/v1/embeddings", "speechhub has only OpenAI's audio API"),
        ("/nothing", "GET /schema describes all routes"),
        ("/v1/audio", "GET /schema describes all routes"),
    ],
)
async def test_unknown_paths_are_named(http, path, said):
    """A 404 names the method and the path, and guesses nothing where nothing is near."""
    answer = await http.post(path)

    message = answer.json()["error"]["message"]
    assert message.startswith(f"Invalid URL (POST {path}). {said}")


@pytest.mark.scenario("near-miss-path")
@pytest.mark.parametrize(
    ("asked", "methods"),
    [
        ("GET /v1/audio/speech", "POST"),
        ("GET /audio/speech", "POST"),
        ("GET /v1/audio/transcriptions/", "POST"),
        ("DELETE /v1/models", "GET"),
        ("POST /v1/models/ears", "DELETE or GET"),
        ("POST /health", "GET"),
        ("GET /v1/engines/load", "POST"),
        ("PUT /v1/audio/voices", "GET or POST"),
    ],
)
async def test_another_method_is_told_the_right_one(http, asked, methods):
    """In the message, and in Allow. Source: RFC 9110, section 15.5.6."""
    method, path = asked.split(" ")

    answer = await http.request(method, path)

    assert answer.status_code == 405
    assert answer.json()["error"]["message"] == f"Not allowed to {method} on {path}: send {methods}."
    assert set(methods.split(" or ")) == set(answer.headers["allow"].split(", ")) - {"OPTIONS"}


async def test_another_version_behind_a_prefix_is_told_the_route(http):
    """Google's clients put openai behind their version."""
    answer = await http.get("/v1beta/openai/models")

    assert "Use /v1/models;" in answer.json()["error"]["message"]


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


@pytest.mark.mission("11.1", "17.10")
async def test_probes(http, hub):
    """Live says that the process runs; ready says no from the moment that it is asked to stop."""
    assert (await http.get("/health/live")).json() == {"status": "ok"}
    assert (await http.get("/health/ready")).status_code == 200

    hub.stopping = True

    answer = await http.get("/health/ready")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "server_shutting_down")
    assert "retry-after" in answer.headers
    assert (await http.get("/health/live")).status_code == 200
