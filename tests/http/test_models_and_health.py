"""GET /v1/models, /health and /."""

import asyncio

import openai
import pytest

from speechhub.store import Licences
from tests.http.conftest import MODELS, wav


@pytest.mark.mission("11.5")
async def test_models_are_listed_with_their_aliases(client):
    """Models come first, then the names that stand for them; all have OpenAI's four fields."""
    models = [model async for model in client.models.list()]

    names = [model.id for model in models]
    assert names[:4] == ["bare-ears", "bound", "ears", "mimic"]
    assert {"whisper-1", "tts-1", "gpt-4o-mini-tts", "my-ears"} <= set(names)
    assert all(model.object == "model" and model.created > 0 and model.owned_by for model in models)
    assert {m.id: m.alias_of for m in models}["whisper-1"] == "ears"


async def test_one_model(client):
    """A model tells its task, state, languages and voices; an alias what it stands for."""
    mouth = await client.models.retrieve("mouth")
    alias = await client.models.retrieve("tts-1")

    assert (mouth.task, mouth.state) == ("tts", "unloaded")
    assert mouth.voices == [{"id": "anna", "name": "Anna"}, {"id": "bert", "name": "bert"}]
    assert (alias.id, alias.alias_of) == ("tts-1", "mouth")


async def test_a_model_can_do_what_its_parts_let_it(client, hub, monkeypatch):
    """What needs a part that is not there is told as not possible."""
    whole = await client.models.retrieve("ears")
    monkeypatch.setattr(hub.catalog, "lacks", lambda placement: {"word_timestamps": None})

    assert whole.capabilities["word_timestamps"] is True
    assert (await client.models.retrieve("ears")).capabilities["word_timestamps"] is False


@pytest.mark.scenario("unknown-model")
@pytest.mark.parametrize("name", ["nope", "Systran/faster-whisper-small"])
async def test_unknown_model(client, name):
    """An unknown id, with a slash or without, is a 404 with OpenAI's code."""
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve(name)

    assert caught.value.code == "model_not_found"


@pytest.mark.scenario("model-not-installed")
@pytest.mark.parametrize(
    ("name", "engine", "model", "does"),
    [
        ("qwen3-asr-0.6b", "qwen-asr", "qwen3-asr-0.6b", "transcribe"),
        ("Qwen/Qwen3-ASR-0.6B", "qwen-asr", "qwen3-asr-0.6b", "transcribe"),
        ("indextts-2", "indextts", "indextts-2 --accept-license", "speak"),
        ("indextts2", "indextts", "indextts-2 --accept-license", "speak"),
    ],
)
async def test_a_model_that_is_not_installed(client, http, name, engine, model, does):
    """Each way to ask for it says which commands bring it, but for the work that it cannot do."""
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve(name)
    spoken = await http.post("/v1/audio/speech", json={"model": name, "input": "Hello", "voice": "alloy"})
    file = {"file": ("a.wav", wav(0.5))}
    heard = await http.post("/v1/audio/transcriptions", data={"model": name}, files=file)
    switched = await http.post("/v1/engines/load", json={"model": name})

    able, unable = (spoken, heard) if does == "speak" else (heard, spoken)
    refused = unable.json()["error"]
    assert (unable.status_code, refused["code"], refused["param"]) == (404, "model_not_found", "model")
    assert refused["message"].startswith(f"The model '{name}' can {does}, but cannot ")
    for answer in (caught.value.response, able, switched):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
        assert f"speechhub engines install {engine}." in error["message"]
        meant = model.split()[0]
        assert (f"Did you mean '{meant}'? It is not installed here." in error["message"]) == (name != meant)
        assert f"speechhub models pull {model}." in error["message"]


async def test_another_spelling_of_a_model_that_is_here(http):
    """The id that is likely to be meant is named."""
    answer = await http.get("/v1/models/some/EARS")

    assert answer.status_code == 404
    assert "The model 'some/EARS' does not exist. Did you mean 'ears'?" in answer.json()["error"]["message"]


