"""Engines are really installed, by pip, from wheels that the tests make: no network is touched."""

import json
import shutil
import signal
import socket
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from speechhub.environments import read
from speechhub.environments.check import check_environment
from speechhub.environments.folders import EnvironmentHome
from speechhub.environments.record import RECORD_NAME, read_record
from speechhub.worker.host import Worker
from tests.e2e.installation import DEADLINE_S
from tests.e2e.server import serving, until
from tests.e2e.wheels import plugin_wheel, write_wheel
from tests.http.conftest import wav

pytestmark = pytest.mark.unhurried


@pytest.mark.anyio
async def test_an_installed_engine_works(engines, wheels):
    """It is found, its worker runs on its environment's Python, and it can be checked and removed."""
    code, output = engines("install", "echo", "--from", wheels)
    assert code == 0, output
    assert "echo: echo-stt, echo-tts installed" in output

    found = engines.engines()["echo-stt"]
    assert found.python.is_relative_to(engines.engines_dir / "echo")
    worker = await Worker.start(found.spec, epoch=1, python=found.python, handshake_timeout_s=DEADLINE_S)
    assert worker.python.startswith("3.")
    worker.kill()
    await worker.exited

    assert engines("check")[1] == "echo: works\n"
    assert "It has its own environment." in " ".join(engines()[1].split())
    freeze = next(engines.engines_dir.glob("echo/env-*/freeze.txt")).read_text()
    assert freeze == "numpy==2.0.0\nspeechhub-echo==1.0\n"

    code, output = engines("remove", "echo", "--yes")
    assert code == 0
    assert "freed" in output
    assert engines.engines() == {}
    assert not (engines.engines_dir / "echo").exists()


@pytest.mark.mission("18.8")
def test_an_upgrade_replaces_the_whole(engines, wheels, tmp_path):
    """The new environment takes the old one's place; the old one is deleted when asked, or by the next."""
    assert engines("install", "echo", "--from", wheels)[0] == 0
    newer = tmp_path / "newer"
    newer.mkdir()
    upgrade = plugin_wheel(newer, "echo", "2.0")

    code, output = engines("install", upgrade)

    assert code == 0, output
    assert engines.engines()["echo-stt"].distribution == "speechhub-echo 2.0"
    assert len(engines.folders()) == 2
    code, output = engines("check", "--json")
    told = json.loads(output)
    [environment] = told["environments"]
    assert (code, told["ok"], environment["ok"]) == (0, True, True)
    assert [Path(it["path"]).name in engines.folders() for it in environment["unused"]] == [True]
    assert "is not used" in engines("check", "--clean")[1]
    assert len(engines.folders()) == 1
    assert engines("check") == (0, "echo: works\n")


BACKEND = """
import sys
from pathlib import Path

sys.path.append({root!r})
from tests.e2e.wheels import editable_plugin_wheel, plugin_wheel

FILES = {{"speechhub_echo/engine-requirements.txt": "numpy==2.0.0\\n"}}


def build_wheel(folder, config_settings=None, metadata_directory=None):
    return plugin_wheel(Path(folder), "echo", requires=["gradio"], files=FILES).name


def build_editable(folder, config_settings=None, metadata_directory=None):
    return editable_plugin_wheel(Path(folder), "echo", Path("src").absolute(), requires=["gradio"]).name
"""
"""Builds echo without an index, with pins that leave out what the metadata ask for."""


@pytest.mark.parametrize("no_uv", ["", "1"])
def test_an_editable_engine_is_what_its_folder_holds(engines, tmp_path, no_uv):
    """Its pins are installed, and what the author changes counts without another installation."""
    folder = tmp_path / "mine"
    source = Path(__file__).parents[2] / "plugins" / "speechhub-echo"
    shutil.copytree(source / "src", folder / "src")
    project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    (folder / "backend.py").write_text(BACKEND.format(root=str(Path(__file__).parents[2])))
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{project}"\nversion = "1.0"\ndynamic = ["dependencies", "entry-points"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )

    code, output = engines("install", "--editable", folder, NO_UV=no_uv)

    assert code == 0, output
    assert read_record(engines.engines_dir / "echo").editable
    assert engines("check") == (0, "echo: works\n")
    description = folder / "src" / "speechhub_echo" / "__init__.py"
    description.write_text(description.read_text().replace('name="echo-stt"', 'name="ears-of-mine"'))
    assert {"ears-of-mine", "echo-tts"} == set(engines.engines())
    (folder / "src" / "speechhub_echo" / "stt.py").write_text("1 / 0\n")
    assert "(in speechhub_echo/stt.py:1)" in engines("check")[1]


