"""What goes wrong on a server, from end to end: what the client is told, and what the operator's log says.

`docs/error-scenarios.md` lists all scenarios with their tests; those that no other module has are here.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from tests.e2e.conftest import ECHO, echo_env
from tests.e2e.server import serving, until
from tests.fuzz.leaving import begin, health, speech, transcription, waiting
from tests.http.conftest import wav

pytestmark = pytest.mark.unhurried

DISK_BYTES = 2 * 2**20
SMALL_DISK = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"),
    f'mount -t tmpfs -o size={DISK_BYTES} none "$SPEECHHUB_HOME"; mkdir "$TMPDIR"; exec "$0" "$@"',
)
"""Starts a program that finds its home folder, and the one for temporary files in it, on a small disk."""


def transcribe(server, clip=None, **fields):
    files = {"file": ("a.wav", clip or wav(1))}
    return httpx.post(f"{server.url}/v1/audio/transcriptions", files=files, data=fields, timeout=60)


def speak(server, **fields):
    body = {"input": "Hello there.", "voice": "alloy", "response_format": "wav"} | fields
    return httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=60)


def refused(answer):
    """Return the status and the code of a refusal in OpenAI's shape."""
    error = answer.json()["error"]
    assert error["message"], answer.text
    return answer.status_code, error["code"]


def told(server, event, lines=1):
    """Return the log's lines of an event once there are so many; they may come after the answer."""
    return until(lambda: server.logged(event)[lines - 1 :] and server.logged(event), f"{event!r} is logged")


# ── The engine ───────────────────────────────────────────────────────────────


@pytest.mark.scenario("engine-out-of-memory")
def test_an_engine_out_of_memory_says_so_and_goes_on(tmp_path):
    """A request that is too much for the device is a 500 of its own, and the next one gets a new process."""
    with serving(tmp_path, **echo_env(stt={"out_of_memory_from": 1})) as server:
        answers = [transcribe(server) for _ in range(2)]

        assert [refused(answer) for answer in answers] == [(500, "engine_out_of_memory")] * 2
        assert {answer.headers["x-should-retry"] for answer in answers} == {"false"}
        assert [line["error"] for line in told(server, "request", 2)] == ["EngineOutOfMemoryError"] * 2
        assert len(server.logged("engine ready")) == 2


@pytest.mark.scenario("worker-crashes-twice")
def test_an_engine_that_the_kernel_kills_is_started_again(tmp_path):
    """SIGKILL at work, as the kernel sends it when memory is short: told after the second time."""
    with serving(tmp_path, **echo_env(stt={"crash_after": 1, "crash_signal": 9})) as server:
        answer = transcribe(server)

        assert refused(answer) == (500, "engine_crashed")
        ended = told(server, "worker ended by itself", 2)
        assert ["SIGKILL" in str(line["exit"]) for line in ended] == [True, True]
        assert len(server.logged("a request's worker crashed")) == 1
        assert speak(server).status_code == 200


@pytest.mark.scenario("device-lost-in-call")
def test_a_device_that_fails_costs_a_process_and_no_request(tmp_path):
    """What leaves a CUDA context dead: each request is answered, by a new process if need be."""
    faults = {"device_fault_from": 2}
    with serving(tmp_path, **echo_env(stt=faults, tts=faults)) as server:
        heard, said = [transcribe(server) for _ in range(2)], [speak(server) for _ in range(2)]

        assert [answer.status_code for answer in heard + said] == [200] * 4
        ended = told(server, "worker ended by itself", 2)
        assert {line["model"] for line in ended} == {"echo-stt", "echo-tts"}
        assert all("it lost its device" in str(line["exit"]) for line in ended)
        assert len(server.logged("worker lost its device")) == 2
        assert len(server.logged("engine ready")) == 4
        assert "device-side assert" not in server.log_text()


@pytest.mark.mission("2.6")
@pytest.mark.scenario("engine-raises")
def test_an_engine_that_fails_is_an_error_without_its_words(tmp_path):
    """An exception in an engine is a 500; its text, which quotes the request, goes nowhere."""
    with serving(tmp_path, **echo_env(tts={"fail": True})) as server:
        answer = speak(server, input="My pin is 4711.")

        assert refused(answer) == (500, "engine_error")
        assert told(server, "request")[-1]["error"] == "EngineError"
        assert "4711" not in answer.text + server.log_text()


