"""GET /v1/engines/story."""

import asyncio

import httpx2
import pytest

from speechhub.errors import UnavailableError
from speechhub.http.app import create_app
from speechhub.http.story import stalled_story
from speechhub.hub import Hub
from speechhub.lifecycle.scheduler.events import Exited, Fetched, Loaded, NotFreed, Requested
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.lifecycle.scheduler.story import Story
from speechhub.settings import Secret, Settings
from tests.fakes.placements import GPU, placement, placements


@pytest.fixture
async def slow(http, hub, fleet):
    """Have a load that does not end, and a request that waits for it."""
    fleet.gate = asyncio.Event()
    loading = asyncio.create_task(hub.manager.switch_to("mouth"))
    while not fleet.started:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0)
    yield
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)


@pytest.mark.usefixtures("slow")
async def test_it_says_why_a_request_waits(http):
    """In a sentence, beside the events that it follows from."""
    told = (await http.get("/v1/engines/story", params={"model": "tts-1"})).json()

    [wait] = told["waiting"]
    assert (told["object"], wait["model"], wait["requests"]) == ("story", "mouth", [1])
    assert wait["reason"].startswith("mouth has been loading on cpu for ")
    assert [moment["event"]["type"] for moment in told["moments"]] == ["Requested", "Fetched"]
    assert told["moments"][0]["event"]["deadline"] is None
    assert told["moments"][1]["effects"] == [{"type": "Load", "model": "mouth", "epoch": 1, "unasked": None}]
    assert told["moments"][1]["lines"][-1] == "loading mouth on cpu, for request 1."
    assert all(moment["at_s"] <= told["now_s"] for moment in told["moments"])


async def test_without_requests_it_is_empty(http):
    """A server that did nothing yet has nothing to tell."""
    told = (await http.get("/v1/engines/story")).json()

    assert (told["waiting"], told["moments"]) == ([], [])


async def test_it_is_for_operators(tmp_path):
    """As all routes below /v1/engines: it names models that others use."""
    keys = {"api_keys": (Secret("api"),), "admin_keys": (Secret("admin"),)}
    transport = httpx2.ASGITransport(create_app(Hub.assemble(Settings(home=tmp_path, **keys))))
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as http:
        answers = [
            (await http.get("/v1/engines/story", headers={"authorization": f"Bearer {key}"})).status_code
            for key in ("api", "admin")
        ]

    assert answers == [403, 200]


def test_a_stalled_server_tells_operators_what_happened_and_others_why_they_wait():
    """Paths of the server's machine are for operators; so is what happened before."""
    models = placements(placement("ears", device=GPU), placement("mouth", device=GPU))
    scheduler, story = Scheduler(models, Limits()), Story(models)
    held = UnavailableError("Process 4711 (/opt/other/program) holds 2 GB.")
    for event in (
        Requested(ticket=1, model="ears"),
        Fetched(model="ears"),
        Loaded(model="ears", epoch=1),
        Exited(model="ears", epoch=1),
        NotFreed(model="ears", epoch=1, error=held),
        Requested(ticket=2, model="ears"),
    ):
        story.note(event, scheduler.handle(event, 5.0), 5.0)

    told, public = (stalled_story(story, ["ears"], 65.0, operator=operator) for operator in (True, False))

    assert told[0].startswith(
        "request 2 for ears waits, 60.0 s so far: the process of ears ended, and cuda:0 "
    )
    assert "60.0 s ago, cuda:0: ears is ready." in told
    assert len(public) == 1
    assert "/opt" in told[0]
    assert "/opt" not in public[0]
    assert stalled_story(story, [], 65.0, operator=True) == []