def test_only_a_folder_is_editable(engines, wheels):
    """A wheel, or a package of an index, has no source that could be edited."""
    code, output = engines("install", "-e", "echo", "--from", wheels)

    assert code == 2
    assert "--editable needs the folder of a plugin, which 'echo' is not." in output
    assert not engines.engines_dir.exists()


@pytest.mark.invariant("separate-packages")
def test_pins_are_installed_as_they_stand(engines, wheels, tmp_path):
    """A plugin's own set leaves out what its metadata asks for."""
    folder = tmp_path / "pinned"
    folder.mkdir()
    pinned = plugin_wheel(
        folder,
        "echo",
        requires=["numpy", "gradio"],
        files={"speechhub_echo/engine-requirements.txt": "numpy==2.0.0\n"},
    )

    code, output = engines("install", pinned)

    assert code == 0, output
    assert "echo-stt" in engines.engines()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"requires": ["not-to-be-had"]}, "could not be installed"),
        ({"requires": ["torch>=2", "numpy"]}, "Name one: --torch"),
        ({"entry_points": ""}, "so it is not a plugin"),
        (
            {"files": {"speechhub_echo/stt.py": "import not_there\n"}},
            "No module named 'not_there' (in speechhub_echo/stt.py:1).",
        ),
        (
            {"files": {"speechhub_echo/__init__.py": "1 / 0\n"}},
            "division by zero (in speechhub_echo/__init__.py:1).",
        ),
        ({"files": {"speechhub_echo/engine-requirements.txt": "numpy\n"}}, "not of the form name==version"),
    ],
)
def test_a_failed_installation_changes_nothing(engines, tmp_path, changes, says):
    """What was there goes on; what was begun is gone; the reason is told in one line."""
    folder = tmp_path / "bad"
    folder.mkdir()

    code, output = engines("install", plugin_wheel(folder, "echo", "3.0", **changes))

    assert code == 1
    assert says in output.splitlines()[-1]
    assert engines.folders() == set()
    assert not (engines.engines_dir / "echo").exists()


@pytest.mark.mission("1.3")
def test_a_build_that_nobody_has_is_no_other_build(engines, tmp_path, wheels):
    """For torch, the build is part of the version: a wheel of any other is not taken."""
    folder = tmp_path / "pinned"
    folder.mkdir()
    write_wheel(folder, "torch", "2.13.0", {"torch.py": "raise SystemExit('CUDA')"})
    pins = {"speechhub_echo/engine-requirements.txt": "torch==2.13.0\nnumpy==2.0.0\n"}
    plugin = plugin_wheel(folder, "echo", files=pins)

    code, output = engines("install", plugin, "--build", "cpu", PIP_FIND_LINKS=f"{wheels} {folder}")
    assert (code, "No configured source has torch==2.13.0+cpu" in output) == (1, True), output

    write_wheel(folder, "torch", "2.13.0+cpu", {"torch.py": ""})
    code, output = engines("install", plugin, "--build", "cpu", PIP_FIND_LINKS=f"{wheels} {folder}")
    assert code == 0, output
    assert read_record(engines.engines_dir / "echo").build == "cpu"


