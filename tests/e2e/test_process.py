"""The server as a process: signals, crashes, hang-ups, and what is left afterwards."""

import os
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from tests.docs.pages import ROOT
from tests.e2e.conftest import ECHO, echo_env
from tests.e2e.server import alive, children, serving, until
from tests.http.conftest import wav


def speak(url, **fields):
    body = {"input": "One two three. Four five six.", "response_format": "pcm"} | fields
    return httpx.post(f"{url}/v1/audio/speech", json=body, timeout=30)


def transcribe(url, clip=None, **fields):
    return httpx.post(
        f"{url}/v1/audio/transcriptions", files={"file": clip or wav(2)}, data=fields, timeout=30
    )


@pytest.mark.mission("2.7")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(tmp_path, number):
    """Ctrl-C and SIGTERM end the server with status 0, and its workers with it."""
    with serving(tmp_path, **ECHO) as server:
        assert speak(server.url).status_code == 200
        [worker] = server.workers()

        assert server.stop(number) == 0

        assert not alive(worker)


@pytest.mark.parametrize("redirection", ["2>&${pipe}", "2>/dev/full", "2>&-", "<&- >&- 2>&-"])
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path, redirection):
    """The log's reader has left, its disk is full, or it was closed: requests are answered, SIGTERM ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    pipe, unread = os.pipe()
    os.close(pipe)
    command = [sys.executable, "-m", "speechhub", "serve", "--port", str(port)]
    with subprocess.Popen(
        ["bash", "-c", f'exec "$@" {redirection.replace("${pipe}", str(unread))}', "bash", *command],
        env=os.environ | ECHO | {"SPEECHHUB_HOME": str(tmp_path)},
        cwd=tmp_path,
        pass_fds=[unread],
    ) as process:
        os.close(unread)
        try:
            until(lambda: ready(port) or process.poll() is not None, "the server is ready")
            answer = speak(f"http://127.0.0.1:{port}")
            workers = children(process.pid)
            process.terminate()
            status = process.wait(30)
        finally:
            process.kill()

    assert answer.status_code == 200
    assert status == 0
    assert workers
    assert not any(map(alive, workers))


def ready(port):
    """Return whether a server answers on *port* that it is ready."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").json()["status"] == "ok"
    except httpx.HTTPError:
        return False


@pytest.mark.scenario("stop-with-work")
def test_running_work_is_finished_before_the_end(tmp_path):
    """A request that runs when SIGTERM comes gets its answer."""
    with serving(tmp_path, **echo_env(stt={"work_s": 1.0})) as server:
        transcribe(server.url)
        answers = []
        client = threading.Thread(target=lambda: answers.append(transcribe(server.url)))
        client.start()
        until(lambda: busy(server), "the request runs")

        assert server.stop() == 0
        client.join(30)

        assert answers[0].status_code == 200


@pytest.mark.scenario("stop-with-long-work")
def test_work_that_takes_too_long_is_cut_off(tmp_path):
    """The server ends within its time, whatever runs; the client is told that it was the server's end."""
    env = echo_env(stt={"work_s": 60.0}) | {"SPEECHHUB_SHUTDOWN_TIMEOUT_S": "0.5"}
    with serving(tmp_path, **env) as server:
        answers = []
        client = threading.Thread(target=lambda: answers.append(transcribe(server.url)))
        client.start()
        until(lambda: busy(server), "the request runs")

        assert server.stop() == 0
        client.join(30)

        assert answers[0].status_code == 503
        assert answers[0].json()["error"]["code"] == "server_shutting_down"


def transcribe_in_vain(url):
    with pytest.raises(httpx.HTTPError):
        transcribe(url)


def test_second_signal_ends_at_once(tmp_path):
    """Who presses Ctrl-C twice does not want to wait; no worker is left even so."""
    with serving(tmp_path, **echo_env(stt={"work_s": 60.0})) as server:
        client = threading.Thread(target=transcribe_in_vain, args=(server.url,))
        client.start()
        until(lambda: busy(server), "the request runs")
        [worker] = server.workers()

        server.process.send_signal(signal.SIGINT)
        until(lambda: server.logged("stopping"), "the first signal is heard")

        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT
        until(lambda: not alive(worker), "the worker is gone")
        client.join(30)


