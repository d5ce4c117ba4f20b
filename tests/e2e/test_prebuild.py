"""What takes an engine long to build is built when it is installed, and read when it is loaded."""

import signal
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from speechhub.environments import prebuild
from speechhub.environments.folders import home_of
from speechhub.environments.prebuild import prebuilt_dir
from speechhub.environments.record import read_record
from tests.e2e.installation import DEADLINE_S
from tests.e2e.server import alive, serving, until
from tests.e2e.wheels import write_wheel
from tests.http.conftest import wav

pytestmark = pytest.mark.unhurried

SPEC = """
from speechhub.engine import EngineSpec, ModelSpec, Slot, SttCapabilities

ENGINE = EngineSpec(
    name="slow",
    slot=Slot.STT,
    factory="speechhub_slow.engine:Engine",
    models=(ModelSpec(id="slow"),),
    capabilities=SttCapabilities(),
    prebuild="speechhub_slow.build:{function}",
)
"""
ENGINE = """
from speechhub.engine import SttEngine, Transcript


class Engine(SttEngine):
    def load(self, context):
        built = context.prebuilt_dir
        self.said = (built / "grammar.txt").read_text() if built else "nothing was built"

    def transcribe(self, batch, call):
        return [Transcript(text=self.said, duration_s=1.0) for _ in batch]
"""
BUILD = """
import os
import sys
import threading
from pathlib import Path


def writes(folder):
    print("a library says hello")
    (folder / "grammar.txt").write_text(f"built in {Path(sys.prefix).name}")
    (folder / "environment.txt").write_text(" ".join(os.environ))


def fails(folder):
    (folder / "grammar.txt").write_text("half")
    raise RuntimeError("no grammar for you")


def hangs(folder):
    (folder / "pid").write_text(str(os.getpid()))
    threading.Event().wait()
"""


@pytest.fixture
def slow(tmp_path):
    """Write the wheel of an engine whose *function* builds what it needs."""

    def made(function, version="1.0"):
        return write_wheel(
            tmp_path,
            "speechhub_slow",
            version,
            {
                "speechhub_slow/__init__.py": SPEC.format(function=function),
                "speechhub_slow/engine.py": ENGINE,
                "speechhub_slow/build.py": BUILD,
            },
            requires=["numpy"],
            entry_points="[speechhub.stt]\nslow = speechhub_slow:ENGINE\n",
        )

    return made


def heard(home):
    with serving(home, SPEECHHUB_STT_MODEL="slow") as server:
        answer = httpx.post(
            f"{server.url}/v1/audio/transcriptions",
            files={"file": wav(2)},
            data={"model": "slow"},
            timeout=DEADLINE_S,
        )
    return answer.json()["text"]


def test_a_load_reads_what_the_installation_built(engines, slow):
    """Each installation builds anew, in the engine's own environment and without our secrets."""
    for version in ("1.0", "2.0"):
        code, output = engines("install", slow("writes", version), SPEECHHUB_API_KEYS="secret")
        assert code == 0, output

    folder = engines.engines()["slow"].prebuilt
    assert output.count("building what slow needs and builds once; this can take minutes") == 1
    assert "hello" not in output
    assert "SPEECHHUB_API_KEYS" not in (folder / "environment.txt").read_text().split()
    assert heard(engines.home) == f"built in {folder.parents[1].name}"
    assert folder.is_relative_to(home_of(engines.engines_dir, "slow").folder(record_of(engines)))
    assert [path.name for path in folder.parent.iterdir()] == ["slow"]


def test_a_build_that_fails_leaves_a_working_engine(engines, slow):
    """The installation is told as done, and what the failure costs; nothing half-built is read."""
    code, output = engines("install", slow("fails"))

    assert code == 0, output
    told = next(line for line in output.splitlines() if "warning" in line)
    assert "its first load will" in told
    assert told.endswith("RuntimeError: no grammar for you")
    assert "slow: slow installed" in output
    assert not list(engines.engines()["slow"].prebuilt.parent.iterdir())
    assert engines("check") == (0, "slow: works\n")
    assert heard(engines.home) == "nothing was built"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_build_leaves_a_working_engine(engines, slow, number):
    """Ctrl-C ends the command and what it started; the engine is installed by then."""
    with engines.start("install", slow("hangs")) as process:
        pid = until(lambda: _read(engines.engines_dir), "the build has begun", DEADLINE_S)
        process.send_signal(number)
        output, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode not in (None, 0)
    told = "slow is installed, but slow did not finish building, so its first load will" in output
    assert told is (number != signal.SIGKILL)
    until(lambda: not alive(pid), "the build has ended", DEADLINE_S)
    assert engines.unlocked("slow")
    assert prebuilt_dir(engines.engines()["slow"]) is None
    assert engines("check") == (0, "slow: works\n")


def test_a_build_that_never_ends_is_stopped(engines, slow, monkeypatch):
    """After a time that is told, and the installation goes on."""
    assert engines("install", slow("fails"))[0] == 0
    record = record_of(engines)
    spec = record.description.engines[0].spec
    spec["prebuild"] = "speechhub_slow.build:hangs"
    monkeypatch.setattr(prebuild, "TIMEOUT_S", 0.5)
    said = []

    prebuild.prebuild(home_of(engines.engines_dir, "slow"), record, said.append)

    assert said[-1].endswith("it was stopped, because it did not finish in 0.5 s")
    assert not list(engines.engines()["slow"].prebuilt.parent.iterdir())


@pytest.mark.parametrize("open_to_all", ["", "grammar.txt"])
def test_what_others_can_write_is_not_read(engines, slow, open_to_all):
    """An engine may keep pickles there; the log says how to get it back."""
    assert engines("install", slow("writes"))[0] == 0
    found = engines.engines()["slow"]
    assert prebuilt_dir(found) == found.prebuilt

    (found.prebuilt / open_to_all).chmod(0o777)

    with capture_logs() as logs:
        assert prebuilt_dir(found) is None
    [line] = logs
    assert (line["log_level"], line["advice"]) == ("warning", "speechhub engines install slow")


def record_of(engines):
    return read_record(engines.engines_dir / "slow")


def _read(engines_dir):
    """Return the process id that a build has written down; None until then."""
    for path in Path(engines_dir).glob("slow/env-*/prebuilt/*/pid"):
        return int(path.read_text() or 0)
    return None
