"""The end of the command, by signals and by what Ray does, and settings with which it does not begin."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from deploy.ray.tests.cluster.cluster import ECHO, Cluster
from tests.e2e.server import alive, free_port, until
from tests.fuzz.leaving import STT
from tests.http.conftest import wav

CALL_S = 3.0
BOUND_S = 60.0
"""How long Ray may take to end on a busy machine; some five seconds on a quiet one."""
GCS, RAYLET = "gcs_server", "raylet/raylet"


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def to_the_group(number):
    return lambda cluster, below: os.killpg(cluster.process.pid, number)


def to(name):
    """Return what kills one of Ray's processes."""
    return lambda cluster, below: os.kill(
        next(pid for pid in below if name in command_line(pid)), signal.SIGKILL
    )


def to_both(cluster, below):
    """Signal the command and then its group, as ``timeout`` does."""
    cluster.process.terminate()
    time.sleep(0.05)
    os.killpg(cluster.process.pid, signal.SIGTERM)


def to_the_command(cluster, below):
    cluster.process.kill()


@pytest.mark.parametrize(
    ("end", "status", "completed"),
    [
        (to_the_group(signal.SIGINT), 0, True),
        (to_both, 0, True),
        (to_the_command, -signal.SIGKILL, True),
        (to(GCS), 1, False),
        (to(RAYLET), 1, False),
    ],
    ids=[
        "Ctrl-C",
        "SIGTERM of timeout",
        "SIGKILL",
        "without the control service",
        "without the raylet",
    ],
)
def test_nothing_is_left(tmp_path, end, status, completed):
    """However it ends, no process stays; unless Ray itself has died, running requests are answered before."""
    engines = json.dumps({"echo-stt": {"work_s": CALL_S}})
    cluster = Cluster(tmp_path, "--replicas", "1", **ECHO | {"SPEECHHUB_ENGINES": engines})
    try:
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(transcribe, cluster.url)
            until(lambda: busy(cluster.url), "it works")
            below = cluster.processes()

            end(cluster, below)

            assert cluster.process.wait(BOUND_S) == status, cluster.log_text()
            if completed:
                assert asked.result().status_code == 200
            else:
                with pytest.raises(httpx.HTTPError):
                    asked.result()
        until(lambda: not any(map(alive, below)), "no process is left", BOUND_S)
        lost = cluster.logged("Ray is killed")
        assert [line["reason"].startswith("Ray ended: ") for line in lost] == [True] * (status == 1)
        if status == 0:
            said = cluster.log_text()
            assert "retries remaining" not in said, "a clean end looks like a fault"
            assert "will not be applied" not in said, "a clean start looks like a fault"
            assert cluster.logged("stopped")
    finally:
        cluster.clean_up()


def transcribe(url):
    return httpx.post(
        f"{url}{STT}", files={"file": ("a.wav", wav(1))}, data={"model": "whisper-1"}, timeout=BOUND_S
    )


def busy(url):
    return any(model["busy"] for model in httpx.get(f"{url}/health", timeout=30).json()["models"])


# ── Signals while it starts ──────────────────────────────────────────────────


class Starting(Cluster):
    """A cluster of which some processes run, and none serves."""

    def _wait(self):
        until(lambda: self.has(RAYLET) or self.process.poll() is not None, "Ray starts", BOUND_S)

    def has(self, name):
        return any(name in command_line(pid) for pid in self.processes())


@pytest.mark.parametrize(
    ("until_there", "number"),
    [(RAYLET, signal.SIGTERM), ("ServeReplica", signal.SIGINT)],
)
def test_a_start_can_be_broken_off(tmp_path, until_there, number):
    """At any time, at once, with the status of a program that the signal ended, and nothing is left."""
    cluster = Starting(tmp_path, "--replicas", "1", **ECHO)
    try:
        until(lambda: cluster.has(until_there), "it has come so far", BOUND_S)
        below = cluster.processes()
        assert not cluster.logged("listening")

        cluster.process.send_signal(number)

        assert cluster.process.wait(BOUND_S) == 128 + number, cluster.log_text()
        until(lambda: not any(map(alive, below)), "no process is left", BOUND_S)
        assert "Traceback" not in cluster.log_text()
    finally:
        cluster.clean_up()


# ── What is refused ──────────────────────────────────────────────────────────


def refused(home, *arguments, **env):
    """Return what the command says as it fails; nothing is left of it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPEECHHUB_", "OPENAI_", "RAY_"))}
    own = {"SPEECHHUB_HOME": str(home), "SPEECHHUB_PORT": str(free_port())}
    process = subprocess.run(
        [sys.executable, "-m", "speechhub_ray", "serve", *arguments],
        env=clean | ECHO | own | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=home,
        text=True,
        check=False,
        timeout=BOUND_S,  # pipes stay open until the last process of Ray's has ended
    )
    assert process.returncode == 1, process.stdout
    assert "Traceback" not in process.stdout
    return process.stdout


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"SPEECHHUB_STT_MODEL": "no-such-model"}, "no-such-model"),
        ({"SPEECHHUB_QUEUE_LIMIT": "many"}, "QUEUE_LIMIT"),
        ({"SPEECHHUB_ENGINES": '{"echo-stt": {"work": 1}}'}, "echo-stt"),
        ({"SPEECHHUB_DEVICE": "gpu:x"}, "device"),
    ],
)
def test_wrong_settings_are_told_without_ray(tmp_path, env, named):
    """What the hubs would refuse is found before Ray starts them, again and again."""
    text = refused(tmp_path, **env)

    assert named in text, text
    assert "Ray" not in text, text


def test_a_port_in_use_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        text = refused(tmp_path, SPEECHHUB_PORT=port)

    assert f":{port}" in text.splitlines()[-1], text


def test_too_many_replicas_are_told(tmp_path):
    """What the cluster has is known once Ray runs; it ends again, with all its processes."""
    text = refused(tmp_path, "--replicas", "99")

    assert "--replicas" in text.splitlines()[-1], text


def test_a_path_too_long_for_ray_is_told(tmp_path):
    """Its sockets have names of a hundred characters at most."""
    text = refused(tmp_path, RAY_TMPDIR=str(tmp_path / ("long" * 30)))

    assert "Ray does not start: " in text.splitlines()[-1], text


def test_a_cluster_that_is_not_there_is_told_soon(tmp_path):
    """Ray itself tries for ten minutes."""
    text = refused(tmp_path, "--address", f"127.0.0.1:{free_port()}")

    assert text.startswith("Error: There is no Ray cluster at "), text
    assert "ray start --head" in text
