"""Requests that share a call of an engine, and engines that are replaced: a real server on echo."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from speechhub.gpu.leaks import VISIT_CALLS
from tests.e2e.conftest import echo_env
from tests.e2e.server import alive, serving, until
from tests.fakes.babble import babble, wav_of
from tests.fuzz.exchange import exchange, post
from tests.fuzz.leaving import (
    KIND,
    STT,
    ask,
    begin,
    form,
    is_busy,
    is_idle,
    leave,
    speech,
    stays_idle,
    transcription,
    waiting,
)

CLIPS = [wav_of(babble(1.5, seed=seed)) for seed in range(6)]
"""Recordings in which the echo engine hears different words."""
WORK_S = 1.5
"""How long a call takes: long enough to be seen while it runs."""


def series(server, name, **labels):
    """Return the value of a series of /metrics; 0 if it does not exist yet."""
    answer = exchange(server.url, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0


def text(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)["text"]


def alone(server):
    """Return what the engine hears in each clip, one by one."""
    return [text(exchange(server.url, transcription(clip))) for clip in CLIPS]


@contextmanager
def queued(server, clips=CLIPS, leaving=None):
    """Have an engine work, and requests for *clips* wait behind it; give their futures.

    *leaving* is one more, at the end, of which the connection is given.
    """
    first = begin(server, "echo-stt", transcription())
    [worker] = server.workers()
    os.kill(worker, signal.SIGSTOP)  # until all are there
    with ThreadPoolExecutor(len(clips)) as threads:
        answers = []
        for clip in clips:  # one after the other, so that their order is known
            answers.append(threads.submit(exchange, server.url, transcription(clip)))
            until(lambda: waiting(server, "echo-stt") == len(answers), "it waits")
        if leaving:
            answers.append(ask(server, leaving))
            until(lambda: waiting(server, "echo-stt") == len(answers), "it waits, too")
        os.kill(worker, signal.SIGCONT)
        yield answers
        first.close()


def shared(server):
    """Return how many requests shared how many calls."""
    return tuple(
        series(server, f"speechhub_batch_size_{what}", model="echo-stt") for what in ("sum", "count")
    )


def test_who_waits_shares_the_next_call(tmp_path):
    """Six requests, one call of the engine; each client gets the words of its own recording."""
    with serving(tmp_path, **echo_env()) as server:
        expected = alone(server)
    assert len(set(expected)) == len(CLIPS)

    with serving(tmp_path, **echo_env(stt={"work_s": 0.5})) as server:
        with queued(server) as answers:
            assert [text(answer.result()) for answer in answers] == expected

        assert shared(server) == (7, 2)
        assert series(server, "speechhub_ipc_seconds_count", model="echo-stt") == 2


@pytest.mark.invariant("out-of-memory")
def test_a_batch_that_does_not_fit_is_answered_all_the_same(tmp_path):
    """One by one; the engine says that it has memory for one recording only."""
    env = echo_env(stt={"work_s": 0.5, "out_of_memory_from": 2})
    with serving(tmp_path, **env) as server:
        with queued(server, CLIPS[:3]) as answers:
            assert {answer.result().status for answer in answers} == {200}

        assert len(server.logged("shared call failed; retrying its requests one by one")) == 1
        assert len(server.logged("engine ready")) == 1, "its worker keeps its place"


@pytest.mark.invariant("kill-shared-worker")
def test_a_worker_killed_in_a_shared_call_costs_nobody_an_answer(tmp_path):
    """Each request is tried once more, alone."""
    with serving(tmp_path, **echo_env(stt={"work_s": WORK_S})) as server:
        with queued(server, CLIPS[:3]) as answers:
            [worker] = server.workers()
            until(lambda: shared(server)[1] == 2, "the shared call runs")
            os.kill(worker, signal.SIGKILL)

            assert {answer.result().status for answer in answers} == {200}

        assert shared(server) == (7, 5)
        assert series(server, "speechhub_requeued_total") == 3
        assert series(server, "speechhub_poison_total") == 0


@pytest.mark.invariant("client-leaves")
def test_who_leaves_a_shared_call_spoils_it_for_nobody(tmp_path):
    """The call goes on for the others, on the same worker; when all have left, it ends."""
    with serving(tmp_path, **echo_env(stt={"work_s": WORK_S})) as server:
        with queued(server, CLIPS[:2], leaving=transcription(CLIPS[2])) as (*answers, leaving):
            until(lambda: shared(server)[1] == 2, "the shared call runs")
            leave(leaving)

            assert {answer.result().status for answer in answers} == {200}

        assert shared(server) == (4, 2)
        until(lambda: server.logged("request")[-1]["status"] in (200, 499), "it is logged")
        until(lambda: stays_idle(server), "nothing runs")
        assert len(server.logged("engine ready")) == 1
        assert sorted(line["status"] for line in server.logged("request") if line["path"] == STT) == [
            200,
            200,
            200,
            499,
        ]


@pytest.mark.invariant("leaks")
def test_an_engine_that_leaks_is_replaced_without_a_request_lost(tmp_path):
    """While somebody waits it stays; then a new process takes its place, and its memory is gone."""
    with serving(tmp_path, **echo_env(stt={"leak_bytes": 2**20})) as server:
        statuses = [exchange(server.url, transcription()).status for _ in range(VISIT_CALLS + 1)]
        first = server.logged("engine ready")[0]["pid"]
        until(lambda: not alive(first), "the process that leaks is gone")
        statuses += [exchange(server.url, transcription()).status for _ in range(3)]

        assert statuses == [200] * (VISIT_CALLS + 4)
        assert len(server.logged("engine ready")) == 2
        assert series(server, "speechhub_worker_exits_total", cause="recycled") == 1
        held = series(server, "speechhub_engine_memory_bytes", model="echo-stt", kind="allocated")
        assert held == 3 * 2**20


def test_engines_are_replaced_after_so_many_calls(tmp_path):
    """If the operator says so; with turns on one device the model comes back before anybody asks."""
    env = {"SPEECHHUB_RECYCLE_AFTER_CALLS": "3", "SPEECHHUB_CPU_EXCLUSIVE": "true"}
    with serving(tmp_path, **echo_env(), **env) as server:
        for _ in range(7):
            assert exchange(server.url, speech()).status == 200
            until(lambda: is_idle(server), "its lease is over")

        until(lambda: len(server.logged("engine ready")) == 3, "the third process is there, unasked")
        assert series(server, "speechhub_worker_exits_total", cause="recycled") == 2
        assert series(server, "speechhub_speculation_total", hit="true") == 0


def test_who_waits_longer_than_it_wants_is_told_when_to_come_back(tmp_path):
    """The engine works on for whoever it works for."""
    with serving(tmp_path, **echo_env(stt={"work_s": 30.0})) as server:
        working = begin(server, "echo-stt", transcription())

        answer = exchange(server.url, post(STT, KIND, form(), "x-request-timeout: 0.2"))

        assert (answer.status, answer.error["code"]) == (503, "request_timeout")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert is_busy(server, "echo-stt")
        assert not server.logged("engine did not stop a cancelled call; killing it")
        leave(working)
        until(lambda: is_idle(server), "the engine is free")
