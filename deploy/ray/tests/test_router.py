"""The request router between Ray's own code and the policy: what is counted, and what is kept."""

import asyncio
import gc
import pickle
import weakref
from collections import deque

import pytest
from ray.serve._private.common import (
    DeploymentHandleSource,
    DeploymentID,
    ReplicaID,
    RequestMetadata,
    RequestProtocol,
)
from ray.serve._private.request_router.common import PendingRequest

from speechhub_ray.router import HomesRouter, wish_of_request

DEPLOYMENT = DeploymentID(name="Speechhub", app_name="speechhub")
MANY = 50

pytestmark = pytest.mark.anyio


class Scope:
    """A request as the proxy shows it to its router."""

    def __init__(self, path, headers=()):
        self.asgi_scope = {"type": "http", "method": "POST", "path": path, "headers": headers}


class FakeReplica:
    """As Ray's proxy sees a replica; says how many requests it has as soon as it `answers`."""

    max_ongoing_requests = 10_000

    def __init__(self, name):
        self.replica_id = ReplicaID(unique_id=name, deployment_id=DEPLOYMENT)
        self.routing_stats = {}
        self.answers = asyncio.Event()

    async def get_queue_len(self, *, deadline_s):
        del deadline_s
        await self.answers.wait()
        return 0


def report(name, beat=0, **values):
    model = {"slot": "tts", "default": True, "ready": True, "switch_s": 0.0} | values
    return {"replica": name, "models": {"kokoro": model}, "draining": False, "beat": beat}


def request(number="1", path="/v1/audio/speech", *, model=""):
    headers = [(b"serve_multiplexed_model_id", model.encode())] if model else []
    metadata = RequestMetadata(
        request_id=number,
        internal_request_id=number,
        _request_protocol=RequestProtocol.HTTP,
        multiplexed_model_id=model,
    )
    return PendingRequest(args=[Scope(path, headers)], kwargs={}, metadata=metadata)


@pytest.fixture
async def replicas():
    return [FakeReplica("a"), FakeReplica("b")]


@pytest.fixture
async def router(replicas):
    router = HomesRouter(
        deployment_id=DEPLOYMENT,
        handle_source=DeploymentHandleSource.REPLICA,
        use_replica_queue_len_cache=True,
    )
    router.initialize_state(settle_s=60.0)
    router.update_replicas(replicas)
    return router


def counted(router):
    """Return replica → how many requests the router believes to be there."""
    return {name: len(kept.sent) for name, kept in router._dispatcher._replicas.items()}


def answering(*replicas):
    for replica in replicas:
        replica.answers.set()


async def routed(router, asked, *, is_retry=False):
    chosen = await asyncio.wait_for(router._choose_replica_for_request(asked, is_retry=is_retry), 30)
    return chosen.replica_id


# ── Counts ───────────────────────────────────────────────────────────────────


async def test_a_request_counts_from_its_choice_to_its_end(router, replicas):
    answering(*replicas)

    chosen = await routed(router, request())

    assert counted(router)[chosen.unique_id] == sum(counted(router).values()) == 1
    router.on_request_completed(chosen, "1")
    assert counted(router) == {"a": 0, "b": 0}


async def test_a_request_that_is_given_up_before_it_is_sent_counts_no_more(router, replicas):
    """A client that leaves while no replica says that it is free; Ray tells the router of no end."""
    asked = [asyncio.create_task(routed(router, request(str(number)))) for number in range(MANY)]
    while not sum(counted(router).values()):  # noqa: ASYNC110 - Ray's tasks do it
        await asyncio.sleep(0)

    for task in asked:
        task.cancel()
    await asyncio.wait(asked)

    assert counted(router) == {"a": 0, "b": 0}
    answering(*replicas)
    await routed(router, request("later"))
    assert sum(counted(router).values()) == 1


async def test_a_request_counts_where_it_went_and_not_where_it_should_have_gone(router, replicas):
    """The first in rank does not answer Ray, so the second gets the request."""
    router.update_replicas(replicas)
    first = (await router.choose_replicas(replicas, request("probe")))[0][0]
    router._forget("probe", 0.0)
    second = next(replica for replica in replicas if replica is not first)
    answering(second)

    chosen = await routed(router, request())

    assert chosen == second.replica_id
    assert counted(router) == {first.replica_id.unique_id: 0, second.replica_id.unique_id: 1}


async def test_the_late_end_of_a_lost_try_leaves_the_next_one_counted(router, replicas):
    """Ray sends a request again when its replica died, and tells of the end of the first try afterwards."""
    answering(*replicas)
    asked = request()
    lost = await routed(router, asked)
    router.on_replica_actor_died(lost)
    other = await routed(router, asked, is_retry=True)

    router.on_request_completed(lost, "1")

    assert counted(router) == {other.unique_id: 1}
    router.on_request_completed(other, "1")
    assert counted(router) == {other.unique_id: 0}


