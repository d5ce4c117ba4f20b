"""Operators' routes under /v1/engines."""

from typing import get_args

import httpx2
import pytest

from speechhub.engine import Slot
from speechhub.http.app import create_app
from speechhub.http.schemas.health import SlotName
from speechhub.hub import Hub
from speechhub.settings import Secret, Settings
from tests.fakes.runner import FakeRunner
from tests.http.conftest import hub_of


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


async def states(http):
    """Return the state of every model that is not unloaded."""
    data = (await http.get("/v1/engines")).json()["data"]
    return {it["id"]: it["state"] for it in data if it["state"] != "unloaded"}


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"slot": "stt"}, "ears"),
        ({"slot": "STT", "model": None}, "ears"),
        ({"slot": "tts"}, "mouth"),
        ({"slot": "tts", "model": "mimic"}, "mimic"),
        ({"slot": "stt", "model": "my-ears"}, "ears"),
    ],
)
async def test_a_slot_is_switched_to_a_model(http, body, model):
    """Without a name it is the slot's default; an alias will do."""
    answer = await http.post("/v1/engines/switch", json=body)

    assert (answer.status_code, answer.json()["id"], answer.json()["state"]) == (200, model, "ready")
    assert await states(http) == {model: "ready"}


async def test_a_slot_is_unloaded(http):
    """All of its models are, and no others."""
    for name in ("ears", "bare-ears", "mouth"):
        await ask(http, "load", name)

    answer = await http.post("/v1/engines/unload", json={"slot": "stt"})

    assert answer.json()["object"] == "list"
    assert {it["id"]: it["state"] for it in answer.json()["data"]} == dict.fromkeys(
        ("ears", "bare-ears"), "unloaded"
    )
    assert await states(http) == {"mouth": "ready"}


@pytest.mark.parametrize(
    ("what", "body", "status", "param"),
    [
        ("switch", {}, 400, "slot"),
        ("switch", {"slot": "ocr"}, 400, "slot"),
        ("switch", {"model": "ears"}, 400, "slot"),
        ("switch", {"slot": "tts", "model": "ears"}, 404, "model"),
        ("switch", {"slot": "tts", "model": "nope"}, 404, "model"),
        ("unload", {"slot": "ocr"}, 400, "slot"),
        ("unload", {"slot": "stt", "model": "ears"}, 400, "slot"),
        ("unload", {"model": None}, 400, "model"),
    ],
)
async def test_what_names_no_slot_or_too_much_is_refused(http, what, body, status, param):
    """With the field at fault; nothing is loaded."""
    answer = await http.post(f"/v1/engines/{what}", json=body)

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert await states(http) == {}


async def test_a_slot_without_a_model_cannot_be_switched(tmp_path):
    """The error says so, as for requests."""
    hub = hub_of(Settings(home=tmp_path), FakeRunner({}), models={})
    transport = httpx2.ASGITransport(create_app(hub))
    async with hub, httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
        answer = await http.post("/v1/engines/switch", json={"slot": "stt"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_the_names_of_slots_are_those_of_engines():
    """The API's words are the engine's."""
    assert set(get_args(SlotName)) == {slot.value for slot in Slot}


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


@pytest.mark.scenario("client-key")
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
