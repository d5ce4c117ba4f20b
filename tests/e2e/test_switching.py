"""Engines that take turns on one device, seen from outside; and what happens to those that fail at it."""

import contextlib
import io
import json
import os
import random
import signal
import socket
import struct
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import ECHO, echo_env
from tests.e2e.server import alive, children, serving, until
from tests.e2e.turns import Lookout
from tests.fuzz.exchange import connect, exchange, post
from tests.fuzz.leaving import health, is_idle, speech, stays_idle, transcription
from tests.fuzz.mixture import POOL_THREADS, threads
from tests.http.conftest import wav

EXCLUSIVE = {"SPEECHHUB_CPU_EXCLUSIVE": "true"}
STANDBY, NO_STANDBY = {"SPEECHHUB_STANDBY": "on"}, {"SPEECHHUB_STANDBY": "off"}
TURNS = int(os.environ.get("SWITCH_TURNS", "12"))
"""Requests to the real engines; 50 take a minute or more."""


def speak(server):
    return exchange(server.url, speech("One two three.")).status


def transcribe(server):
    return exchange(server.url, transcription(wav(1))).status


def operate(server, what, model):
    """Ask for something that operators may do; return when it is done."""
    body = json.dumps({"model": model}).encode()
    assert exchange(server.url, post(f"/v1/engines/{what}", "application/json", body)).status == 200


def memory_bytes(pid):
    """Return what a process holds of the machine's memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def in_thread(work, *arguments):
    """Run *work* in a thread; return the thread and the list that its result will be in."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work(*arguments)))
    thread.start()
    return thread, results


def state(server, model):
    return health(server)[model]["state"]


def ready_worker(server, number):
    """Return the process of the engine that got ready as this one in number."""
    return until(lambda: server.logged("engine ready")[number - 1 :], "it is logged")[0]["pid"]


def the_standby(server, busy_or_ready):
    """Return the one process that is not *busy_or_ready*, once there is one."""
    return until(
        lambda: [pid for pid in server.workers() if pid != busy_or_ready],
        "a worker stands by",
    )[0]


# ── Turns ────────────────────────────────────────────────────────────────────


