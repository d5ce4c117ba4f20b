"""A replica that dies, clients that leave, and the end of the cluster, all of them while it works."""

import asyncio
import contextlib
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy.ray.tests.cluster.cluster import ECHO, clustered
from tests.e2e.realtime import MANUAL, RATE, SPEECH, TRANSCRIPTION, eventually, ready
from tests.e2e.server import alive, children, until
from tests.fakes.babble import babble
from tests.fuzz.exchange import post
from tests.fuzz.leaving import KIND, STT, TTS, ask, form, promptly, read_until, since_leaving
from tests.http.conftest import wav

CALL_S = 10.0
"""How long the listening engine takes for a call."""
SOON_S = 2.0
"""How soon a replica's loss is felt by its clients and its engines."""
SENTENCE_S = 0.2
RESTARTS = 1012


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two replicas, whose engines take long."""
    engines = {"echo-stt": {"work_s": CALL_S}, "echo-tts": {"work_s": SENTENCE_S}}
    env = ECHO | {"SPEECHHUB_ENGINES": json.dumps(engines)}
    with clustered(tmp_path_factory.mktemp("home"), "--replicas", "2", **env) as running:
        yield running


def models(cluster, replica):
    """Return what one replica says of its models, by id."""
    answer = httpx.get(f"{cluster.url}/health", params={"replica": replica}, timeout=30).json()
    assert answer["replica"] == replica
    return {model["id"]: model for model in answer["models"]}


def is_busy(cluster, replica, model="echo-stt"):
    return models(cluster, replica)[model]["busy"]


def transcribe(cluster, replica, **fields):
    """Return the answer to a request that takes `CALL_S`."""
    return httpx.post(
        f"{cluster.url}{STT}",
        params={"replica": replica},
        files={"file": ("a.wav", wav(1))},
        data={"model": "whisper-1"} | fields,
        timeout=60,
    )


def speech(text):
    return {"model": "tts-1", "voice": "alloy", "input": text, "response_format": "pcm"}


def speak(cluster, text, begun=None, **params):
    """Return all bytes of a speech; set *begun* at the first."""
    data = b""
    with httpx.stream("POST", f"{cluster.url}{TTS}", params=params, json=speech(text), timeout=60) as answer:
        for piece in answer.iter_raw():
            data += piece
            if begun:
                begun.set()
        answer.raise_for_status()
    return data


# ── Clients that leave ───────────────────────────────────────────────────────


@pytest.mark.parametrize("rudely", [False, True])
@pytest.mark.parametrize("fields", [{}, {"stream": "true"}], ids=["json", "events"])
def test_the_engine_is_free_when_the_client_has_left(cluster, fields, rudely):
    """The call of ten seconds ends at once, and the engine serves another; in both forms of answer."""
    replica = cluster.replicas()[0]
    request = post(f"{STT}?replica={replica}", KIND, form(**fields))

    def attempt():
        connection = ask(cluster, request)
        until(lambda: is_busy(cluster, replica), "it works")
        return since_leaving(
            connection, lambda: not is_busy(cluster, replica), "the engine is free", rudely=rudely
        )

    promptly(attempt)

    assert not is_busy(cluster, replica)


def test_speech_ends_when_the_client_has_left(cluster):
    """A listener that leaves in the middle of a stream frees the engine, too."""
    replica = cluster.replicas()[0]
    body = json.dumps(speech("One two three. " * 200)).encode()
    request = post(f"{TTS}?replica={replica}", "application/json", body)

    def attempt():
        connection = ask(cluster, request)
        read_until(connection, b"\r\n\r\n")
        assert is_busy(cluster, replica, "echo-tts")
        return since_leaving(
            connection, lambda: not is_busy(cluster, replica, "echo-tts"), "the engine is free"
        )

    promptly(attempt)


def test_a_client_cannot_keep_an_engine_at_work(cluster):
    """Serve has a header that makes it ignore hang-ups, and one that cuts requests short: none reaches it."""
    replica = cluster.replicas()[0]
    headers = ("x-request-disconnect-disabled: ?1", "x-request-timeout-seconds: 0.001")
    request = post(f"{STT}?replica={replica}", KIND, form(), *headers)

    def attempt():
        connection = ask(cluster, request)
        until(lambda: is_busy(cluster, replica), "it works")
        return since_leaving(connection, lambda: not is_busy(cluster, replica), "the engine is free")

    promptly(attempt)


# ── A replica that dies ──────────────────────────────────────────────────────


async def test_the_loss_of_a_replica_is_felt_by_its_own_clients_alone(cluster):
    """Requests in it fail with an error, its socket is closed, its engines end, and it is replaced."""
    victim, other = cluster.replicas()
    pid = cluster.replica_pids()[victim]
    begun, enough = threading.Event(), threading.Event()
    with ThreadPoolExecutor(16) as pool, contextlib.ExitStack() as stack:
        stack.callback(enough.set)  # before the pool waits for the load, whatever fails
        async with (
            ready(cluster.url, f"{TRANSCRIPTION}&replica={victim}") as lost,
            ready(cluster.url, f"{TRANSCRIPTION}&replica={other}") as kept,
        ):
            in_victim = pool.submit(transcribe, cluster, victim)
            in_other = pool.submit(transcribe, cluster, other)
            begun_speech = pool.submit(speak, cluster, "One two three. " * 200, begun, replica=victim)
            load = [pool.submit(keep_speaking, cluster, enough) for _ in range(4)]
            for replica in (victim, other):
                await asyncio.to_thread(until, lambda name=replica: is_busy(cluster, name), "it works")
            await asyncio.to_thread(begun.wait, 30)
            workers = children(pid)
            assert len(workers) == 2

            os.kill(pid, signal.SIGKILL)

            assert await lost.closed(SOON_S) == RESTARTS
            await eventually(lambda: not any(map(alive, workers)), "its engines have ended", SOON_S)
            answer = await asyncio.to_thread(in_victim.result, SOON_S)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "replica_lost")
            assert len(answer.headers.get_list("x-request-id")) == 1
            with pytest.raises(httpx.RemoteProtocolError):
                await asyncio.to_thread(begun_speech.result, SOON_S)
            await kept.update(audio=MANUAL)
            await eventually(lambda: len(set(cluster.replica_pids()) - {victim}) == 2, "a new one serves", 60)
            enough.set()
            assert in_other.result().status_code == 200
            answers = [answer for answered in load for answer in answered.result()]
        failed = [answer for answer in answers if answer.status_code != 200]
        assert len(failed) <= len(load), [answer.text for answer in failed]
        assert all(answer.json()["error"]["code"] == "replica_lost" for answer in failed)
        assert len(answers) - len(failed) > len(load)
    until(lambda: victim not in cluster.replicas(), "another one has its place")


def keep_speaking(cluster, enough):
    """Ask for short speeches until it is *enough*; return all answers."""
    answers = []
    while not enough.is_set():
        answers.append(httpx.post(f"{cluster.url}{TTS}", json=speech("One."), timeout=60))
    return answers


async def test_a_successor_knows_the_client_secrets_that_are_older_than_itself(cluster):
    """A secret opens its session at the replica that was started for one that died, and so do later ones."""
    victim, other = cluster.replicas()
    older = await asyncio.to_thread(client_secret, cluster, victim)

    os.kill(cluster.replica_pids()[victim], signal.SIGKILL)

    names = until(lambda: victim not in (found := cluster.replicas()) and found, "a new one serves", 60)
    (successor,) = set(names) - {other}
    later = await asyncio.to_thread(client_secret, cluster, other)
    for secret in (older, later):
        key = {"additional_headers": {"Authorization": f"Bearer {secret}"}}
        async with ready(cluster.url, f"model=tts-1&replica={successor}", **key) as opened:
            assert opened.connection.response.headers["speechhub-replica"] == successor
            [created] = opened.all("session.created")
        assert created["session"]["type"] == "transcription"  # as the secret says, and not the address


def client_secret(cluster, replica):
    """Let one replica make a secret for transcription."""
    session = {"type": "transcription", "audio": {"input": {"transcription": {"model": "echo-stt"}}}}
    answer = httpx.post(
        f"{cluster.url}/v1/realtime/client_secrets",
        params={"replica": replica},
        json={"session": session},
        timeout=30,
    )
    assert answer.headers["speechhub-replica"] == replica
    return answer.json()["value"]


# ── The end ──────────────────────────────────────────────────────────────────


async def test_what_runs_is_answered_before_the_end(cluster):
    """SIGTERM: a transcript and a speech under way are completed, sockets are told, no process is left."""
    first, second = cluster.replicas()
    begun, text = threading.Event(), "One two three. " * 25
    whole = len(speak(cluster, text))
    below = cluster.processes()
    with ThreadPoolExecutor() as pool:
        async with (
            ready(cluster.url, f"{TRANSCRIPTION}&replica={first}") as silent,
            ready(cluster.url, f"{SPEECH}&replica={second}") as speaker,
            ready(cluster.url, f"{TRANSCRIPTION}&replica={second}") as committed,
        ):
            await committed.update(audio=MANUAL)
            await committed.append(babble(1, RATE))
            await committed.send("input_audio_buffer.commit")
            await committed.until("input_audio_buffer.committed")
            transcript = pool.submit(transcribe, cluster, first)
            spoken = pool.submit(speak, cluster, text, begun, replica=second)
            await asyncio.to_thread(begun.wait, 30)
            await asyncio.to_thread(until, lambda: is_busy(cluster, first), "it works")

            cluster.process.send_signal(signal.SIGTERM)

            assert await silent.closed() == RESTARTS
            assert await speaker.closed() == RESTARTS
            assert not transcript.done()
            await committed.until("conversation.item.input_audio_transcription.completed")
            assert await committed.closed() == RESTARTS
            assert len(spoken.result()) == whole
            answer = transcript.result()
            assert (answer.status_code, bool(answer.json()["text"])) == (200, True)
    assert await asyncio.to_thread(cluster.process.wait, 60) == 0
    until(lambda: not any(map(alive, below)), "no process is left")
