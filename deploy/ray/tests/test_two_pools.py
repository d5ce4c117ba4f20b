"""Two pools on Kubernetes: the gateway sends each request to the pool that Ray's router would choose."""

import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml

from speechhub.environments.known import known_engines
from speechhub.http.app import Routes
from speechhub.http.facts import WEBSOCKET
from speechhub.settings import Settings, load_settings
from speechhub_ray.direction import wish_of

ROOT = Path(__file__).parents[3]
OBJECTS = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/two-pools.yaml").read_text("utf-8")))
[ROUTE] = [one["spec"] for one in OBJECTS if one["kind"] == "HTTPRoute"]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == "Deployment"}
SERVICES = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "Service"}
STT, TTS = "speechhub-stt", "speechhub-tts"
RANKS = ("PathPrefix", "RegularExpression", "Exact")
"""Which kind of path wins. Source: HTTPRoute's documentation, which leaves the middle one open."""
ROUTES = sorted(Routes.build(Settings(), cloning=True).table.facts)


def matched(match, path, asked):
    """Return how well a match fits, to be compared; None if it does not."""
    kind, value = match["path"]["type"], match["path"]["value"]
    fits = {
        "Exact": path == value,
        "PathPrefix": path == value or path.startswith(value.rstrip("/") + "/"),
        "RegularExpression": re.fullmatch(value, path) is not None,
    }[kind]
    queries = match.get("queryParams", [])
    for query in queries:
        [given, *_] = asked.get(query["name"], [""])
        exact = query.get("type", "Exact") == "Exact"
        fits = fits and (
            given == query["value"] if exact else re.fullmatch(query["value"], given) is not None
        )
    return (RANKS.index(kind), len(value), len(queries)) if fits else None


def pool(path, query=""):
    """Return the Service to which the gateway sends a request; rules that fit equally well count in order."""
    best, chosen = (-1, 0, 0), None
    for rule in ROUTE["rules"]:
        for match in rule["matches"]:
            rank = matched(match, path, parse_qs(query))
            if rank is not None and rank > best:
                [backend] = rule["backendRefs"]
                best, chosen = rank, backend["name"]
    return chosen


def spelt(path):
    """Return the ways in which clients write a path, as the hub's aliases have them."""
    path = re.sub(r"\{(\w+):\w+\}", r"a-\1", path)
    ways = [path]
    if rest := re.fullmatch(r"/v1(/(?:audio|models|realtime|text-to-speech|voices)(?:/.*)?)", path):
        ways += [rest[1], f"/openai/v1{rest[1]}", f"/openai{rest[1]}"]
    if re.fullmatch(r"/v\d/(text-to-speech|voices)(/.*)?", path):
        ways.append(f"/v1{path}")
    if rest := re.fullmatch(r"/v1(/audio/(?:transcriptions|translations|speech)|/realtime)", path):
        ways.append(f"/openai/deployments/a-model{rest[1]}")
    return ways


REQUESTS = [
    (method, path, query)
    for method, template in ROUTES
    if method not in ("HEAD", "OPTIONS")
    for path in spelt(template)
    for query in (
        ("", "intent=transcription", "intent=transcription&model=m", "model=m")
        if (method, template) == (WEBSOCKET, "/v1/realtime")
        else ("",)
    )
]


@pytest.mark.parametrize(("method", "path", "query"), REQUESTS)
def test_each_request_goes_to_the_pool_whose_engine_it_needs(method, path, query):
    """The gateway and Ray's router agree; what needs no engine goes to some pool."""
    wish = wish_of(path, query.encode(), method=method, socket=method == WEBSOCKET)
    wanted = {"stt": {STT}, "tts": {TTS}, None: {STT, TTS}}[wish.slot]

    assert pool(path, query) in wanted


@pytest.mark.parametrize("path", [path for _, path, _ in REQUESTS if re.search("voice|text-to-speech", path)])
def test_voices_are_where_they_are_spoken(path):
    """Custom voices are files of one pool: they are added, listed and deleted there."""
    assert pool(path) == TTS


@pytest.mark.parametrize("path", spelt("/v1/realtime")[:-1])
def test_a_socket_without_a_model_transcribes(path):
    """As docs/realtime.md says; Azure's other address names the model as its deployment."""
    assert pool(path) == STT
    assert pool("/openai/realtime", "api-version=2026-01-01&deployment=a-voice") == TTS


def test_secrets_are_made_where_they_open_transcriptions():
    """A secret is kept by the pod that made it, which is one: the pool has one replica."""
    for path in ("/v1/realtime/client_secrets", "/v1/realtime/transcription_sessions"):
        assert pool(path) == pool("/v1/realtime", "intent=transcription") == STT
    assert DEPLOYMENTS[STT]["spec"]["replicas"] == 1


def test_the_gateway_leads_to_the_pods():
    """Each rule names a Service and its port, and each Service selects the pods of one Deployment."""
    for rule in ROUTE["rules"]:
        [backend] = rule["backendRefs"]
        [port] = SERVICES[backend["name"]]["ports"]
        template = DEPLOYMENTS[backend["name"]]["spec"]["template"]
        [container] = template["spec"]["containers"]
        assert backend["port"] == port["port"]
        assert port["targetPort"] in [one["name"] for one in container["ports"]]
        assert SERVICES[backend["name"]]["selector"] == template["metadata"]["labels"]
    assert set(SERVICES) == set(DEPLOYMENTS) == {STT, TTS}


def test_no_request_is_cut():
    """Transcripts, events and sockets last as long as the server lets them."""
    assert all(rule["timeouts"] == {"request": "0s"} for rule in ROUTE["rules"])


@pytest.mark.parametrize("slot", ["stt", "tts"])
def test_each_pool_keeps_a_model_of_its_own_slot(slot, tmp_path, monkeypatch):
    """It is the slot's default, loaded at the start, and never unloaded because it is idle."""
    monkeypatch.chdir(tmp_path)
    [container] = DEPLOYMENTS[f"speechhub-{slot}"]["spec"]["template"]["spec"]["containers"]
    (tmp_path / "keys").write_text("a-key-of-a-test-with-32-characters\n")
    environ = {one["name"]: one["value"] for one in container["env"]}
    environ |= {"SPEECHHUB_API_KEYS_FILE": str(tmp_path / "keys"), "SPEECHHUB_HOME": str(tmp_path)}

    settings = load_settings(environ=environ)

    [model] = settings.preload
    assert getattr(settings, f"{slot}_model") == model
    assert settings.idle_unload_s == 0
    assert model in {
        one.id for engine in known_engines() if engine.slot.value == slot for one in engine.models
    }


def test_the_pods_are_those_of_the_example_with_one_pool():
    """They differ from deploy/kubernetes/speechhub.yaml in names, models and volumes alone."""
    [single] = [
        one["spec"]["template"]["spec"]
        for one in yaml.safe_load_all((ROOT / "deploy/kubernetes/speechhub.yaml").read_text("utf-8"))
        if one["kind"] == "Deployment"
    ]
    for deployment in DEPLOYMENTS.values():
        pod = deployment["spec"]["template"]["spec"]
        assert {**pod, "containers": 0, "volumes": 0} == {**single, "containers": 0, "volumes": 0}
        assert {**pod["containers"][0], "env": 0} == {**single["containers"][0], "env": 0}
