"""The process behind the Wyoming port: its start, its end, and what it costs."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys

import pytest
from wyoming.error import Error
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart

from tests.e2e.conftest import ECHO, echo_env
from tests.e2e.realtime import eventually
from tests.e2e.server import alive, free_port, serving
from tests.e2e.wyoming_port import RATE, joined, serving_wyoming, spoken, text_stream, utterance
from tests.fakes.babble import babble
from tests.fuzz.leaving import is_busy
from tests.fuzz.mixture import memory_bytes

log = logging.getLogger(__name__)

SENTENCES = "One two three four five. " * 4
MOST_BYTES = 5 * 2**20


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def stopped(server):
    """Send SIGTERM; return the exit status."""
    server.process.send_signal(signal.SIGTERM)
    return await asyncio.to_thread(server.process.wait, 30)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.scenario("stop-with-work")
async def test_a_speech_is_finished_before_the_end(tmp_path, streamed):
    """SIGTERM during a speech: the client gets all of it, then the port is free and no process is left."""
    with serving_wyoming(tmp_path, **echo_env(tts={"work_s": 0.3})) as server:
        async with joined(server.wyoming_port) as visitor, joined(server.wyoming_port) as idle:
            await idle.info()
            await visitor.send(*(text_stream(SENTENCES) if streamed else [Synthesize(text=SENTENCES)]))
            events = await visitor.until("audio-chunk")
            workers = server.workers()
            stopping = asyncio.create_task(stopped(server))
            events += await visitor.until("synthesize-stopped" if streamed else "audio-stop")

            assert spoken(events).duration_s > 3
            assert await stopping == 0
            assert await idle.rest() == []
        assert not listens(server.wyoming_port)
        assert not any(map(alive, workers))


@pytest.mark.scenario("stop-with-long-work")
@pytest.mark.parametrize("work", ["transcript", "speech"])
async def test_what_takes_too_long_is_cut_off_with_an_error(tmp_path, work):
    """The server ends within its time, whatever runs; the client is told that it was the server's end."""
    env = echo_env(stt={"work_s": 60.0}, tts={"work_s": 60.0}) | {"SPEECHHUB_SHUTDOWN_TIMEOUT_S": "0.5"}
    model, sent = {
        "transcript": ("echo-stt", utterance(babble(1, RATE))),
        "speech": ("echo-tts", [Synthesize(text=SENTENCES)]),
    }[work]
    with serving_wyoming(tmp_path, **env) as server:
        async with joined(server.wyoming_port) as visitor:
            await visitor.send(*sent)
            await eventually(lambda: is_busy(server, model), "it works")
            stopping = asyncio.create_task(stopped(server))

            errors = [Error.from_event(it) for it in await visitor.rest() if it.type == "error"]
            assert [error.code for error in errors] == ["server_shutting_down"]
            assert await stopping == 0
        assert not listens(server.wyoming_port)


@pytest.mark.scenario("wyoming-stopping")
async def test_a_text_that_is_never_finished_does_not_hold_up_the_end(tmp_path):
    """No engine works for it, so nothing but the port's own limit ends it; its client is told."""
    env = echo_env() | {"SPEECHHUB_SHUTDOWN_TIMEOUT_S": "0.5"}
    with serving_wyoming(tmp_path, **env) as server:
        async with joined(server.wyoming_port) as visitor:
            await visitor.send(SynthesizeStart(), SynthesizeChunk(text="One two"), Ping())
            await visitor.until("pong")
            stopping = asyncio.create_task(stopped(server))

            errors = [Error.from_event(it) for it in await visitor.rest() if it.type == "error"]
            assert [error.code for error in errors] == ["server_shutting_down"]
            assert await stopping == 0


@pytest.mark.scenario("wyoming-taken")
def test_port_in_use_is_one_clear_line(tmp_path):
    """The line names the address and the setting, without a traceback, and nothing starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "speechhub", "serve", "--port", "0"],
            env=os.environ | ECHO | {"SPEECHHUB_HOME": str(tmp_path), "SPEECHHUB_WYOMING_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert result.returncode == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert f"127.0.0.1:{port}" in line
    assert "SPEECHHUB_WYOMING_PORT" in line
    assert "Traceback" not in result.stderr


LOADED = "import sys; from speechhub.server import process; print(*sorted(sys.modules))"


def test_the_package_stays_out_of_what_serves_http():
    """It is imported where the port is opened, and not before."""
    modules = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "speechhub.http.app" in modules
    assert not [name for name in modules if name.split(".")[0] in ("wyoming", "zeroconf", "ifaddr")]
    assert not [name for name in modules if name.startswith("speechhub.wyoming")]


def test_the_port_costs_little_memory(tmp_path):
    """With the port open and no client, the hub uses five megabytes more at most."""

    def resident_bytes(number, **env):
        home = tmp_path / str(number)
        home.mkdir()
        with serving(home, **ECHO, **env) as server:
            return memory_bytes(server.pid)

    without, with_ = resident_bytes(0), resident_bytes(1, SPEECHHUB_WYOMING_PORT=str(free_port()))

    log.info("the port costs %.1f MB", (with_ - without) / 2**20)
    assert with_ - without <= MOST_BYTES
