"""Web pages that an operator's browser shows: what foreign ones try, and what honest ones may do."""

import httpx2
import pytest

from speechhub.settings import Secret, Settings
from tests.http.conftest import wav

EVIL = "https://evil.example"
HOST = "127.0.0.1:8000"
FOREIGN = {"origin": EVIL, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
"""What a browser says of a page that posts a form, or calls fetch with mode no-cors."""
TEXT = {"content-type": "text/plain"}
"""A type that needs no preflight, whatever the body is."""


@pytest.fixture
def settings(tmp_path):
    return Settings(
        home=tmp_path,
        max_reference_bytes=250_000,
        cors_origins=("https://a.example",),
        allowed_hosts=("speech.example.org",),
    )


@pytest.fixture
async def local(app):
    """A client on the loopback interface."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        yield client


@pytest.fixture
async def kept(local):
    """Ids of a consent and of a voice that the library has."""
    sample = ("a.wav", wav(1.5))
    consent = await local.post(
        "/v1/audio/voice_consents", data={"name": "A", "language": "en"}, files={"recording": sample}
    )
    form = {"name": "Anna", "consent": consent.json()["id"]}
    voice = await local.post("/v1/audio/voices", data=form, files={"audio_sample": sample})
    assert (consent.status_code, voice.status_code) == (200, 200)
    return consent.json()["id"], voice.json()["id"]


def actions(consent, voice):
    """Return all that a page could do: method, path, and how the body is given."""
    model = b'{"model": "mouth"}'
    sample = ("a.wav", wav(1.5))
    return {
        **{
            what: ("POST", f"/v1/engines/{what}", {"content": model})
            for what in ("load", "switch", "unload", "pin", "unpin")
        },
        "speak": ("POST", "/v1/audio/speech", {"content": b'{"input": "Hello.", "voice": "anna"}'}),
        "transcribe": ("POST", "/v1/audio/transcriptions", {"files": {"file": sample}}),
        "translate": ("POST", "/v1/audio/translations", {"files": {"file": sample}}),
        "asr": ("POST", "/asr", {"files": {"audio_file": sample}}),
        "detect": ("POST", "/detect-language", {"files": {"audio_file": sample}}),
        "by another path": ("POST", "//audio/speech/", {"content": b'{"input": "Hello."}'}),
        "keep a voice": (
            "POST",
            "/v1/audio/voices",
            {"data": {"name": "B", "consent": consent}, "files": {"audio_sample": sample}},
        ),
        "keep a consent": (
            "POST",
            "/v1/audio/voice_consents",
            {"data": {"name": "B", "language": "en"}, "files": {"recording": sample}},
        ),
        "rename a consent": ("POST", f"/v1/audio/voice_consents/{consent}", {"content": b'{"name": "X"}'}),
        "delete a voice": ("DELETE", f"/v1/audio/voices/{voice}", {}),
        "delete a consent": ("DELETE", f"/v1/audio/voice_consents/{consent}", {}),
        "delete a model": ("DELETE", "/v1/models/mouth", {}),
        "load for its voices": ("GET", "/v1/audio/voices?model=mouth", {}),
        "load for its voices, as speaches": ("GET", "/v1/audio/speech/voices", {}),
    }


WHAT = tuple(actions("", ""))


PAGES = (FOREIGN, {"origin": EVIL}, {"origin": "null", "sec-fetch-site": "cross-site"})
"""In a browser, in one that is too old to say what site a page is of, and in a frame without an origin."""


@pytest.mark.scenario("foreign-page")
@pytest.mark.parametrize("what", WHAT)
async def test_a_foreign_page_operates_nothing(local, runner, kept, what):
    """Requests that need no preflight do nothing: no engine, no voice and no consent changes."""
    method, path, body = actions(*kept)[what]
    before = (await library(local), runner.switched[:], runner.requests[:])

    for page in PAGES:
        headers = page | (TEXT if "content" in body else {})
        answer = await local.request(method, path, headers=headers, **body)

        assert answer.status_code == 403
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "origin_not_allowed")
        assert "cors_origins" in error["message"]
        assert answer.headers["x-request-id"]
    assert (await library(local), runner.switched, runner.requests) == before


async def library(http):
    """Return what is kept, and what the engines do."""
    paths = ("/v1/audio/voices", "/v1/audio/voice_consents", "/v1/engines")
    answers = [(await http.get(path)).json() for path in paths]
    return answers[0]["data"], answers[1]["data"], [(it["state"], it["pinned"]) for it in answers[2]["data"]]


HONEST = {
    "a program": {},
    "the server's page": {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"},
    "the server's page, in an old browser": {"origin": f"http://{HOST}"},
    "the address bar": {"sec-fetch-site": "none"},
    "a page of cors_origins": {"origin": "https://a.example", "sec-fetch-site": "cross-site"},
    "a page of cors_origins, in an old browser": {"origin": "https://a.example"},
    "an application": {"origin": "tauri://localhost"},
    "an extension": {"origin": "chrome-extension://abc", "sec-fetch-site": "cross-site"},
}


@pytest.mark.parametrize("what", ["load", "speak", "transcribe", "rename a consent", "load for its voices"])
async def test_honest_callers_are_served(local, kept, what):
    """Programs, the server's own page, and the pages and applications that may call are as before."""
    method, path, body = actions(*kept)[what]

    answers = {
        who: (await local.request(method, path, headers=caller, **body)).status_code
        for who, caller in HONEST.items()
    }

    assert answers == dict.fromkeys(HONEST, 200)


@pytest.mark.parametrize("settings", [Settings(cors_origins=("*",))])
async def test_a_star_lets_every_page_call(local):
    """As the operator said."""
    answer = await local.post("/v1/audio/speech", json={"input": "Hello."}, headers=FOREIGN)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("settings", [Settings(api_keys=(Secret("right-key"),))])
async def test_the_rule_holds_with_keys_too(local):
    """A foreign page is refused whether it has a key or not; a program needs only its key."""
    key = {"authorization": "Bearer right-key"}
    said = {"input": "Hello."}

    assert (await local.post("/v1/audio/speech", json=said, headers=FOREIGN)).status_code == 403
    assert (await local.post("/v1/audio/speech", json=said, headers=FOREIGN | key)).status_code == 403
    assert (await local.post("/v1/audio/speech", json=said, headers=key)).status_code == 200
    assert (await local.get("/v1/models", headers={"host": "evil.example"})).status_code == 401
    assert (await local.get("/v1/models", headers={"host": "evil.example"} | key)).status_code == 200


@pytest.mark.scenario("rebinding")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def test_a_rebound_name_reads_nothing(local, method):
    """A page whose name leads to this machine is of the server's origin to its browser, and gets nothing."""
    page = {"host": "evil.example:8000", "origin": "http://evil.example:8000"}
    paths = ["/", "/page/page.js", "/health", "/health/live", "/metrics", "/v1/models", "/v1/audio/voices"]

    for path in [*paths, "/v1/engines", "/v1/audio/speech", "/nothing", "/v2/models"]:
        answer = await local.request(method, path, headers=page | {"sec-fetch-site": "same-origin"})

        assert answer.status_code == 403, path
        if method == "HEAD":
            continue
        error = answer.json()["error"]
        assert error["code"] == "host_not_allowed"
        assert "allowed_hosts" in error["message"]
        assert "'evil.example'" in error["message"]


async def test_a_rebound_name_does_not_speak_in_a_stored_voice(local, runner, kept):
    """Not with a body that the page could read the answer to, either."""
    page = {"host": "evil.example", "origin": "http://evil.example", "sec-fetch-site": "same-origin"}
    before = runner.requests[:]

    answer = await local.post(
        "/v1/audio/speech", json={"input": "Hello.", "model": "mimic", "voice": kept[1]}, headers=page
    )

    assert answer.status_code == 403
    assert runner.requests == before


@pytest.mark.parametrize(
    "host", ["localhost:8000", "[::1]:8000", "192.168.0.1:8000", "speech.example.org", "app.localhost"]
)
async def test_known_names_are_served(local, host):
    """The machine's own, addresses, and those of the setting."""
    assert (await local.get("/v1/models", headers={"host": host})).status_code == 200


@pytest.mark.scenario("bad-host")
@pytest.mark.parametrize("host", ["", "a b", "localhost/x", "user@localhost", "localhost:x"])
async def test_what_is_no_host_is_a_400(local, host):
    """In OpenAI's shape, and before any route is looked for."""
    for path in ("/v1/models", "/nothing"):
        answer = await local.get(path, headers={"host": host})

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_host")


async def test_two_hosts_are_a_400(local):
    """A proxy in front might have read the other one."""
    answer = await local.get("/v1/models", headers=[("host", HOST), ("host", HOST)])

    assert answer.json()["error"]["code"] == "invalid_host"


async def test_refusals_are_logged_and_counted(local, capsys):
    """The operator learns which page it was, or under which name, and so what to allow."""
    await local.post("/v1/audio/speech", headers=FOREIGN | {"origin": "https://" + "e" * 5000})
    await local.get("/v1/models", headers={"host": "evil.example"})
    series = (await local.get("/metrics")).text

    log = capsys.readouterr().out
    assert "error=OriginNotAllowedError" in log
    assert "origin=https://eeee" in log
    assert "e" * 200 not in log
    assert "error=HostNotAllowedError" in log
    assert "evil.example" in log
    assert 'status="403"' in series


async def test_the_body_of_a_refused_request_is_not_read(app):
    """A foreign page cannot make the server take an upload."""
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/audio/transcriptions",
        "query_string": b"",
        "headers": [(b"host", HOST.encode()), (b"origin", EVIL.encode()), (b"content-length", b"50000000")],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }
    rebound = {**scope, "headers": [(b"host", b"evil.example"), (b"content-length", b"50000000")]}
    await app(scope, receive, send)
    await app(rebound, receive, send)

    assert [message["status"] for message in sent if "status" in message] == [403, 403]
