"""A model that is not on its best device: where it is told, and to whom."""

from dataclasses import replace

import httpx2
import msgspec
import pytest

from speechhub.http.app import create_app
from speechhub.settings import Secret

NOTE = "No cuBLAS: /home/alice/.venv/bin/python -m pip install nvidia-cublas-cu12"


@pytest.fixture
async def ask(settings, hub):
    """Ask a server that has a client's and an operator's key, and a model that could not use the GPU."""
    placed = hub.manager.placements
    placed["ears"] = replace(placed["ears"], device_note=NOTE)
    keyed = msgspec.structs.replace(settings, api_keys=(Secret("client"),), admin_keys=(Secret("operator"),))
    hub.settings = keyed
    async with hub:
        transport = httpx2.ASGITransport(create_app(hub), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:

            async def get(who, path):
                return (await client.get(path, headers={"authorization": f"Bearer {who}"})).json()

            yield get


async def test_operators_read_the_command_in_health(ask):
    health = await ask("operator", "/health")

    assert health["warnings"] == [f"engine engine-of-ears: {NOTE}"]
    assert {it["id"]: it["device_note"] for it in health["models"]}["ears"] == NOTE
    assert {it["device_note"] for it in health["models"]} == {NOTE, ""}


async def test_clients_read_why_and_no_paths(ask):
    health = await ask("client", "/health")
    model = await ask("client", "/v1/models/ears")
    alias = await ask("client", "/v1/models/whisper-1")
    other = await ask("client", "/v1/models/mouth")

    assert health["warnings"] == []
    [note] = {it["device_note"] for it in health["models"]} - {""}
    assert note == model["device_note"] == alias["device_note"]
    assert "No cuBLAS" in note
    assert "alice" not in note
    assert other["device_note"] == ""


async def test_a_model_is_told_where_it_is_now(ask, hub):
    """After a fall-back, too, whatever it was placed on at the start."""
    placed = hub.manager.placements
    placed["ears"] = replace(placed["ears"], device=replace(placed["ears"].device, name="cuda:5"))

    assert (await ask("client", "/v1/models/ears"))["device"] == "cuda:5"


async def test_what_was_given_up_at_load_is_told_with_the_model(ask, hub, fleet):
    """Beside why it is not elsewhere, and without paths for clients."""
    fleet.remarks = ("For lack of memory: one beam; see /home/alice/log.",)
    await hub.manager.switch_to("mouth")

    told = {it["id"]: it["device_note"] for it in (await ask("operator", "/health"))["models"]}["mouth"]
    public = (await ask("client", "/v1/models/mouth"))["device_note"]

    assert told == fleet.remarks[0]
    assert public.startswith("For lack of memory: one beam")
    assert "alice" not in public