@pytest.mark.scenario("engine-raises")
@pytest.mark.parametrize("level", ["info", "debug"])
def test_an_engine_that_fails_is_one_line_at_level_error(tmp_path, level):
    """The line has the model, the request and the cause; a traceback, which may quote, is for debug alone."""
    env = echo_env(tts={"fail": True}, stt={"fail": True})
    with serving(tmp_path, **env, SPEECHHUB_LOG_LEVEL=level) as server:
        asked = [speak(server, input="my pin is 4711"), transcribe(server)]
        told(server, "request", 2)

        lines = [line for line in server.lines() if line["level"] == "error"]
        assert [(line["event"], line["model"], line["error"]) for line in lines] == [
            ("engine failed", "echo-tts", "EngineError"),
            ("engine failed", "echo-stt", "EngineError"),
        ]
        assert [line["request_id"] for line in lines] == [answer.headers["x-request-id"] for answer in asked]
        assert all(str(line["cause"]).startswith("RuntimeError in faults.py:") for line in lines)
        assert "4711" not in str(lines)
        traces = server.logged("engine failed: traceback")
        assert len(traces) == (2 if level == "debug" else 0)
        assert all("RuntimeError: cannot digest" in str(line["exception"]) for line in traces)
        assert ("4711" in server.log_text()) is (level == "debug")


@pytest.mark.scenario("load-hangs")
def test_an_engine_that_loads_too_slowly_is_one_line_at_level_error(tmp_path):
    """The log names the model, the step, the time and the settings that limit it."""
    env = echo_env(stt={"load_s": 600})
    with serving(tmp_path, **env, SPEECHHUB_FIRST_LOAD_TIMEOUT_S="1") as server:
        assert refused(transcribe(server)) == (503, "engine_switch_timeout")
        told(server, "engine failed to load")

        [line] = [line for line in server.lines() if line["level"] == "error"]
        assert (line["event"], line["model"], line["error"]) == (
            "engine failed to load",
            "echo-stt",
            "SwitchTimeoutError",
        )
        assert line["step"] == "load"
        assert line["after_s"] >= 1
        assert "FIRST_LOAD_TIMEOUT_S" in line["reason"]


def test_a_load_that_fails_is_one_line_at_level_error(tmp_path):
    """The line names the exception's class and the place that raised it."""
    with serving(tmp_path, **echo_env(stt={"memory_bytes": 1 << 60})) as server:
        assert transcribe(server).status_code == 500
        told(server, "engine failed to load")

        [line] = [line for line in server.lines() if line["level"] == "error"]
        assert (line["event"], line["model"], line["error"]) == (
            "engine failed to load",
            "echo-stt",
            "EngineOutOfMemoryError",
        )
        assert "ran out of memory" in str(line["reason"])
        assert str(line["cause"]).startswith("MemoryError in faults.py:")


@pytest.mark.scenario("load-fails")
def test_an_engine_that_cannot_load_is_left_alone_for_a_while(tmp_path):
    """The first request learns why, and the next ones are told to wait; the other engine does not notice."""
    with serving(tmp_path, **echo_env(stt={"crash_on_load": True})) as server:
        found = []
        while not found or found[-1] != (503, "engine_failing"):
            answer = transcribe(server)
            found.append(refused(answer))
            assert found[-1] in {(500, "engine_load_failed"), (503, "engine_failing")}
            assert len(found) < 20
        assert found[0] == (500, "engine_load_failed")
        assert int(answer.headers["retry-after"]) >= 1
        assert told(server, "engine failed to load")
        assert speak(server).status_code == 200


def test_settings_that_lead_nowhere_are_warned_of_at_the_start(tmp_path):
    """The server starts all the same; its log and /health name each of them."""
    with serving(tmp_path, **ECHO, SPEECHHUB_PRELOAD="echo-sst") as server:
        lines = server.logged("settings do not fit")
        told_by_health = httpx.get(f"{server.url}/health").json()["warnings"]

    assert {line["level"] for line in lines} == {"warning"}
    assert [line["subject"] for line in lines] == ["preload"]
    assert [warning.partition(": ")[0] for warning in told_by_health] == ["preload"]


