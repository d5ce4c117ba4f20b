"""Commands for a running server, where several answer at one address."""

import json
import re

import httpx
import pytest

from speechhub.cli.top import _health

URL = ("--url", "http://hub")


@pytest.fixture
def cluster(monkeypatch):
    """Replicas "a" and "b", which answer in turns where none is named; return the queries that come."""
    asked = []

    def answer(request):
        named = request.url.params.get("replica")
        asked.append((request.method, request.url.path, named))
        if named is None and request.method == "POST":
            return refuse(400, "add ?replica= with one of a, b.")
        if named not in (None, "a", "b"):
            return refuse(404, f"The replica '{named}' does not answer here.")
        name = named or "ab"[len(asked) % 2]
        if request.url.path == "/health":
            return httpx.Response(200, json={"status": "ok", "replica": name, "replicas": ["a", "b"]})
        if request.url.path.endswith("story"):
            assert request.url.params["model"] == "ears"
            return httpx.Response(200, json={"now_s": 1, "moments": [], "waiting": []})
        body = {"id": "ears", "replica": name, "device": "cuda:0", "state": "ready", "pinned": False}
        return httpx.Response(200, json=body)

    def refuse(status, message):
        return httpx.Response(status, json={"error": {"message": message, "param": "replica"}})

    monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: httpx.MockTransport(answer))
    return asked


@pytest.mark.parametrize(
    "command", [("load", "ears"), ("switch", "stt"), ("unload", "ears"), ("pin", "ears"), ("unpin", "ears")]
)
def test_a_replica_is_operated_by_its_name(run, cluster, command):
    named = run("engines", *command, *URL, "--replica", "b")
    unnamed = run("engines", *command, *URL)

    assert named.stdout == "ears on cuda:0 of b: ready\n"
    assert unnamed.exit_code == 1
    assert unnamed.stderr.rstrip().endswith("with one of a, b. Name it with --replica.")
    assert cluster == [("POST", f"/v1/engines/{command[0]}", name) for name in ("b", None)]


def test_the_story_of_one_replica_is_told(run, cluster):
    """With what else the command asks for."""
    assert run("engines", "story", *URL, "--replica", "b", "--model", "ears").exit_code == 0

    assert cluster == [("GET", "/v1/engines/story", "b")]


def test_top_shows_the_replica_that_is_named(run, cluster):
    shown = json.loads(run("top", "--json", *URL, "--replica", "b").stdout)
    gone = run("top", "--json", *URL, "--replica", "c")

    assert shown["replica"] == "b"
    assert gone.exit_code == 1
    assert re.search("'c' does not answer here.*--replica", gone.stderr, re.DOTALL)


def test_top_stays_with_a_replica_while_it_is_there():
    """Else each look would show another server's engines; when it is gone, any other will do."""
    there = {"a", "b"}

    def answer(request):
        named = request.url.params.get("replica")
        if named is not None and named not in there:
            return httpx.Response(404, json={"error": {"message": "gone", "param": "replica"}})
        return httpx.Response(200, json={"replica": named or max(there)})

    with httpx.Client(base_url="http://hub/v1", transport=httpx.MockTransport(answer)) as client:
        looks = [_health(client, any_replica=True)["replica"] for _ in range(2)]
        there.add("c")
        looks.append(_health(client, any_replica=True)["replica"])
        there.remove("b")
        looks += [_health(client, any_replica=True)["replica"] for _ in range(2)]

    assert looks == ["b", "b", "b", "c", "c"]
