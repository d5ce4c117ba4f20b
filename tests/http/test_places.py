"""Paths and addresses of the server's machine: for operators and the log, not for other clients."""

import httpx2
import msgspec
import pytest
import structlog.testing

from speechhub.discovery import BrokenPlugin
from speechhub.errors import EngineLoadError, ModelFilesError, StorageError
from speechhub.home import Damage
from speechhub.http.app import create_app
from speechhub.services.inspection import Finding
from speechhub.settings import Secret
from tests.http.conftest import hub_of

PLACE = "/home/alice/.speechhub/models/ears"
ADDRESS = "http://mirror.corp.internal/api"
FAILURES = {
    "files": ModelFilesError(f"Model 'ears': there is no folder {PLACE}, and {ADDRESS} does not answer"),
    "load": EngineLoadError(f"OSError: [Errno 2] No such file: '{PLACE}' (in stt.py:40 load)"),
    "storage": StorageError(f"{PLACE} cannot be written"),
}
KEYS = {"client": "client-key", "operator": "admin-key"}


@pytest.fixture
async def ask(settings, runner):
    """Send a request with a key, to a server that has clients' and operators' keys."""
    keyed = msgspec.structs.replace(
        settings, api_keys=(Secret(KEYS["client"]),), admin_keys=(Secret(KEYS["operator"]),)
    )
    hub = hub_of(keyed, runner)
    hub.broken_plugins = [BrokenPlugin(entry_point="x", distribution="x 1", error=f"no file {PLACE}")]
    hub.findings = [Finding(subject="models.m", text=f"there is no folder {PLACE}.", breaks=True)]
    hub.damages.note(Damage(path=hub.settings.home / "aliases.json", problem="is empty"))
    async with hub:
        transport = httpx2.ASGITransport(create_app(hub), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:

            async def send(who, method, path, **fields):
                headers = {"authorization": f"Bearer {KEYS[who]}"}
                return await client.request(method, path, headers=headers, **fields)

            yield send


@pytest.mark.scenario("path-in-message")
@pytest.mark.parametrize("stream_format", ["audio", "sse"])
@pytest.mark.parametrize("what", FAILURES)
async def test_only_operators_read_places(ask, runner, what, stream_format):
    """A client is told what happened; the whole stands in the log's line, and in an operator's answer."""
    runner.error = FAILURES[what]
    body = {"model": "mouth", "input": "x", "stream_format": stream_format}

    with structlog.testing.capture_logs() as logs:
        client = await ask("client", "POST", "/v1/audio/speech", json=body)
    operator = await ask("operator", "POST", "/v1/audio/speech", json=body)

    assert client.status_code == operator.status_code >= 500
    assert not [secret for secret in ("alice", "corp") if secret in client.text]
    assert "server" in client.json()["error"]["message"]
    assert PLACE in operator.json()["error"]["message"]
    [line] = [it for it in logs if it["event"] == "request"]
    assert PLACE in line["reason"]


@pytest.mark.scenario("path-in-message")
async def test_health_keeps_places_for_operators(ask):
    """Warnings are theirs; a broken plugin is named to all who have a key, without its folder."""
    client = await ask("client", "GET", "/health")
    operator = await ask("operator", "GET", "/health")

    assert "alice" not in client.text
    assert client.json()["warnings"] == []
    assert client.json()["broken_plugins"][0]["plugin"] == "x 1"
    assert len(operator.json()["warnings"]) == 2
    assert "aliases.json is empty" in operator.json()["warnings"][1]
    assert PLACE in operator.text