def alternate(server, turns):
    """Speak and transcribe in turns, with real engines, and return what was heard."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0, timeout=120) as client:
        heard = []
        for _ in range(turns // 2):
            said = client.audio.speech.create(
                model="tts-1", voice="alloy", input="Yes.", response_format="wav"
            ).content
            heard.append(
                client.audio.transcriptions.create(
                    model="whisper-1", file=("a.wav", io.BytesIO(said)), language="en"
                ).text
            )
        return heard


@pytest.mark.mission("9.10", "10.9", "15.12", "17.8")
@pytest.mark.invariant("one-worker")
@pytest.mark.parametrize(("turns", "standby", "processes"), [(4, NO_STANDBY, 1), (TURNS - 4, STANDBY, 2)])
def test_real_engines_take_turns(tmp_path, turns, standby, processes):
    """Whisper and Piper never have the device together: of two processes, one has loaded nothing."""
    pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")
    pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")
    env = {"SPEECHHUB_OFFLINE": "true"} | EXCLUSIVE | standby
    with serving(tmp_path, **env) as server:
        with Lookout(server) as lookout:
            heard = alternate(server, turns)

        assert [text.strip(" .!").lower() for text in heard] == ["yes"] * (turns // 2)
        assert lookout.most_on_device == 1
        assert lookout.most_processes == processes
        assert until(lambda: len(server.logged("engine ready")) >= turns, "all are logged")


# ── Workers that fail at a switch ────────────────────────────────────────────


@pytest.mark.invariant("kill-worker")
def test_killed_standby_is_not_missed(tmp_path):
    """The switch starts cold, and another one stands by afterwards."""
    with serving(tmp_path, **ECHO, **EXCLUSIVE, **STANDBY) as server:
        assert transcribe(server) == 200
        ready = ready_worker(server, 1)
        os.kill(the_standby(server, ready), signal.SIGKILL)

        assert speak(server) == 200

        the_standby(server, ready_worker(server, 2))


@pytest.mark.invariant("no-orphans", "kill-hub")
def test_killed_hub_leaves_no_standby(tmp_path):
    """Who stands by ends with the hub, like who works."""
    with serving(tmp_path, **ECHO, **EXCLUSIVE, **STANDBY) as server:
        transcribe(server)
        ready = ready_worker(server, 1)
        standby = the_standby(server, ready)

        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()

        until(lambda: not alive(ready) and not alive(standby), "both are gone")


@pytest.mark.invariant("kill-worker")
def test_worker_killed_while_it_loads(tmp_path):
    """Who waits is told at once; requests are refused for a second, then one loads again."""
    with serving(tmp_path, **echo_env(tts={"load_s": 5.0}), **EXCLUSIVE) as server:
        thread, answers = in_thread(speak, server)
        [worker] = until(server.workers, "a worker starts")
        until(lambda: state(server, "echo-tts") == "loading", "it loads")

        os.kill(worker, signal.SIGKILL)
        thread.join(30)

        assert answers == [500]
        # Not at once: an engine that has just failed rests first.
        until(lambda: speak(server) == 200, "it loads again")


@pytest.mark.invariant("kill-worker")
def test_worker_killed_while_it_has_nothing_to_do(tmp_path):
    """Nobody is there to notice but the next client, who gets another one."""
    with serving(tmp_path, **ECHO, **EXCLUSIVE, **NO_STANDBY) as server:
        assert speak(server) == 200
        os.kill(ready_worker(server, 1), signal.SIGKILL)
        until(lambda: state(server, "echo-tts") == "unloaded", "its end is seen")

        assert speak(server) == 200
        assert transcribe(server) == 200


@pytest.mark.invariant("kill-worker")
def test_worker_killed_in_its_last_work(tmp_path):
    """One that was told to go, and works for the last time: its work is done by another one."""
    with serving(tmp_path, **echo_env(tts={"work_s": 4.0}), **EXCLUSIVE, **NO_STANDBY) as server:
        thread, answers = in_thread(speak, server)
        worker = ready_worker(server, 1)
        until(lambda: health(server)["echo-tts"]["busy"], "it works")
        unloading, _ = in_thread(operate, server, "unload", "echo-tts")
        until(lambda: state(server, "echo-tts") == "draining", "it is to go")

        os.kill(worker, signal.SIGKILL)
        thread.join(30)
        unloading.join(30)

        assert answers == [200]


@pytest.mark.invariant("no-orphans", "kill-hub")
def test_hub_killed_while_an_engine_loads(tmp_path):
    """An engine that is not ready ends with its hub, too, and what it started."""
    with serving(tmp_path, **echo_env(tts={"load_s": 3600.0, "grandchild": True})) as server:
        connection = connect(server.url)
        connection.sendall(speech())
        [worker] = until(server.workers, "a worker starts")
        [grandchild] = until(lambda: children(worker), "its engine loads")

        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()

        until(lambda: not alive(worker) and not alive(grandchild), "both are gone")
        connection.close()


@pytest.mark.invariant("memory-returned")
def test_unloading_gives_all_memory_back(tmp_path):
    """What an engine took is gone with its process, and the hub never had it."""
    taken = 300 * 2**20
    with serving(tmp_path, **echo_env(tts={"memory_bytes": taken})) as server:
        before = memory_bytes(server.pid)
        assert speak(server) == 200
        worker = ready_worker(server, 1)
        assert memory_bytes(worker) > taken

        operate(server, "unload", "echo-tts")

        assert not alive(worker)
        assert server.workers() == []
        assert memory_bytes(server.pid) < before + taken / 10


@pytest.mark.scenario("load-fails")
@pytest.mark.invariant("ends-in-load")
def test_worker_that_ends_while_it_loads(tmp_path):
    """An engine that cannot be loaded keeps nobody else from the device."""
    with serving(tmp_path, **echo_env(tts={"crash_on_load": True}), **EXCLUSIVE) as server:
        assert speak(server) == 500
        assert transcribe(server) == 200
        until(lambda: speak(server) == 500, "it has rested, and is tried again")
        assert transcribe(server) == 200


@pytest.mark.scenario("load-hangs")
@pytest.mark.invariant("hangs-in-load")
def test_load_that_hangs_is_given_up(tmp_path):
    """At the limit its process is killed, who waited gets 503, and the device goes to the next."""
    limit = {"SPEECHHUB_FIRST_LOAD_TIMEOUT_S": "8"}
    with serving(
        tmp_path, **echo_env(tts={"load_s": 3600.0, "grandchild": True}), **EXCLUSIVE, **limit
    ) as server:
        thread, answers = in_thread(speak, server)
        [worker] = until(server.workers, "a worker starts")
        [grandchild] = until(lambda: children(worker), "its engine loads")
        thread.join(30)

        assert answers == [503]
        until(lambda: not server.workers() and not alive(grandchild), "nothing is left of it")
        assert transcribe(server) == 200


@pytest.mark.invariant("no-stuck-stop", "kill-worker")
def test_worker_killed_while_it_stops(tmp_path):
    """A switch waits for the end of the process, and not for its consent."""
    patience = {"SPEECHHUB_STOP_TIMEOUT_S": "600"}
    with serving(
        tmp_path, **echo_env(tts={"ignore_stop": True}), **EXCLUSIVE, **NO_STANDBY, **patience
    ) as server:
        assert speak(server) == 200
        [worker] = server.workers()
        thread, answers = in_thread(transcribe, server)
        until(lambda: state(server, "echo-tts") == "stopping", "it is asked to stop")
        assert state(server, "echo-stt") == "unloaded", "nobody loads beside it"

        os.kill(worker, signal.SIGKILL)
        thread.join(30)

        assert answers == [200]


@pytest.mark.scenario("worker-does-not-stop")
@pytest.mark.invariant("no-stuck-stop", "ignores-stop")
def test_worker_that_ignores_its_stop_is_killed(tmp_path):
    """And with it what it started; then the next one has the device."""
    short = {"SPEECHHUB_STOP_TIMEOUT_S": "0.3"}
    env = echo_env(tts={"ignore_stop": True, "grandchild": True})
    with serving(tmp_path, **env, **EXCLUSIVE, **short) as server:
        speak(server)
        worker = ready_worker(server, 1)
        [grandchild] = children(worker)

        assert transcribe(server) == 200

        assert not alive(worker)
        until(lambda: not alive(grandchild), "what it started is gone")


@pytest.mark.mission("9.11")
@pytest.mark.scenario("engine-hangs")
@pytest.mark.invariant("hangs-in-call")
def test_call_beyond_its_time_is_killed(tmp_path):
    """An engine that hangs, deaf to its cancellation, is replaced; the client has got 503 before."""
    env = echo_env(stt={"hang": True}) | {"SPEECHHUB_REQUEST_TIMEOUT_S": "1"}
    with serving(tmp_path, **env) as server:
        assert transcribe(server) == 503

        until(lambda: server.logged("engine did not stop a cancelled call; killing it"), "it is killed")
        until(lambda: is_idle(server), "its lease is over")
        assert speak(server) == 200


# ── All of it ────────────────────────────────────────────────────────────────

REQUESTS, HANG_UPS, KILLS = 1000, 0.2, 10


@pytest.mark.mission("15.14", "17.13")
@pytest.mark.invariant("ends-once", "nothing-left")
def test_a_thousand_requests_with_hang_ups_and_kills(tmp_path):
    """Each ends exactly once: an answer, or a client that left; a kill harms one request at most."""
    env = echo_env(stt={"work_s": 0.01}, tts={"work_s": 0.002})
    with serving(tmp_path, **env) as server, ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda number: send(server, number), range(40)))
        until(lambda: stays_idle(server), "all is quiet")
        descriptors, threads_before = server.descriptors(), threads(server.pid)
        logged = len(server.logged("request"))

        outcomes = Counter(clients.map(lambda number: send(server, number), range(REQUESTS)))

        until(lambda: stays_idle(server), "all is quiet")
        until(lambda: server.descriptors() <= descriptors, f"descriptors are back to {descriptors}")
        until(lambda: threads(server.pid) <= threads_before + POOL_THREADS, "no thread too many")
        kills = len(server.logged("worker ended by itself"))
        until(lambda: len(server.workers()) <= 2, "one worker for each model")
        ended = server.logged("request")[logged:]
        assert len({line["request_id"] for line in ended}) == len(ended), "nothing ends twice"

    # Whoever is gone before its request was read was never there.
    assert REQUESTS - outcomes["left"] <= len(ended) <= REQUESTS == sum(outcomes.values())
    assert 0 < kills <= KILLS
    assert set(outcomes) <= {200, 500, "broken", "left"}
    assert outcomes[500] + outcomes["broken"] <= kills
    assert outcomes["left"] == sum(leaves(number) for number in range(REQUESTS))


def leaves(number):
    """Return whether the client of request *number* hangs up."""
    return random.Random(f"leaves {number}").random() < HANG_UPS


def send(server, number):
    """Send request *number*, and now and then kill a worker meanwhile; return what became of the request."""
    dice = random.Random(f"request {number}")
    request = speech("Hello. " * dice.choice((1, 40))) if dice.random() < 0.5 else transcription(wav(1))
    if number % (REQUESTS // KILLS) == 50:
        with contextlib.suppress(OSError):
            os.kill(dice.choice(server.workers()), signal.SIGKILL)
    with connect(server.url) as connection:
        connection.sendall(request)
        if leaves(number):
            threading.Event().wait(dice.choice((0, 0.001, 0.01, 0.03)))
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", dice.random() < 0.5, 0)
            )
            return "left"
        return answer_on(connection)


def answer_on(connection):
    """Read one answer to its end; return its status."""
    response = HTTPResponse(connection, method="POST")
    try:
        response.begin()
        response.read()
    except (HTTPException, ConnectionError):
        return "broken"
    return response.status