class Deaf:
    """A package index that takes calls and never answers."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._calls = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/simple"

    def called(self):
        self._socket.settimeout(DEADLINE_S)
        self._calls.append(self._socket.accept()[0])

    def close(self):
        for call in (self._socket, *self._calls):
            call.close()


@pytest.fixture
def deaf():
    index = Deaf()
    yield index
    index.close()


def hanging(engines, deaf, version="2.0"):
    """Start an installation that hangs in the middle: its pip waits for an index for ever."""
    folder = engines.home / "waiting"
    folder.mkdir()
    plugin = plugin_wheel(folder, "echo", version, requires=["numpy", "only-there"])
    process = engines.start(
        "install",
        plugin,
        NO_UV="1",
        SPEECHHUB_OFFLINE="false",
        PIP_INDEX_URL=deaf.url,
        PIP_RETRIES="0",
        NO_PROXY="127.0.0.1",
    )
    deaf.called()
    return process


def test_a_killed_upgrade_breaks_nothing(engines, wheels, deaf):
    """After kill -9 in the middle the old engine is there, works, and can be upgraded."""
    assert engines("install", "echo", "--from", wheels)[0] == 0
    before = engines.engines()["echo-stt"]
    with hanging(engines, deaf) as process:
        process.send_signal(signal.SIGKILL)
        deaf.close()
        process.communicate(timeout=DEADLINE_S)

    assert engines.engines()["echo-stt"] == before
    assert engines("check")[0] == 0
    until(lambda: engines.unlocked("echo"), "the pip that was left has ended", DEADLINE_S)
    assert len(engines.folders()) == 2

    assert engines("install", "echo", "--from", wheels)[0] == 0
    assert len(engines.folders()) == 2  # the new and the one before: the half-made one is gone
    assert engines("check")[0] == 0


def test_a_killed_first_installation_is_no_engine(engines, wheels, deaf):
    """Nothing is found, the check says why, and another attempt is like the first."""
    with hanging(engines, deaf) as process:
        process.send_signal(signal.SIGKILL)
        deaf.close()
        process.communicate(timeout=DEADLINE_S)
    until(lambda: engines.unlocked("echo"), "the pip that was left has ended", DEADLINE_S)

    assert engines.engines() == {}
    assert not (engines.engines_dir / "echo" / RECORD_NAME).exists()
    code, output = engines("check")
    assert (code, "never completed" in output) == (1, True)

    assert engines("install", "echo", "--from", wheels)[0] == 0
    assert len(engines.folders()) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cleans_up(engines, deaf, number):
    """Ctrl-C and SIGTERM end pip, too, and leave nothing."""
    with hanging(engines, deaf) as process:
        process.send_signal(number)
        process.communicate(timeout=DEADLINE_S)

    assert process.returncode != 0
    assert engines.folders() == set()
    assert engines.unlocked("echo")


def test_an_environment_whose_packages_changed_is_told(engines, wheels):
    """What pip did there by hand is named, and the hub reads the environment again."""
    assert engines("install", "echo", "--from", wheels)[0] == 0
    [packages] = engines.engines()["echo-stt"].search_path
    shutil.rmtree(packages / "numpy-2.0.0.dist-info")
    wheel_info = packages / "added-1.dist-info"
    wheel_info.mkdir()
    (wheel_info / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 1\n")

    code, output = engines("check")

    assert code == 1
    assert "numpy==2.0.0 was installed and is gone." in output
    assert "added==1 was added later." in output
    code, output = engines("check", "--json")
    assert (code, json.loads(output)) == (
        1,
        {
            "ok": False,
            "environments": [
                {
                    "name": "echo",
                    "ok": False,
                    "problems": ["numpy==2.0.0 was installed and is gone.", "added==1 was added later."],
                    "unused": [],
                }
            ],
        },
    )
    assert "echo-stt" in engines.engines()
    assert EnvironmentHome(engines.engines_dir / "echo").unused() == []


def test_code_that_hangs_while_it_is_imported_ends_the_check(engines, wheels, monkeypatch):
    """It is stopped, and the check says what was not done."""
    assert engines("install", "echo", "--from", wheels)[0] == 0
    [packages] = engines.engines()["echo-stt"].search_path
    (packages / "speechhub_echo" / "stt.py").write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.setattr(read, "FACTORIES_TIMEOUT_S", 0.5)

    [problem] = check_environment(EnvironmentHome(engines.engines_dir / "echo"))

    assert problem.endswith("was stopped, because it did not import the engines' code in 0.5 s.")


@pytest.mark.invariant("separate-packages")
def test_a_server_serves_both_kinds_of_engine(engines, wheels):
    """Whisper beside the hub and echo in its own environment answer in one run, each from its Python."""
    pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")
    assert engines("install", "echo", "--from", wheels)[0] == 0
    own = str(engines.engines()["echo-stt"].python)

    with serving(engines.home, SPEECHHUB_TTS_MODEL="echo-tts") as server:
        for model in ("whisper-base", "echo-stt"):
            answer = httpx.post(
                f"{server.url}/v1/audio/transcriptions",
                files={"file": wav(2)},
                data={"model": model},
                timeout=DEADLINE_S,
            )
            assert answer.status_code == 200, answer.text
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in server.workers()]

    assert sorted(command[0].decode() for command in commands) == sorted([own, sys.executable])
