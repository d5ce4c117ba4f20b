"""GET /v1/audio/voices and /v1/audio/models, as clients probe them."""

import pytest


@pytest.mark.parametrize("query", ["", "?model=mouth", "?model=tts-1"])
async def test_voices_have_id_and_name(http, query):
    """Open WebUI and others read voices[].id and voices[].name."""
    answer = (await http.get(f"/v1/audio/voices{query}")).json()

    assert [(voice["id"], voice["name"]) for voice in answer["voices"]] == [
        ("anna", "Anna"),
        ("bert", "bert"),
    ]
    assert {voice["model"] for voice in answer["voices"]} == {"mouth"}


async def test_to_ask_a_cloning_model_costs_no_switch(http, runner):
    """A model that clones may have no voice of its own, and is not loaded to find that out."""
    answer = (await http.get("/v1/audio/voices?model=mimic")).json()

    assert answer["voices"] == []
    assert runner.switched == []


async def test_voices_of_an_unknown_model(http):
    """A model that is not here is a 404."""
    answer = await http.get("/v1/audio/voices?model=nope")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_audio_models(http):
    """Clients read models[].id."""
    answer = (await http.get("/v1/audio/models")).json()

    assert {"ears", "mouth", "whisper-1", "tts-1"} <= {model["id"] for model in answer["models"]}


async def test_capabilities_are_told(client):
    """A model's extra fields say what it can do."""
    model = await client.models.retrieve("ears")

    assert model.capabilities["word_timestamps"] is True
    assert model.capabilities["sample_rate"] == 16_000