@pytest.mark.mission("3.7", "11.2", "11.4")
async def test_health_tells_the_devices_and_models(http):
    """Health answers without an engine, and names what is there."""
    answer = (await http.get("/health")).json()

    assert answer["status"] == "ok"
    assert answer["devices"] == [
        {
            "name": "cpu",
            "exclusive": False,
            "state": "NONE",
            "current_model": None,
            "ready_models": [],
            "standby": None,
            "switch_s": None,
            "last_switch": None,
        }
    ]
    assert {model["id"] for model in answer["models"]} == set(MODELS)


async def test_health_tells_how_long_switches_took(http):
    """By direction and step: last, mean, median and 95th percentile of those that worked."""
    for what in ("load", "unload", "load"):
        await http.post(f"/v1/engines/{what}", json={"model": "mouth"})

    [switches] = (await http.get("/health")).json()["switches"]
    assert (switches["leaving"], switches["target"], switches["count"]) == (None, "mouth", 2)
    assert set(switches["steps"]) == {"drain", "stop", "verify", "start", "import", "load", "own", "total"}
    assert set(switches["steps"]["total"]) == {"last_s", "mean_s", "p50_s", "p95_s"}


@pytest.mark.mission("2.2")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_root_answers_probes(http, method):
    """Clients warm up with GET or HEAD on the root."""
    answer = await http.request(method, "/")

    assert answer.status_code == 200


async def test_wrong_method_is_an_error_object(http):
    """A 405 has OpenAI's shape too."""
    answer = await http.get("/v1/audio/speech")

    assert answer.status_code == 405
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.mission("2.5")
async def test_browsers_may_call_from_allowed_origins(http):
    """A preflight from an allowed origin passes, with whatever headers the SDK adds."""
    answer = await http.options(
        "/v1/audio/speech",
        headers={
            "origin": "https://a.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,x-stainless-lang",
        },
    )

    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert "x-stainless-lang" in answer.headers["access-control-allow-headers"]


async def test_licences_are_told(client, hub, settings):
    """By name, with whether the operator has accepted one that has conditions; at once when that changes."""
    bound = await client.models.retrieve("bound")
    assert (bound.licence, bound.licence_accepted) == ("Own-1.0", False)
    assert (await client.models.retrieve("ears")).licence_accepted

    Licences(settings.licences_file).accept([hub.catalog.find("bound").placement.model])

    assert (await client.models.retrieve("bound")).licence_accepted


async def test_health_tells_the_state_of_each_model(http, hub, fleet):
    """A model that is loaded, one that is loading, one that ends, and those that are not here."""

    async def shown(model, state):
        async with asyncio.timeout(5):
            while (answer := (await http.get("/health")).json())["models"] != []:
                states = {it["id"]: it["state"] for it in answer["models"]}
                if states[model] == state:
                    return states, answer["devices"][0]["state"]
                await asyncio.sleep(0)
        raise AssertionError("health tells no models")

    await hub.manager.switch_to("ears")
    fleet.gate.clear()
    coming = asyncio.ensure_future(hub.manager.switch_to("mouth"))
    loading = await shown("mouth", "loading")
    fleet.gate.set()
    await coming
    fleet.stop_gate.clear()
    going = [asyncio.ensure_future(hub.manager.unload(model)) for model in ("ears", "mouth")]
    ending = await shown("mouth", "stopping")
    fleet.stop_gate.set()
    await asyncio.gather(*going)

    away = {"bare-ears": "unloaded", "mimic": "unloaded", "bound": "unloaded"}
    assert loading == ({"ears": "ready", "mouth": "loading"} | away, "STT")
    assert ending == ({"ears": "stopping", "mouth": "stopping"} | away, "UNLOADING")
    assert await shown("ears", "unloaded") == ({"ears": "unloaded", "mouth": "unloaded"} | away, "NONE")
