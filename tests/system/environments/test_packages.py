"""Installers take nothing from the current folder, which may be anybody's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speechhub.environments import packages
from speechhub.environments.packages import Installer
from speechhub.environments.read import NO_TELEMETRY, clean_environment, keyless_environment
from speechhub.mirrors import MIRRORS


@pytest.fixture
def calls(monkeypatch):
    """The commands that would be run, and their environments."""
    made = []

    def run(self, command, environ):
        made.append((list(command), dict(environ)))
        return True

    monkeypatch.setattr(Installer, "_run", run)
    return made


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A current folder with a pip, an ensurepip and settings of uv that are not the user's."""
    folder = tmp_path / "theirs"
    for name in ("pip", "ensurepip"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
        (folder / name / "__main__.py").write_text("")
    (folder / "uv.toml").write_text('[pip]\nindex-url = "http://127.0.0.1:9/theirs"\n')
    monkeypatch.chdir(folder)
    return tmp_path / "sprung"


def installer(**fields):
    return Installer(python=Path(sys.executable), mirror=MIRRORS["none"], say=lambda text: None, **fields)


def test_a_pip_in_the_current_folder_is_not_run(calls, trap, monkeypatch):
    """The pip that runs is the one that is installed, or none; never a file that lies there."""
    monkeypatch.setenv("NO_UV", "1")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: True)
    installer().install("anything")
    [(command, _)] = calls

    subprocess.run([*command[: command.index("pip") + 1], "--version"], capture_output=True, check=False)

    assert "-m" in command[: command.index("pip")]
    assert not trap.exists()


def test_looking_for_a_pip_runs_none_that_lies_there(calls, trap, monkeypatch):
    """Nor is one run to find out whether it works."""
    monkeypatch.setenv("NO_UV", "1")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    tried = []
    monkeypatch.setattr(packages, "_works", lambda command: tried.append(command) or "ensurepip" in command)

    installer().install("anything")

    for command in tried:
        at = next(i for i, word in enumerate(command) if word in ("pip", "ensurepip"))
        subprocess.run([*command[: at + 1], "--help"], capture_output=True, check=False)
    assert len(tried) == 2
    assert not trap.exists()


def test_settings_of_uv_in_the_current_folder_do_not_count(calls, trap, monkeypatch, tmp_path):
    """Uv asks the index that the user chose, whatever a uv.toml says that lies there."""
    uv = packages.find_uv()
    if uv is None:
        pytest.skip("there is no uv")
    monkeypatch.setattr(packages, "needs_pip", lambda configuration: False)
    installer().install("--dry-run", "speechhub-is-nowhere")
    [(command, _)] = calls

    asked = "http://127.0.0.1:10/mine"
    environ = {**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0", "NO_PROXY": "*"}
    for name in [
        name for name in environ if name.startswith(("UV_INDEX", "UV_DEFAULT", "UV_FIND", "UV_OFF"))
    ]:
        del environ[name]
    home = tmp_path / "user" / ".config" / "uv"
    home.mkdir(parents=True)
    (home / "uv.toml").write_text(f'[pip]\nindex-url = "{asked}"\n')
    environ |= {"HOME": str(tmp_path / "user"), "XDG_CONFIG_HOME": str(home.parent)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "127.0.0.1:10/mine" in done.stderr
    assert "theirs" not in done.stderr


def test_installers_are_shown_no_tokens(calls, monkeypatch):
    """What is for a model hub or an API is nothing to an index; what is for an index reaches it."""
    monkeypatch.setenv("HF_TOKEN", "hf_hush")
    monkeypatch.setenv("OPENAI_API_KEY", "hush")
    monkeypatch.setenv("SPEECHHUB_API_KEYS", "hush")
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:mine@index.example/simple")

    installer().install("anything")

    [(_, environ)] = calls
    assert "hush" not in str([value for name, value in environ.items() if name != "PYTEST_CURRENT_TEST"])
    assert environ["PIP_INDEX_URL"] == "https://me:mine@index.example/simple"


def test_a_plugin_that_describes_itself_sees_no_secret():
    """The Python of an environment runs without secrets, as a worker does."""
    environ = {
        "PATH": "/bin",
        "HF_TOKEN": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PIP_INDEX_URL": "https://a:b@c/d",
    }

    assert keyless_environment(environ) == NO_TELEMETRY | {"PATH": "/bin"}
    kept = {"PATH", "AWS_SECRET_ACCESS_KEY", "PIP_INDEX_URL"}
    assert set(clean_environment(environ)) == NO_TELEMETRY.keys() | kept


def test_a_signal_that_comes_at_the_start_ends_the_installer(monkeypatch):
    """It comes after the process has begun, and before the one who begins it knows its id."""
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *words, **options):
            super().__init__(*words, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)

    with pytest.raises(KeyboardInterrupt):
        installer()._run(["sleep", "60"], os.environ)

    assert [it.returncode for it in started] == [-signal.SIGKILL]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
