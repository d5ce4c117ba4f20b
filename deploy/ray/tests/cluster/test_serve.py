"""The command, tried as a user tries it: two replicas serve what one hub serves."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.ray.tests.cluster.cluster import ECHO, clustered
from deploy.ray.tests.cluster.demand import mixture, send
from deploy.ray.tests.cluster.exchanges import PROCESS, SAMPLE, Story, comparable, operations
from tests.e2e.realtime import ready
from tests.e2e.server import serving, until
from tests.fakes.babble import talk

ROOT = Path(__file__).parents[4]
CHECK = ROOT / "scripts/check_openai_python.py"
COMPLETED = "conversation.item.input_audio_transcription.completed"
SETTINGS = ECHO | {
    "SPEECHHUB_ALIASES": json.dumps({"gpt-6-astra": "echo-stt"}),
    "SPEECHHUB_MAX_VOICES": "1000",
}
"""What openai-python's tests ask for."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with clustered(tmp_path_factory.mktemp("home"), "--replicas", "2", **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def names(cluster):
    return cluster.replicas()


@pytest.fixture
def http(cluster):
    with httpx.Client(base_url=cluster.url, timeout=60) as client:
        yield client


def families(http, query=""):
    """Return family → samples of the metrics, each family once."""
    found = {}
    for family in text_string_to_metric_families(http.get(f"/metrics{query}").raise_for_status().text):
        assert family.name not in found
        found[family.name] = family.samples
    return found


def replicas_of(found):
    return {sample.labels["replica"] for samples in found.values() for sample in samples}


def test_both_directions_are_served(http, names):
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello there.", "response_format": "wav"}
    speech = http.post("/v1/audio/speech", json=body)
    heard = http.post(
        "/v1/audio/transcriptions", files={"file": ("a.wav", speech.content)}, data={"model": "whisper-1"}
    )

    assert (speech.status_code, heard.status_code) == (200, 200), (speech.text, heard.text)
    assert heard.json()["text"]
    assert speech.headers["speechhub-replica"] in names
    assert len(speech.headers.get_list("x-request-id")) == 1


def test_every_route_answers_as_that_of_a_single_hub(http, names, tmp_path):
    """All operations of the OpenAPI document, also under other clients' paths, and with mistakes."""
    with serving(tmp_path, **SETTINGS) as alone, httpx.Client(base_url=alone.url, timeout=60) as single:
        stories = [Story(client, names[0]) for client in (single, http)]
        for story in stories:
            story.tell()
        document = single.get("/schema/openapi.json").json()

    assert operations(document) <= {ask.operation for ask, _ in stories[0].answers}
    for (ask, expected), (_, answer) in zip(*(story.answers for story in stories), strict=True):
        assert comparable(ask, answer) == comparable(ask, expected), ask
        added = {name for name in answer.headers if name not in expected.headers}
        assert added == {"speechhub-replica"}, ask
        assert set(expected.headers) <= set(answer.headers), ask


