"""API keys: who comes in, and what the others are told."""

import pytest

from speechhub.settings import Secret, Settings

KEYS = ("right-key", "schlüssel")
ORIGIN = "https://a.example"


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, api_keys=tuple(map(Secret, KEYS)), cors_origins=(ORIGIN,))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer right-key"},
        {"authorization": "bearer right-key"},
        {"authorization": "Bearer schlüssel".encode()},
        {"api-key": "right-key"},
        {"authorization": "Bearer something-else", "api-key": "right-key"},
    ],
)
async def test_each_key_opens(http, headers):
    """Any of the keys will do, in OpenAI's header or in Azure's."""
    assert (await http.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.scenario("no-key")
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer "}, {"authorization": "Basic cmlnaHQ="}, {"api-key": ""}]
)
async def test_without_a_key(http, headers):
    """No key is a 401 that says how to send one, with OpenAI's empty code."""
    answer = await http.get("/v1/models", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="speechhub"'
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", None, None)
    assert "Authorization: Bearer" in error["message"]


@pytest.mark.scenario("no-key")
@pytest.mark.parametrize("key", ["right-kex", "right-key-and-more", "right", "RIGHT-KEY", "schlussel"])
async def test_with_a_wrong_key(http, key):
    """A wrong key is a 401 with OpenAI's code, and is not repeated."""
    answer = await http.get("/v1/models", headers={"authorization": f"Bearer {key}"})

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert not any(secret in answer.text for secret in (key, *KEYS))


@pytest.mark.parametrize(
    "path",
    ["/", "/page/page.js", "/page/page.css", "/health", "/health/live", "/health/ready", "/health/", "/v1/"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_are_open(http, method, path):
    """What probes and warm-ups ask for needs no key."""
    assert (await http.request(method, path)).status_code == 200


async def test_every_route_else_is_closed(http, app):
    """No route is forgotten, however its path is written, and not even what does not exist is told."""
    paths = {route.path for route in app.routes} - {
        "/",
        "/health",
        "/health/live",
        "/health/ready",
    }
    aliases = {"/models", "/openai/v1/models", "//v1/models", "/openai/deployments/x/audio/speech"}
    assert len(paths) > 5

    for path in (
        *paths,
        *aliases,
        "/nothing",
        "/v2/models",
        "/v2",
        "//v2//audio/speech",
        "/openai/v3/models",
        "/%76%32/models",
        "/v1/%2e%2e/v2",
        "/openai/deployments/x/nothing",
        "/page/x",
        "/page/index.html",
        "/health/x",
        "/health/live/x",
        "/health/../v1/models",
    ):
        for method in ("GET", "POST", "HEAD", "DELETE", "PUT", "PATCH", "TRACE", "OPTIONS", "ODD", "get"):
            answer = await http.request(method, path)
            assert answer.status_code == 401, (method, path)
    assert (await http.post("/health")).status_code == 401


async def test_health_tells_strangers_nothing(http):
    """Without a key, health is a status; with one, it is everything."""
    stranger = await http.get("/health")
    wrong = await http.get("/health", headers={"api-key": "wrong"})
    friend = await http.get("/health", headers={"api-key": "right-key"})

    assert stranger.json() == wrong.json() == {"status": "ok"}
    assert {"version", "devices", "models"} <= friend.json().keys()


async def test_the_body_of_a_refused_request_is_not_read(app):
    """Nobody makes the server take 50 MB without a key."""
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/audio/transcriptions",
        "query_string": b"",
        "headers": [(b"content-length", b"50000000"), (b"authorization", b"Bearer x")],
        "client": ("c", 1),
    }
    await app(scope, receive, send)

    assert sent[0]["status"] == 401


@pytest.mark.parametrize("path", ["/", "/v1/live", "/v2/realtime", "/health", "/nothing"])
async def test_websockets_need_a_key_too(app, path):
    """Where there is no WebSocket, a stranger is told nothing else; those that exist say it themselves."""
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": [], "client": ("c", 1)}
    await app(scope, receive, send)

    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
    assert "API key" in sent[0]["reason"]


async def test_preflight_is_open_and_a_page_can_read_the_refusal(http):
    """A browser's preflight has no key; the 401 that follows carries the headers that let the page see it."""
    preflight = await http.options(
        "/v1/audio/speech", headers={"origin": ORIGIN, "access-control-request-method": "POST"}
    )
    answer = await http.get("/v1/models", headers={"origin": ORIGIN})
    elsewhere = await http.get("/v1/models", headers={"origin": "https://b.example"})

    assert preflight.status_code == 204
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "Origin"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in elsewhere.headers


@pytest.mark.parametrize("path", ["/v1/models", "/v1/audio/speech", "/v2/models", "/nothing", "/metrics"])
async def test_a_preflight_tells_nothing_about_the_path(http, path):
    """A stranger's preflight is answered alike, whatever there is; any other OPTIONS needs a key."""
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}

    assert (await http.options(path, headers=asked)).status_code == 204
    for part in asked.items():
        assert (await http.options(path, headers=[part])).status_code == 401


@pytest.mark.parametrize("settings", [Settings(api_keys=(Secret("right-key"),))])
async def test_without_origins_a_preflight_needs_a_key_too(http):
    """No page of another origin may call, so that its browser need not be told what it may do."""
    asked = {"origin": ORIGIN, "access-control-request-method": "POST"}

    assert (await http.options("/v1/audio/speech", headers=asked)).status_code == 401
    assert (await http.options("/nothing", headers=asked)).status_code == 401


async def test_refusals_have_their_id_and_stay_out_of_the_log(http, capsys):
    """A 401 has a request id like every answer, and the log has neither the wrong key nor the right ones."""
    answer = await http.get("/v1/models", headers={"authorization": "Bearer wrong-one"})
    await http.get("/v1/models", headers={"authorization": "Bearer right-key"})

    assert answer.headers["x-request-id"].startswith("req_")
    captured = capsys.readouterr()
    log = captured.out + captured.err
    assert "InvalidApiKeyError" in log
    assert "wrong-one" not in log
    assert "right-key" not in log


@pytest.mark.parametrize("settings", [Settings()])
@pytest.mark.parametrize("key", [None, "", "anything"])
async def test_without_keys_everybody_is_welcome(http, key):
    """A server without keys takes any key, an empty one, or none."""
    headers = {} if key is None else {"authorization": f"Bearer {key}"}

    assert (await http.get("/v1/models", headers=headers)).status_code == 200
    assert "models" in (await http.get("/health", headers=headers)).json()
