"""Several hubs at one address: which one answers, and which one an operator means."""

import httpx2
import pytest

from speechhub.http.app import create_app
from speechhub.services.replicas import Alone
from speechhub.settings import Secret, Settings
from tests.fakes.replicas import FakeReplicas
from tests.http.conftest import hub_of

LOAD = {"model": "mouth"}


@pytest.fixture
async def hub(hub):
    hub.replicas = FakeReplicas("b", "a")
    return hub


@pytest.mark.parametrize("query", ["", "?replica=b", "?replica="])
async def test_each_answer_says_which_replica_gave_it(http, query):
    """A reader may name the replica, or take any."""
    health = (await http.get(f"/health{query}")).json()
    engines = (await http.get(f"/v1/engines{query}")).json()

    assert (health["replica"], health["replicas"]) == ("b", ["a", "b"])
    assert engines["replica"] == "b"
    assert {model["replica"] for model in (*health["models"], *engines["data"])} == {"b"}


async def test_a_named_replica_is_operated(http, fleet):
    loaded = await http.post("/v1/engines/load?replica=b", json=LOAD)
    gone = await http.post("/v1/engines/unload?replica=b", json={"slot": "tts"})

    assert (loaded.json()["replica"], loaded.json()["state"]) == ("b", "ready")
    assert gone.json()["replica"] == "b"


@pytest.mark.scenario("replica-needed")
@pytest.mark.parametrize("action", ["load", "switch", "unload", "pin", "unpin"])
async def test_no_random_replica_is_changed(http, fleet, action):
    """The error names the replicas, and comes before anything in the body counts."""
    refused = await http.post(f"/v1/engines/{action}", json={"nonsense": 1})

    error = refused.json()["error"]
    assert refused.status_code == 400
    assert (error["code"], error["param"]) == ("missing_required_parameter", "replica")
    assert "a, b" in error["message"]
    assert not fleet.started


@pytest.mark.scenario("replica-gone")
@pytest.mark.parametrize("path", ["/health", "/v1/engines", "/v1/engines/story", "/v1/engines/load"])
async def test_a_replica_that_is_gone_is_not_replaced_by_another(http, fleet, path):
    """What reaches this hub for another one reached it because that one does not answer."""
    method = "POST" if path.endswith("load") else "GET"
    refused = await http.request(method, f"{path}?replica=gone", json=LOAD if method == "POST" else None)

    error = refused.json()["error"]
    assert refused.status_code == 404
    assert (error["code"], error["param"]) == ("replica_not_found", "replica")
    assert "'gone'" in error["message"]
    assert "a, b" in error["message"]
    assert not fleet.started


async def test_a_hub_that_is_alone_takes_all(http, hub):
    """Programs that name a replica work with one server, too, whatever the name."""
    hub.replicas = Alone()

    health = (await http.get("/health?replica=x")).json()
    loaded = await http.post("/v1/engines/load?replica=x", json=LOAD)

    assert (health["replica"], health["replicas"]) == (None, [])
    assert (loaded.status_code, loaded.json()["replica"]) == (200, None)


async def test_strangers_learn_no_names(tmp_path, runner):
    """Without a key there is only the status; operators' routes are refused as ever."""
    settings = Settings(home=tmp_path, api_keys=(Secret("right"),), inspectable=True)
    async with hub_of(settings, runner) as hub:
        hub.replicas = FakeReplicas("b", "a")
        transport = httpx2.ASGITransport(create_app(hub))
        async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
            health = await http.get("/health?replica=gone")
            refused = await http.post("/v1/engines/load?replica=gone", json=LOAD)

    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert refused.status_code == 401