def busy(server):
    models = httpx.get(f"{server.url}/health").json()["models"]
    return any(model["busy"] for model in models)


@pytest.mark.scenario("server-killed")
@pytest.mark.invariant("no-orphans", "kill-hub")
def test_killed_hub_leaves_no_worker(tmp_path):
    """Nobody outlives a hub that was killed with SIGKILL, not even a worker's own children."""
    with serving(tmp_path, **echo_env(tts={"grandchild": True})) as server:
        speak(server.url)
        [worker] = server.workers()
        [grandchild] = children(worker)

        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()

        until(lambda: not alive(worker), "the worker is gone")
        until(lambda: not alive(grandchild), "the worker's child is gone")


@pytest.mark.scenario("worker-crashes-once")
@pytest.mark.invariant("kill-worker")
def test_killed_worker_is_replaced(tmp_path):
    """Work whose worker is killed is done by another one; the client never hears of it."""
    with serving(tmp_path, **echo_env(stt={"work_s": 1.0})) as server:
        transcribe(server.url)
        [worker] = server.workers()
        answers = []
        client = threading.Thread(target=lambda: answers.append(transcribe(server.url)))
        client.start()
        until(lambda: busy(server), "the request runs")

        os.kill(worker, signal.SIGKILL)
        client.join(30)

        assert answers[0].status_code == 200
        assert server.workers() != [worker]
        assert transcribe(server.url).status_code == 200


@pytest.mark.mission("17.14")
@pytest.mark.scenario("worker-crashes-twice")
@pytest.mark.invariant("tried-twice")
def test_work_that_kills_every_worker_is_given_up(tmp_path):
    """A request that crashes two workers is an honest 500 that SDKs do not repeat."""
    with serving(tmp_path, **echo_env(stt={"crash_after": 1})) as server:
        answer = transcribe(server.url)

        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "engine_crashed"
        assert answer.headers["x-should-retry"] == "false"
        assert httpx.get(f"{server.url}/health").status_code == 200


@pytest.mark.scenario("leaves-work")
def test_client_that_leaves_stops_the_work(tmp_path):
    """A transcription whose client hangs up is cancelled, and the engine is free for the next one."""
    with serving(tmp_path, **echo_env(stt={"work_s": 20.0})) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.url}/v1/audio/transcriptions",
                files={"file": wav(2)},
                timeout=httpx.Timeout(30, read=2),
            )

        until(lambda: not busy(server), "the engine is free", deadline_s=5)
        assert server.workers(), "the worker was not killed for it"


def test_speech_whose_client_leaves_is_stopped(tmp_path):
    """A stream that nobody reads any more ends the engine's call."""
    with serving(tmp_path, **echo_env(tts={"work_s": 0.0})) as server:
        body = {"input": "Word. " * 600, "response_format": "wav"}
        with httpx.stream("POST", f"{server.url}/v1/audio/speech", json=body, timeout=30) as answer:
            next(answer.iter_raw())

        until(lambda: not busy(server), "the engine is free", deadline_s=10)


@pytest.mark.scenario("port-taken")
def test_port_in_use_is_one_clear_line(tmp_path):
    """A port that somebody else has is named, without a traceback, and nothing starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "speechhub", "serve", "--port", str(port)],
            env=os.environ | ECHO | {"SPEECHHUB_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr
    assert "Traceback" not in result.stderr


TAKES_THE_PORT = """
import socket, sys
from speechhub.cli import main
from speechhub.hub import Hub

others = []

async def opened(hub, enter=Hub.__aenter__):
    others.append(socket.create_server(("127.0.0.1", hub.settings.port)))
    return await enter(hub)

