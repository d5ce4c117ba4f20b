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


@pytest.mark.parametrize("query", ["", "?model_id=mouth", "?model_id=tts-1"])
async def test_voices_as_speaches_lists_them(http, query):
    """Its clients read model_id and voice_id of a bare list, and validate the rest."""
    answer = (await http.get(f"/v1/audio/speech/voices{query}")).json()

    assert [(voice["model_id"], voice["voice_id"]) for voice in answer] == [
        ("mouth", "anna"),
        ("mouth", "bert"),
    ]
    assert answer[0] | {"created": 0} == {
        "id": "mouth/anna",
        "object": "voice",
        "model_id": "mouth",
        "voice_id": "anna",
        "created": 0,
        "owned_by": "engine-of-mouth",
        "sample_rate": 24_000,
        "model_path": "",
    }


async def test_speaches_voices_of_an_unknown_model(http):
    """A 404, and not an empty list that looks like an answer."""
    answer = await http.get("/v1/audio/speech/voices?model_id=nope")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_wyoming_openai_finds_the_voices_of_a_model(http):
    """In its SPEACHES mode it reads voices[].name of the model, and asks for speech by that name."""
    model = (await http.get("/models/tts-1")).json()
    names = [voice["name"] for voice in model["voices"]]

    assert names == ["Anna", "bert"]
    for name in names:
        spoken = await http.post("/audio/speech", json={"model": "tts-1", "input": "Hi.", "voice": name})
        assert spoken.status_code == 200


async def test_audio_models(http):
    """Clients read models[].id."""
    answer = (await http.get("/v1/audio/models")).json()

    assert {"ears", "mouth", "whisper-1", "tts-1"} <= {model["id"] for model in answer["models"]}


async def test_capabilities_are_told(client):
    """A model's extra fields say what it can do."""
    model = await client.models.retrieve("ears")

    assert model.capabilities["word_timestamps"] is True
    assert model.capabilities["sample_rate"] == 16_000
