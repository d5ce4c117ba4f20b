"""GET /metrics, and what health tells beyond the state."""

import json
import re
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from speechhub.http.app import create_app
from speechhub.hub import Hub
from speechhub.lifecycle.scheduler.events import Requested
from speechhub.server import connections
from speechhub.settings import Secret, Settings
from tests.fakes.replicas import FakeReplicas
from tests.http.conftest import MODELS

DOCS = Path(__file__).parents[2] / "docs"


async def series(http):
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_requests_are_counted_by_route(http):
    """The route is a template: a client that asks for a thousand models makes one series."""
    for name in ("nope", "nope2"):
        await http.get(f"/v1/models/{name}")
    await http.get("/nowhere/at/all")

    found = await series(http)
    routes = {dict(k[1:])["route"]: v for k, v in found.items() if k[0] == "speechhub_http_requests_total"}
    assert routes == {"/v1/models/{model_id}": 2, "none": 1}


@pytest.mark.mission("11.8")
async def test_speech_tells_its_time_to_first_audio(client, http):
    """The label is the model that spoke, not the name that the client used."""
    await client.audio.speech.create(model="tts-1", voice="anna", input="Hello.")

    found = await series(http)
    assert found["speechhub_time_to_first_audio_seconds_count", ("model", "mouth")] == 1


async def test_queues_are_told(http):
    """Every model has its depth, also one that nobody asked for yet."""
    found = await series(http)

    assert {key[1][1] for key in found if key[0] == "speechhub_queue_depth"} == set(MODELS)


async def test_metrics_need_a_key_unless_they_are_open(tmp_path):
    """Like other routes; the setting opens this one alone."""
    for metrics_open, status in ((False, 401), (True, 200)):
        settings = Settings(home=tmp_path, api_keys=(Secret("k"),), metrics_open=metrics_open)
        transport = httpx2.ASGITransport(create_app(Hub.assemble(settings)), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
            assert (await http.get("/metrics")).status_code == status
            assert (await http.get("/v1/models")).status_code == 401


@pytest.mark.mission("11.9")
async def test_what_alerts_watch_begins_at_zero(http):
    """An alert on the first crash needs the step from 0 to 1."""
    found = await series(http)

    assert found["speechhub_worker_exits_total", ("cause", "crashed")] == 0
    assert found["speechhub_switches_total", ("result", "failed")] == 0


async def shown_families(http):
    """Return the names of all families: those of the hub, and those of the process around it."""
    answer = await http.get("/metrics")
    return [
        *re.findall(r"^# TYPE (\w+)", answer.text, re.MULTILINE),
        *(family.name for family in connections.families(1)),
    ]


@pytest.mark.mission("18.6")
@pytest.mark.parametrize(
    "page", ["metrics.md", "grafana-dashboard.json", "alerts.md", "../deploy/prometheus/alerts.yaml"]
)
async def test_documents_name_series_that_exist(http, client, page):
    """Every series of the dashboard and of the page is one that /metrics has, by its name."""
    families = set(await shown_families(http))
    known = families | {f"{name}_{end}" for name in families for end in ("bucket", "sum", "count")}
    text = (DOCS / page).read_text("utf-8")
    if page.endswith(".json"):
        text = "\n".join(t["expr"] for panel in json.loads(text)["panels"] for t in panel["targets"])

    named = set(re.findall(r"speechhub_\w+", text))
    assert named
    assert named - known == set()


@pytest.mark.mission("4.5", "11.7")
async def test_every_series_is_explained(http):
    """Each series of /metrics stands on its page."""
    text = (DOCS / "metrics.md").read_text("utf-8")
    families = sorted(await shown_families(http))

    shown = [name for name in families if not name.endswith("_created")]
    assert {"speechhub_http_requests_total", "speechhub_queue_depth", "speechhub_switches_total"} <= set(
        shown
    )
    assert [name for name in shown if f"`{name}`" not in text] == []


async def test_health_tells_that_there_is_no_gpu(http):
    """A machine without a GPU says so plainly, and is well."""
    health = (await http.get("/health")).json()

    assert (health["status"], health["gpus"]) == ("ok", [])
    assert health["gpu_problem"] == "There is no GPU here."


NO_ENGINE = "nothing in the record says why; cpu has no engine."


@pytest.mark.scenario("queue-stuck")
@pytest.mark.invariant("stuck-is-seen")
async def test_a_stuck_engine_degrades_the_server(http, hub):
    """Somebody waits, nothing moves: health says degraded, also to strangers and to Prometheus."""
    before = (await http.get("/health")).json()
    hub.observation.journal(Requested(ticket=10**9, model="ears"), [], -1e6)

    health = (await http.get("/health")).json()

    assert before["status"] == "ok"
    assert (before["story"], health["status"], health["stalled"]) == ([], "degraded", ["ears"])
    assert health["story"][0].startswith("request 1000000000 for ears waits, ")
    assert health["story"][-1].endswith(" s ago, cpu: request 1000000000 for ears waits: " + NO_ENGINE)
    ears = next(model for model in health["models"] if model["id"] == "ears")
    assert ears["oldest_wait_s"] > 1e5
    assert (await series(http))["speechhub_queue_stalled", ("model", "ears")] == 1
    assert (await http.get("/health/ready")).status_code == 200


async def test_the_metrics_are_those_of_all_replicas(http, hub):
    """Where several hubs answer at one address, a scrape reaches any of them and gets all."""
    hub.replicas = FakeReplicas("a", "b")

    text = (await http.get("/metrics")).text

    assert "all_speechhub_http_requests_total" in text