Hub.__aenter__ = opened
sys.exit(main())
"""


def test_a_port_taken_while_the_hub_opens_is_one_clear_line(tmp_path):
    """The address was free when it was checked; the line is the same as if it had not been."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    result = subprocess.run(
        [sys.executable, "-c", TAKES_THE_PORT, "serve", "--port", str(port)],
        env=os.environ | ECHO | {"SPEECHHUB_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 1
    assert f"error: Cannot listen on 127.0.0.1:{port}: Address already in use." in result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_of_another_machine_is_one_clear_line(tmp_path):
    """The line names the setting that is wrong, and not the port."""
    result = subprocess.run(
        [sys.executable, "-m", "speechhub", "serve", "--host", "192.0.2.1", "--port", "0"],
        env=os.environ | ECHO | {"SPEECHHUB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Cannot listen on 192.0.2.1:" in line
    assert "SPEECHHUB_HOST" in line
    assert "SPEECHHUB_PORT" not in line


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("[::1]", "http://[::1]:"),
        ("::", "http://[::1]:"),
        ("localhost", "http://localhost:"),
    ],
)
def test_the_log_says_what_can_be_opened(tmp_path, host, origin):
    """Also where the server listens on all addresses, on a port that the system chose."""
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")

    with serving(tmp_path, **echo_env(), SPEECHHUB_HOST=host) as server:
        assert server.url.startswith(origin)
        assert httpx.get(f"{server.url}/health/live", trust_env=False).status_code == 200


def test_an_address_of_ipv6_that_is_not_here_is_told_in_brackets(tmp_path):
    """Without them the port looks like its last part."""
    told = subprocess.run(
        [sys.executable, "-m", "speechhub", "serve", "--host", "2001:db8::1", "--port", "8301"],
        env={**os.environ, **echo_env(), "SPEECHHUB_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 1
    assert "Cannot listen on [2001:db8::1]:8301: " in told.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "[::]"])
def test_the_containers_check_asks_the_server_straight(tmp_path, host):
    """Where the settings say that it is, and through no proxy."""
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    check = [sys.executable, "-IS", str(ROOT / "deploy" / "healthcheck")]

    with serving(tmp_path, **echo_env(), SPEECHHUB_HOST=host) as server:
        env = {"SPEECHHUB_HOST": host, "SPEECHHUB_PORT": server.url.rpartition(":")[2]}
        env |= {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"}
        assert subprocess.run(check, env=env, check=False).returncode == 0
        server.stop()
        assert subprocess.run(check, env=env, check=False, capture_output=True).returncode != 0


def has_ipv6():
    """Return whether a socket can be bound to ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.mission("5.12")
@pytest.mark.scenario("large-upload")
def test_upload_beyond_the_limit_is_a_clean_413(tmp_path):
    """A body that is too large is refused in OpenAI's words, whether its length is told or not."""
    with serving(tmp_path, SPEECHHUB_MAX_UPLOAD_BYTES="1000000", **ECHO) as server:
        told = transcribe(server.url, clip=b"RIFF" + bytes(60_000_000))

        def chunks():
            yield b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\n'
            for _ in range(60):
                yield bytes(1_000_000)
            yield b"\r\n--b--\r\n"

        untold = httpx.post(
            f"{server.url}/v1/audio/transcriptions",
            content=chunks(),
            headers={"content-type": "multipart/form-data; boundary=b"},
            timeout=30,
        )

    for answer in (told, untold):
        assert answer.status_code == 413
        assert "1000000 bytes" in answer.json()["error"]["message"]


def test_nothing_leaks_over_many_requests(echo_server, http):
    """Descriptors and workers are the same before and after good, bad and abandoned requests."""

    def round_of_requests():
        transcribe(echo_server.url)
        speak(echo_server.url)
        transcribe(echo_server.url, clip=b"junk")
        transcribe(echo_server.url, clip=wav(2)[:3000])
        transcribe(echo_server.url, model="nope")
        speak(echo_server.url, speed=9)
        with httpx.stream(
            "POST", f"{echo_server.url}/v1/audio/speech", json={"input": "Word. " * 100}
        ) as answer:
            next(answer.iter_raw())

    for _ in range(3):
        round_of_requests()
    until(lambda: not busy(echo_server), "all is quiet")
    before, workers = echo_server.descriptors(), sorted(echo_server.workers())

    for _ in range(20):
        round_of_requests()

    until(lambda: echo_server.descriptors() <= before, f"descriptors are back to {before}")
    assert sorted(echo_server.workers()) == workers