# ── What is kept ─────────────────────────────────────────────────────────────


async def test_no_request_that_named_a_model_is_kept(router, replicas):
    """Ray notes requests by the name in the header for a model, which any client may send."""
    answering(*replicas)
    requests = [request(str(number), model=f"m{number}") for number in range(MANY)]
    kept = [weakref.ref(one) for one in requests]

    while requests:
        asked = requests.pop()
        chosen = await routed(router, asked)
        router.on_request_completed(chosen, asked.metadata.internal_request_id)
        del asked
    router._pending_requests_to_fulfill = deque(
        one for one in router._pending_requests_to_fulfill if not one.future.done()
    )  # as Ray itself does at the next request
    await asyncio.sleep(0)
    gc.collect()

    assert not router._pending_requests_by_model_id
    assert not any(one() for one in kept)


# ── Faults ───────────────────────────────────────────────────────────────────


async def test_a_fault_of_the_policy_does_not_hold_a_request(router, replicas, monkeypatch):
    """Ray would log it, and let the request wait for ever."""
    answering(*replicas)

    def rank(wish, now):
        raise ZeroDivisionError

    monkeypatch.setattr(router._dispatcher, "rank", rank)

    assert await routed(router, request()) in {replica.replica_id for replica in replicas}


@pytest.mark.parametrize(
    "stats", [{"models": 1}, {"models": {"m": {"slot": []}}}, {"models": {1: 2}}, {"x": 1}]
)
async def test_reports_of_another_version_are_no_fault(router, replicas, stats):
    answering(*replicas)
    replicas[0].routing_stats = stats
    router.update_replicas(replicas)

    assert await routed(router, request()) in {replica.replica_id for replica in replicas}


# ── Replicas that stop ───────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/models"])
async def test_a_replica_that_reports_no_more_gets_no_requests(router, replicas, monkeypatch, path):
    """It may be the home of the engine, and the one with nothing to do; and it has not been lost."""
    answering(*replicas)
    now = 1000.0
    monkeypatch.setattr("speechhub_ray.router.time.monotonic", lambda: now)
    stopped, other = replicas
    stopped.routing_stats = report("a")
    other.routing_stats = report("b", ready=False, switch_s=9.0, wait_s=20.0)
    router.update_replicas(replicas)
    assert path == "/v1/models" or await routed(router, request("before")) == stopped.replica_id

    for beat in range(1, 4):
        now += 4.0
        other.routing_stats = report("b", beat, ready=False, switch_s=9.0, wait_s=20.0)
        router.update_replicas(replicas)
    for number in range(MANY):
        assert await routed(router, request(str(number), path)) == other.replica_id

    stopped.routing_stats = report("a", 9)
    router.update_replicas(replicas)
    assert await routed(router, request("after", path)) == stopped.replica_id


async def test_a_quiet_time_does_not_make_an_old_report_new(router, replicas, monkeypatch):
    """Reports count from when Ray brings them, and not from the next request on."""
    answering(*replicas)
    now = 1000.0
    monkeypatch.setattr("speechhub_ray.router.time.monotonic", lambda: now)
    stopped, other = replicas
    stopped.routing_stats = report("a")
    other.routing_stats = report("b", switch_s=9.0)
    router.update_replicas(replicas)

    now += 30.0
    other.routing_stats = report("b", 6, ready=False, switch_s=9.0)
    router.update_replicas(replicas)

    assert await routed(router, request()) == other.replica_id


async def test_where_no_replica_reports_all_are_used(router, replicas, monkeypatch):
    """Serve's controller brings the reports; while it is away, requests go where they always went."""
    answering(*replicas)
    now = 1000.0
    monkeypatch.setattr("speechhub_ray.router.time.monotonic", lambda: now)
    replicas[0].routing_stats = report("a", ready=False, switch_s=9.0)
    replicas[1].routing_stats = report("b")
    router.update_replicas(replicas)

    now += 600.0

    assert await routed(router, request()) == replicas[1].replica_id


# ── Heads of requests ────────────────────────────────────────────────────────


@pytest.mark.parametrize("pack", [pickle.dumps, lambda head: head], ids=["proxy", "handle"])
async def test_heads_are_read_as_proxies_and_handles_send_them(pack):
    asked, live = request(), request(path="/v1/realtime")
    live.args[0].asgi_scope["type"] = "websocket"
    for one in (asked, live):
        one.args[0] = pack(one.args[0])

    assert wish_of_request(asked).slot == "tts"
    assert (wish_of_request(live).slot, wish_of_request(live).holds_engine) == ("stt", False)


async def test_calls_of_methods_go_anywhere():
    """The hubs ask each other for metrics and secrets, and some calls have arguments."""
    metadata = RequestMetadata(request_id="1", internal_request_id="1")

    assert wish_of_request(PendingRequest(args=["secret"], kwargs={}, metadata=metadata)).slot is None
