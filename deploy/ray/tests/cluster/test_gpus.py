"""Each replica watches the card that Ray has given it, and no other of its machine's four."""

import json
from pathlib import Path

import httpx
import pytest

from deploy.ray.tests.cluster.cluster import ECHO, clustered
from tests.e2e.server import children
from tests.fakes.pretended import CARD, pretend

CARDS = [
    CARD | {"uuid": f"GPU-{number * 11111111}-aaaa-4000-8000-00000000000{number}"} for number in range(1, 5)
]
HUBS = 2
RAY = {"RAY_OVERRIDE_RESOURCES": json.dumps({"GPU": len(CARDS)})}
"""Ray has a binding to the driver of its own, and is told of the cards."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two hubs with a card each."""
    driver = pretend({"cards": CARDS}, tmp_path_factory.mktemp("driver"))
    arguments = ("--replicas", str(HUBS), "--gpus-per-replica", "1")
    with clustered(tmp_path_factory.mktemp("home"), *arguments, **(ECHO | driver | RAY)) as running:
        yield running


def visible(pid):
    """Return the cards that a process may see, as its environment says when it starts."""
    pairs = (pair.partition("=") for pair in Path(f"/proc/{pid}/environ").read_text().split("\0"))
    return {name: value for name, _, value in pairs}.get("CUDA_VISIBLE_DEVICES")


def test_each_replica_watches_its_own_card(cluster):
    """The card of its health is the one that its engines see: one each, and not the same."""
    watched, given = {}, {}
    for name, pid in cluster.replica_pids().items():
        with httpx.Client(base_url=cluster.url, params={"replica": name}, timeout=30) as http:
            http.post("/v1/engines/load", json={"model": "echo-tts"}).raise_for_status()
            health = http.get("/health").json()
        [gpu] = health["gpus"]
        watched[name] = (health["replica"], gpu["index"], gpu["uuid"])
        given[name] = {visible(child) for child in children(pid)}

    assert len(watched) == HUBS
    assert len({uuid for _, _, uuid in watched.values()}) == HUBS
    for name, cards in given.items():
        [card] = cards
        assert watched[name] == (name, 0, CARDS[int(card)]["uuid"])
