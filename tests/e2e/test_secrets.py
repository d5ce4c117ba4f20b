"""What a server tells nobody, wherever it comes from: keys; and what it never makes a file of: names."""

import json
import subprocess
import sys
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.conftest import ECHO
from tests.e2e.server import serving
from tests.http.conftest import wav

pytestmark = pytest.mark.unhurried

KEYS = {"SPEECHHUB_API_KEYS": "hush-first,hush-second", "SPEECHHUB_ADMIN_KEYS": "hush-admin"}
WRONG = "hush-wrong"
GOOD = {"authorization": "Bearer hush-first"}
ELSEWHERE = "../../../../tmp/hush-escaped"
NAMES = [
    ELSEWHERE,
    "/etc/hush-passwd",
    "hush\x00.wav",
    "a/../../hush.wav",
    "~/hush",
    "C:\\hush.wav",
    "hush" * 500,
]


@pytest.fixture(scope="module")
def secretive(tmp_path_factory):
    """A server with keys that logs all it has to say."""
    home = tmp_path_factory.mktemp("secretive")
    with serving(home, **ECHO, **KEYS, SPEECHHUB_LOG_LEVEL="debug", HF_TOKEN="hush-token") as server:
        yield server, home


def everything_asked(url):
    """Show keys, right and wrong, in every place that a client may put them in; return the answers."""
    tone = {"file": wav(1)}
    with httpx.Client(base_url=url, timeout=30) as http:
        yield http.get("/v1/models", headers=GOOD)
        yield http.get("/v1/models", headers={"api-key": "hush-second"})
        yield http.get("/v1/models", headers={"authorization": f"Bearer {WRONG}"})
        yield http.get("/v1/models", headers={"authorization": f"Basic {WRONG}"})
        yield http.get("/v1/models", headers={"x-api-key": "hush-first"})
        yield http.get("/v1/models", headers=GOOD, params={"api_key": WRONG, "key": "hush-first"})
        yield http.get("/v1/models", params={"api_key": "hush-first"})
        yield http.get("/metrics", headers=GOOD)
        yield http.get("/health", headers=GOOD)
        yield http.get("/v1/engines", headers=GOOD)
        yield http.get("/v1/engines", headers={"authorization": "Bearer hush-admin"})
        yield http.post("/v1/engines/load", headers=GOOD, json={"model": "echo-stt"})
        yield http.post("/v1/audio/transcriptions", headers=GOOD, files=tone, data={"api_key": WRONG})
        yield http.post("/v1/audio/transcriptions", headers=GOOD, files=tone, data={"temperature": WRONG})
        yield http.post("/v1/audio/transcriptions", headers=GOOD, files={"file": WRONG.encode()})
        yield http.post("/v1/audio/speech", headers=GOOD, json={"input": "Hello.", "api_key": WRONG})
        yield http.post("/v1/audio/speech", headers=GOOD, json={"input": 7, "speed": WRONG})
        yield http.post("/v1/audio/speech", headers=GOOD, content=WRONG)
        yield http.request("HUSH", "/v1/models", headers=GOOD)


@pytest.mark.mission("18.10")
def test_no_key_reaches_the_log_or_an_answer(secretive):
    """Not from a header, a query, a form, JSON or the settings, whether it is right or wrong."""
    server, _ = secretive

    answers = list(everything_asked(server.url))

    # Some refusals repeat a field's wrong value to who sent it; the right keys are in none.
    own = ("hush-first", "hush-second", "hush-admin", "hush-token")
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 403}
    assert [a.url for a in answers if any(key in a.text + str(a.headers) for key in own)] == []
    assert len(server.logged("request")) >= len(answers) - 2
    assert "hush" not in server.log_text().lower().replace('"method": "hush"', "")


@pytest.mark.parametrize("command", [["doctor"], ["engines"], ["models", "list"], ["serve", "--port", "-1"]])
def test_no_command_shows_a_key(tmp_path, monkeypatch, command):
    """Neither what is well nor what is wrong is told with a key in it."""
    for name, value in (KEYS | ECHO | {"SPEECHHUB_HOME": str(tmp_path), "HF_TOKEN": "hush-token"}).items():
        monkeypatch.setenv(name, value)

    done = subprocess.run(
        [sys.executable, "-m", "speechhub", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )

    assert done.stdout + done.stderr
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_clients_name_is_never_a_path(secretive, name):
    """File names, models, voices and ids that look like paths name no file, above the home or in it."""
    server, home = secretive
    with httpx.Client(base_url=server.url, timeout=30, headers=GOOD) as http:
        asked = {"name": name, "language": "en"}
        recorded = ("consent.wav", wav(3), "audio/wav")
        http.post("/v1/audio/transcriptions", files={"file": (name.replace("\x00", ""), wav(1))})
        http.post("/v1/audio/transcriptions", files={"file": wav(1)}, data={"model": name})
        http.post("/v1/audio/speech", json={"input": "Hello.", "voice": name})
        http.post("/v1/audio/speech", json={"input": "Hello.", "model": name})
        http.post("/v1/audio/voice_consents", data=asked, files={"recording": recorded})
        http.post("/v1/engines/load", json={"model": name})
        quoted = f"/v1/audio/voices/{quote(name, safe='/')}"
        assert http.get(quoted).status_code in {400, 404}
        assert http.delete(quoted).status_code in {400, 404}

    made = [str(path.relative_to(home)) for path in home.rglob("*")]
    assert [path for path in made if "hush" in path] == []
    assert not [path for path in home.parent.iterdir() if "hush" in path.name]


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/nothing", "/schema/openapi.json"])
def test_every_answer_says_that_its_type_is_its_type(secretive, path):
    """A browser takes no answer for a page or a script that is none; errors too."""
    server, _ = secretive

    for headers in ({}, GOOD):
        answer = httpx.get(server.url + path, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(httpx.get(f"{server.url}/health").text)
