"""Operators' routes under /v1/engines."""

import httpx2
import pytest

from speechhub.http.app import create_app
from speechhub.hub import Hub
from speechhub.settings import Secret, Settings


async def ask(http, what, model="mouth"):
    return await http.post(f"/v1/engines/{what}", json={"model": model})


async def test_load_and_unload(http):
    """A loaded model is ready when the answer comes, and gone when the other does."""
    loaded = await ask(http, "load", "tts-1")
    listed = {it["id"]: it["state"] for it in (await http.get("/v1/engines")).json()["data"]}
    gone = await ask(http, "unload")

    assert (loaded.status_code, loaded.json()["id"], loaded.json()["state"]) == (200, "mouth", "ready")
    assert {model for model, state in listed.items() if state != "unloaded"} == {"mouth"}
    assert listed["mouth"] == "ready"
    assert gone.json()["state"] == "unloaded"


async def test_pin_and_unpin(http):
    """A pin shows, and ends; ending none is no error."""
    pinned = await ask(http, "pin")
    free = await ask(http, "unpin")

    assert (pinned.json()["pinned"], free.json()["pinned"]) == (True, False)
    assert (await ask(http, "unpin")).status_code == 200


@pytest.mark.parametrize("what", ["load", "unload", "pin", "unpin"])
async def test_fields_that_have_no_effect_are_told(http, what):
    """By name, in a header."""
    answer = await http.post(f"/v1/engines/{what}", json={"model": "mouth", "device": "cuda:1"})

    assert (answer.status_code, answer.headers["x-ignored-fields"]) == (200, "device")


@pytest.mark.parametrize("what", ["load", "unload", "pin", "unpin"])
async def test_unknown_models_and_bodies(http, what):
    """What is not there is a 404, what is no name a 400, both with OpenAI's error object."""
    unknown = await ask(http, what, "nope")
    empty = await http.post(f"/v1/engines/{what}", json={})

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert empty.status_code == 400
    assert "model" in empty.json()["error"]["message"]


@pytest.mark.parametrize(
    ("api_keys", "admin_keys", "expected"),
    [
        ("", "", {"": 200, "api": 200, "admin": 200}),
        ("api", "", {"": 401, "api": 200, "admin": 401}),
        ("", "admin", {"": 403, "api": 403, "admin": 200}),
        ("api", "admin", {"": 401, "api": 403, "admin": 200}),
    ],
)
async def test_who_may_operate(tmp_path, api_keys, admin_keys, expected):
    """Operators' keys are asked for if there are some; otherwise clients may do it."""
    keys = {"api_keys": api_keys, "admin_keys": admin_keys}
    given = {name: (Secret(text),) for name, text in keys.items() if text}
    transport = httpx2.ASGITransport(create_app(Hub.assemble(Settings(home=tmp_path, **given))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
        answers = {
            key: await http.get("/v1/engines", headers={"authorization": f"Bearer {key}"} if key else {})
            for key in expected
        }
        told = {
            key: await http.get("/health", headers={"authorization": f"Bearer {key}"} if key else {})
            for key in expected
        }
        models = await http.get("/v1/models", headers={"authorization": "Bearer admin"})

    assert {key: answer.status_code for key, answer in answers.items()} == expected
    codes = {a.json()["error"]["code"] for a in answers.values() if a.status_code == 403}
    assert codes <= {"operator_key_required"}
    assert {key: it.json().get("operator", False) for key, it in told.items()} == {
        key: status == 200 for key, status in expected.items()
    }
    assert models.status_code == (401 if api_keys and not admin_keys else 200)