def test_openai_s_own_tests_pass(cluster):
    """Those that check one hub, against the cluster: audio, models, voices, consents and client secrets."""
    python = ROOT / ".venv/bin/python"
    command = [python if python.exists() else sys.executable, CHECK, cluster.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_custom_voice_is_there_for_all_at_once(http, names):
    """Made at one replica, listed and spoken with by the other, and gone there when it is deleted here."""
    here, there = (f"?replica={name}" for name in names)
    consents, voices = "/v1/audio/voice_consents", "/v1/audio/voices"
    form = {"name": "me", "language": "en"}
    consent = http.post(consents + here, files={"recording": ("a.wav", SAMPLE)}, data=form).json()["id"]
    assert http.get(f"{consents}/{consent}{there}").status_code == 200
    form = {"name": "mine", "consent": consent}
    voice = http.post(voices + here, files={"audio_sample": ("a.wav", SAMPLE)}, data=form).json()["id"]

    found = http.get(voices + there)
    assert voice in [it["id"] for it in found.json()["data"]]
    assert found.headers["speechhub-replica"] == names[1]
    body = {"model": "echo-clone", "voice": voice, "input": "Hello there."}
    assert http.post("/v1/audio/speech" + there, json=body).status_code == 200
    assert http.delete(f"{voices}/{voice}{there}").status_code == 200
    assert http.get(f"{voices}/{voice}{here}").status_code == 404


async def test_a_realtime_session_transcribes(cluster):
    async with ready(cluster.url, "intent=transcription") as session:
        await session.play(talk(0, 0.5, 1.5, 1.0, rate=24_000), real_time=False)
        done = await session.until(COMPLETED)

    assert done["transcript"]


async def test_a_realtime_session_speaks(cluster):
    async with ready(cluster.url, "model=tts-1") as session:
        await session.speak("Hello there.")
        await session.until("response.done")

    assert session.all("response.output_audio.delta")


async def test_a_client_secret_of_one_replica_opens_a_socket_at_all(cluster, http, names):
    """Its session is the secret's, at whichever replica."""
    transcription = {"language": "de", "model": "echo-stt"}
    session = {"type": "transcription", "audio": {"input": {"transcription": transcription}}}
    made = http.post(f"/v1/realtime/client_secrets?replica={names[0]}", json={"session": session})
    assert made.headers["speechhub-replica"] == names[0]
    key = {"additional_headers": {"Authorization": f"Bearer {made.json()['value']}"}}

    for name in names:
        async with ready(cluster.url, f"model=tts-1&replica={name}", **key) as opened:
            response = opened.connection.response
            [created] = opened.all("session.created")
        assert response.headers["speechhub-replica"] == name
        assert created["session"]["type"] == "transcription"
        assert created["session"]["audio"]["input"]["transcription"]["language"] == "de"


def test_metrics_of_all_come_by_one_address(http, names):
    """Each series has the label of its replica, and what each counted is there."""
    for name in names:
        http.get(f"/v1/models?replica={name}")

    found = families(http)

    assert replicas_of(found) == set(names)
    counted = {
        sample.labels["replica"]: sample.value
        for sample in found["speechhub_http_requests"]
        if sample.name.endswith("_total")
        and sample.labels["route"] == "/v1/models"
        and sample.labels["status"] == "200"
    }
    assert set(counted) == set(names)
    assert min(counted.values()) >= 1
    assert not PROCESS & set(found)


@pytest.mark.parametrize("path", ["/health", "/v1/engines", "/v1/engines/story", "/metrics", "/v1/models"])
def test_a_named_replica_answers(http, names, path):
    for name in names:
        answer = http.get(f"{path}?replica={name}")
        assert (answer.status_code, answer.headers["speechhub-replica"]) == (200, name)


def test_health_tells_which_replica_answered(http, names):
    """Without a name, any answers, and says which it is."""
    answer = http.get("/health")

    assert answer.json()["replica"] == answer.headers["speechhub-replica"]
    assert answer.json()["replicas"] == names
    assert [http.get(f"/health?replica={name}").json()["replica"] for name in names] == names


def test_an_operator_changes_the_replica_that_is_named(http, names):
    """A load at one replica is none at the other; without a name, the answer has the names."""
    load = {"model": "echo-clone"}
    refused = http.post("/v1/engines/load", json=load)
    gone = http.post("/v1/engines/load?replica=gone", json=load)
    loaded = http.post(f"/v1/engines/load?replica={names[1]}", json=load)

    assert (refused.status_code, gone.status_code, loaded.status_code) == (400, 404, 200)
    assert all(name in refused.json()["error"]["message"] for name in names)
    assert gone.json()["error"]["code"] == "replica_not_found"
    assert loaded.json()["replica"] == names[1]
    unload = http.post(f"/v1/engines/unload?replica={names[1]}", json=load)
    assert (unload.status_code, unload.json()["replica"]) == (200, names[1])
    assert http.get("/v1/engines?replica=gone").status_code == 404


@contextmanager
def hanging(pid):
    """Hold a process for a while: it neither ends nor answers."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_replica_that_hangs_costs_a_scrape_two_seconds_and_its_own_metrics(cluster, http, names):
    """The others' metrics are there, and those of all when it goes on."""
    stopped, other = names
    with hanging(cluster.replica_pids()[stopped]):
        began = time.monotonic()
        found = families(http, f"?replica={other}")
        took_s = time.monotonic() - began

    assert replicas_of(found) == {other}
    assert 1.5 < took_s < 5, "2 s for the answer, and what a busy machine adds"
    until(lambda: replicas_of(families(http)) == set(names), "both report again")
    send(cluster.url, mixture("st", 6), at_a_time=2)