@pytest.mark.scenario("open-without-keys")
def test_a_server_without_keys_on_all_addresses_says_so(tmp_path):
    """One line in the log, which /health repeats; and no word about it on the loopback interface."""
    with serving(tmp_path, **ECHO, SPEECHHUB_HOST="0.0.0.0") as server:
        [line] = server.logged("open to the network without keys")
        port = server.url.rsplit(":", 1)[1]
        [warning] = httpx.get(f"http://127.0.0.1:{port}/health").json()["warnings"]

    assert (line["level"], line["subject"]) == ("warning", "host")
    assert "api_keys" in line["problem"]
    assert warning == f"host: {line['problem']}"


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"fial": True}, "mean fail?"), ({"work_s": "slow"}, "'slow'")],
    ids=["an unknown option", "a wrong type"],
)
def test_an_option_that_an_engine_does_not_take_keeps_the_server_from_starting(tmp_path, options, problem):
    """Each request to the engine would fail; the answer is one line, with the option's full name."""
    found = subprocess.run(
        [sys.executable, "-m", "speechhub", "serve", "--port", "0"],
        env=os.environ | echo_env(tts=options) | {"SPEECHHUB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert found.returncode == 1
    [said] = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert f"engines.echo-tts.{next(iter(options))}" in said
    assert problem in said
    assert "Traceback" not in found.stderr


@pytest.mark.scenario("broken-plugin")
def test_a_broken_plugin_harms_nobody(tmp_path):
    """A plugin that cannot be imported is named in the log and in /health; the others work."""
    info = tmp_path / "plugins" / "torn-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[speechhub.stt]\ntorn = torn_module_that_is_not_there:STT\n")
    with serving(tmp_path, **ECHO, PYTHONPATH=str(info.parent)) as server:
        [line] = told(server, "plugin cannot be read")
        [broken] = httpx.get(f"{server.url}/health").json()["broken_plugins"]

        assert line["plugin"] == broken["plugin"] == "torn 1.0"
        assert "torn_module_that_is_not_there" in broken["error"]
        assert transcribe(server).status_code == 200


# ── The weights ──────────────────────────────────────────────────────────────


@pytest.mark.scenario("missing-weights")
def test_missing_weights_are_named(tmp_path):
    """A model whose folder is not there is a 503 that says what helps; nothing was started for it."""
    pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")
    models = {"lost": {"engine": "piper", "path": str(tmp_path / "nowhere")}}
    with serving(tmp_path, **ECHO, SPEECHHUB_MODELS=json.dumps(models)) as server:
        answer = speak(server, model="lost")

        assert refused(answer) == (503, "model_files_unavailable")
        assert "nowhere" in answer.json()["error"]["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert [line["model"] for line in told(server, "model files are not available")] == ["lost"]
        assert server.workers() == []


@pytest.mark.scenario("model-hub-down")
def test_a_model_hub_that_cannot_be_reached_is_named(tmp_path):
    """A model that would have to be downloaded is a 503 when the model hub is away."""
    pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        endpoint = f"http://127.0.0.1:{gone.getsockname()[1]}"
    models = {"far": {"engine": "piper", "hub": "nobody/far-away"}}
    env = ECHO | {"SPEECHHUB_MODELS": json.dumps(models), "SPEECHHUB_HF_ENDPOINT": endpoint}
    with serving(tmp_path, **env) as server:
        answer = speak(server, model="far")

        assert refused(answer) == (503, "model_files_unavailable")
        assert [line["model"] for line in told(server, "model files are not available")] == ["far"]
        assert speak(server).status_code == 200


# ── The disk ─────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path):
    """A server whose home and temporary files lie on a disk of 2 MiB."""
    if (
        not shutil.which("unshare")
        or subprocess.run(
            [*SMALL_DISK, "true"],
            env={"SPEECHHUB_HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("no file system may be mounted here")
    with serving(tmp_path, through=SMALL_DISK, **ECHO, TMPDIR=str(tmp_path / "tmp")) as server:
        yield server


@pytest.mark.scenario("disk-full-upload")
def test_a_disk_that_is_full_at_an_upload(small_disk):
    """An upload that finds no room is a 503 and a line in the log; smaller ones never notice."""
    before = transcribe(small_disk).status_code, small_disk.descriptors()

    answer = transcribe(small_disk, clip=wav(200))

    assert refused(answer) == (503, "disk_full")
    assert int(answer.headers["retry-after"]) >= 1
    [line] = told(small_disk, "disk is full")
    assert line["path"] == "/v1/audio/transcriptions"
    assert line["temporary"].endswith("/tmp")
    assert (transcribe(small_disk).status_code, before[0]) == (200, 200)
    until(lambda: small_disk.descriptors() <= before[1], "the upload is closed")


@pytest.mark.scenario("disk-full-voice")
def test_a_disk_that_is_full_at_a_new_voice(small_disk):
    """A voice that finds no room is a 503 and is not there; the others are, and can be deleted."""
    with httpx.Client(base_url=f"{small_disk.url}/v1/audio", timeout=60) as client:
        files = {"recording": wav(1.2)}
        agreed = client.post("/voice_consents", data={"name": "A", "language": "en"}, files=files)
        made = []
        while len(made) < 40:
            form = {"name": f"voice {len(made)}", "consent": agreed.json()["id"]}
            answer = client.post("/voices", data=form, files={"audio_sample": wav(2)})
            if answer.status_code != 200:
                break
            made.append(answer.json()["id"])

        assert refused(answer) == (503, "disk_full")
        assert told(small_disk, "disk is full")[0]["path"] == "/v1/audio/voices"
        assert {voice["id"] for voice in client.get("/voices").json()["data"]} == set(made)
        assert client.delete(f"/voices/{made[0]}").status_code == 200
        assert client.post("/voices", data=form, files={"audio_sample": wav(2)}).status_code == 200


def test_a_full_disk_is_in_the_description_of_what_writes_to_it(small_disk):
    """Each route that writes to the library of voices may answer 503, and OpenAPI says so."""
    paths = httpx.get(f"{small_disk.url}/schema").json()["paths"]

    writing = {
        "/v1/audio/voices": ("post",),
        "/v1/audio/voices/{voice_id}": ("delete",),
        "/v1/audio/voice_consents": ("post",),
        "/v1/audio/voice_consents/{consent_id}": ("post", "delete"),
    }
    for path, methods in writing.items():
        for method in methods:
            assert "503" in paths[path][method]["responses"], (method, path)


# ── The queue, and the end ───────────────────────────────────────────────────


@pytest.mark.scenario("queue-full")
def test_a_full_queue_is_refused_with_a_time(tmp_path):
    """With as many waiting as may wait, the next one is told when to come again; who waits is served."""
    with serving(tmp_path, **echo_env(stt={"work_s": 4.0}), SPEECHHUB_QUEUE_LIMIT="1") as server:
        running = begin(server, "echo-stt", transcription())
        answers = []
        client = threading.Thread(target=lambda: answers.append(transcribe(server)))
        client.start()
        until(lambda: waiting(server, "echo-stt"), "one waits")

        answer = transcribe(server)

        assert refused(answer) == (503, "server_is_overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        client.join(60)
        assert answers[0].status_code == 200
        running.close()


@pytest.mark.scenario("stop-with-queue")
def test_the_end_refuses_whoever_waits(tmp_path):
    """A server that stops finishes what runs and refuses what waits, with a time to come again."""
    with serving(tmp_path, **echo_env(stt={"work_s": 4.0})) as server:
        answers = {}

        def ask(name):
            answers[name] = transcribe(server)

        first, second = (threading.Thread(target=ask, args=[name]) for name in ("runs", "waits"))
        first.start()
        until(lambda: health(server)["echo-stt"]["busy"], "one runs")
        second.start()
        until(lambda: waiting(server, "echo-stt"), "one waits")

        assert server.stop() == 0
        first.join(60)
        second.join(60)

        assert answers["runs"].status_code == 200
        assert refused(answers["waits"]) == (503, "server_shutting_down")
        assert int(answers["waits"].headers["retry-after"]) >= 1


@pytest.mark.scenario("speech-fails")
def test_speech_that_breaks_off_is_a_broken_body_and_a_line_in_the_log(tmp_path):
    """An engine that dies within its speech cannot be asked again: the body breaks off, unmistakably."""
    with serving(tmp_path, **echo_env(tts={"crash_after": 2})) as server:
        body = json.loads(speech("One two. Three four.").partition(b"\r\n\r\n")[2])

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=60)

        [line] = told(server, "stream broke off")
        assert line["error"] == "EngineCrashedError"
        assert told(server, "request")[-1]["broken_off"]
