"""The programs behind scripts/serve and scripts/test."""

import os
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from speechhub.http.app import create_app
from speechhub.http.openapi.described import OPENAI
from speechhub.hub import Hub
from speechhub.settings import Settings
from tests.conftest import CATEGORIES

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

import _install  # noqa: E402 - the path comes first
import _pip_config  # noqa: E402
import _stamp  # noqa: E402
import _steps  # noqa: E402
import audit  # noqa: E402
import compare_openapi  # noqa: E402
import init_models  # noqa: E402

pytestmark = pytest.mark.mission("14.1")

# ── pip's configuration, for uv ──────────────────────────────────────────────


def test_uv_is_told_what_pip_is_told(tmp_path):
    """Each of pip's options reaches uv under uv's name; lists get uv's separators."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    configuration = {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "https://a.example/simple\nhttps://b.example/simple",
        "find-links": f"{wheels}  {tmp_path}/gone\nhttps://c.example/wheels",
        "trusted-host": "mirror.example a.example",
        "cert": "/etc/own.pem",
        "proxy": "http://proxy.example:3128",
        "timeout": "180",
    }

    assert _pip_config.uv_environment(configuration, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": f"{wheels},https://c.example/wheels",
        "UV_INSECURE_HOST": "mirror.example a.example",
        "SSL_CERT_FILE": "/etc/own.pem",
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "UV_HTTP_TIMEOUT": "180",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_the_user_told_uv_wins(name):
    """A variable of uv that is set already is left alone, under its older name too."""
    configuration = {"index-url": "https://mirror.example/simple", "proxy": "http://proxy.example"}

    told = _pip_config.uv_environment(configuration, {name: "https://own.example", "https_proxy": "http://p"})

    assert told == {"HTTP_PROXY": "http://proxy.example"}


@pytest.fixture
def pip_files(tmp_path):
    """An environment whose pip files disagree: global, user's, and one for the command."""
    (tmp_path / "etc" / "pip").mkdir(parents=True)
    (tmp_path / "etc" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://global.example\ntimeout = 1\n[install]\nfind-links =\n  /a\n  /b\n"
    )
    (tmp_path / "home" / ".config" / "pip").mkdir(parents=True)
    (tmp_path / "home" / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex_url = https://user.example\nfind-links = /c\n"
    )
    return {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "etc"),
        "PIP_DEFAULT_TIMEOUT": "9",
        "PATH": os.environ["PATH"],
    }


def test_pip_files_and_variables_are_read_in_order(pip_files, tmp_path):
    """The user's file wins over the machine's, the command's section over both, variables over all."""
    options = _pip_config.pip_configuration(pip_files, prefix=str(tmp_path))

    assert options["index-url"] == "https://user.example"
    assert options["find-links"].split() == ["/a", "/b"]
    assert options["timeout"] == "9"


def test_pip_config_file_takes_the_place_of_the_users(pip_files, tmp_path):
    """A file named by PIP_CONFIG_FILE wins, and the null device switches all files off."""
    (tmp_path / "own.conf").write_text("[global]\ntimeout = 3\nindex-url = https://own.example\n")
    del pip_files["PIP_DEFAULT_TIMEOUT"]

    named = _pip_config.pip_configuration(pip_files | {"PIP_CONFIG_FILE": f"{tmp_path}/own.conf"})
    off = _pip_config.pip_configuration(pip_files | {"PIP_CONFIG_FILE": os.devnull})

    assert named["index-url"] == "https://own.example"
    assert set(off) <= {"config-file"}


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("0", False), ("", False)])
def test_no_index_is_for_pip(value, expected):
    """With no index at all, pip installs: uv has no variable for that."""
    assert _pip_config.needs_pip({"no-index": value}) is expected


# ── Mirrors ──────────────────────────────────────────────────────────────────


@pytest.fixture
def no_pip_configuration(monkeypatch, tmp_path):
    """A machine that is told nothing about indexes."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(
        _install,
        "pip_configuration",
        lambda environ: _pip_config.pip_configuration(
            {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path), **_pip_variables(environ)},
            prefix=str(tmp_path),
        ),
    )


def _pip_variables(environ):
    return {name: value for name, value in environ.items() if name.startswith("PIP_")}


def test_the_mirror_that_is_set_comes_first_and_not_alone(no_pip_configuration, monkeypatch):
    """SPEECHHUB_MIRROR=china is enough; what the mirror lacks comes from the usual place."""
    monkeypatch.setenv("SPEECHHUB_MIRROR", "china")

    first, second = _install.environments()

    assert first["PIP_INDEX_URL"] == "https://pypi.tuna.tsinghua.edu.cn/simple"
    assert "PIP_INDEX_URL" not in second


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_an_index_that_the_user_names_wins_over_the_mirror(no_pip_configuration, monkeypatch, name):
    """The more exact setting counts."""
    monkeypatch.setenv("SPEECHHUB_MIRROR", "china")
    monkeypatch.setenv(name, "https://own.example/simple")

    [only] = _install.environments()

    assert only[name] == "https://own.example/simple"


def test_a_mirror_that_does_not_exist_is_refused(monkeypatch):
    """A slip of the pen would otherwise download from far away without a word."""
    monkeypatch.setenv("SPEECHHUB_MIRROR", "chna")

    with pytest.raises(_install.InstallError, match="none, china"):
        _install.environments()


def test_constraints_have_no_say_where_hashes_are_required():
    """Each is refused by uv unless it has hashes, and each version is fixed anyway."""
    told = _pip_config.uv_environment(
        {"constraint": "/etc/c.txt"}, {"UV_CONSTRAINT": "/own.txt"}, hashed=True
    )

    assert told["UV_CONSTRAINT"] == ""


# ── The stamp ────────────────────────────────────────────────────────────────


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one plugin and an empty environment."""
    for folder in (tmp_path, tmp_path / "plugins" / "speechhub-piper"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "requirements").mkdir()
    for purpose in _stamp.PLUGINS:
        (tmp_path / "requirements" / f"{purpose}.txt").write_text("numpy==2.0\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    monkeypatch.setattr(_stamp, "ROOT", str(tmp_path))
    monkeypatch.setattr(_stamp, "LOCKS", str(tmp_path / "requirements"))
    monkeypatch.setattr(_stamp, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(_stamp, "STAMP", str(tmp_path / ".venv" / "stamp"))
    monkeypatch.setattr(_install, "ROOT", tmp_path)
    return tmp_path


def test_a_fresh_checkout_is_not_ready(checkout):
    """Without a stamp there is something to install."""
    assert not _stamp.is_ready("serve")


@pytest.mark.parametrize(
    "changed", ["pyproject.toml", "plugins/speechhub-piper/pyproject.toml", "requirements/serve.txt"]
)
def test_a_changed_requirement_is_noticed(checkout, changed):
    """What was installed counts until a pyproject.toml or the lock changes."""
    _stamp.write("serve", {})
    assert _stamp.is_ready("serve")

    (checkout / changed).write_text("[project]\nname = 'other'\n")

    assert not _stamp.is_ready("serve")


def test_a_new_plugin_is_noticed(checkout):
    """A CPU engine that appears in the checkout is installed at the next start."""
    _stamp.write("serve", {})

    (checkout / "plugins" / "speechhub-whisper").mkdir()
    (checkout / "plugins" / "speechhub-whisper" / "pyproject.toml").write_text("[project]\n")

    assert not _stamp.is_ready("serve")


@pytest.mark.parametrize(("name", "value"), [("ROOT", "/elsewhere"), ("PYTHON_VERSION", "3.99.0")])
def test_an_environment_of_another_place_or_python_does_not_fit(checkout, monkeypatch, name, value):
    """A moved folder or an upgraded Python makes the environment useless."""
    _stamp.write("serve", {})

    monkeypatch.setattr(_stamp, name, value)

    assert not _stamp.fits(_stamp.read())


def test_a_python_that_went_away_is_noticed(checkout):
    """When the Python behind .venv is uninstalled, its link dangles: the stamp counts no more."""
    _stamp.write("serve", {})

    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").symlink_to(checkout / "gone")

    assert not _stamp.is_ready("serve")


def test_installing_for_tests_keeps_the_server_ready(checkout):
    """Both commands share one environment and do not undo each other's stamp."""
    _stamp.write("serve", {})

    _stamp.write("test", _stamp.read())

    assert _stamp.is_ready("serve")
    assert _stamp.is_ready("test")


def test_an_interrupted_installation_leaves_no_stamp(checkout, monkeypatch):
    """After Ctrl-C in the middle the next start installs again."""
    _stamp.write("test", {})

    def interrupt(_purpose):
        raise KeyboardInterrupt

    monkeypatch.setattr(_install, "make_venv", lambda _stamp: None)
    monkeypatch.setattr(_install, "install", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _install.make_ready("serve", "/bin/sh")

    assert _stamp.read() == {}


# ── The steps of scripts/test ────────────────────────────────────────────────

DONE = _steps.Step(name="step", passed=1, failed=0, skipped=0, duration_s=0.1)


def test_categories_of_tests_are_those_that_the_page_explains():
    """Each folder of tests that may hold modules is a row of CONTRIBUTING.md, and exists."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    assert tuple(re.findall(r"^\| `tests/(\w+)` \|", page, re.MULTILINE)) == CATEGORIES
    assert all(any((ROOT / "tests" / name).rglob("test_*.py")) for name in CATEGORIES)


def test_a_process_or_a_port_fails_a_test_of_this_folder():
    """What starts one belongs to tests/system, and the message says so."""
    with pytest.raises(pytest.fail.Exception, match="tests/system"):
        subprocess.run([sys.executable, "-c", ""], check=True)
    with socket.socket() as bound, pytest.raises(pytest.fail.Exception, match="tests/system"):
        bound.bind(("127.0.0.1", 0))


def test_each_category_is_run_by_a_step(monkeypatch):
    """A new folder of tests is either named by a step or left to the last one, which takes the rest."""
    commands = []
    monkeypatch.setenv("PATH", os.environ["PATH"])  # main() changes it
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(_steps, "run", lambda name, command, **_: commands.append(command) or DONE)

    assert _steps.main([]) == 0

    words = [word for command in commands for word in command]
    named = {word.removeprefix("tests/") for word in words if word.startswith("tests/")}
    ignored = {word.removeprefix("--ignore=tests/") for word in words if word.startswith("--ignore=tests/")}
    assert ignored - {"docs"} <= named
    assert set(CATEGORIES) >= ignored


def test_what_starts_ray_runs_alone_and_after_the_rest_of_its_tests(monkeypatch):
    """Ray takes every core; what the pool leaves out of its tests runs in a step of its own."""
    pooled, alone = {}, []
    monkeypatch.setenv("PATH", os.environ["PATH"])  # main() changes it
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(_steps, "two_at_a_time", lambda commands: pooled.update(commands) or [DONE])
    monkeypatch.setattr(_steps, "run", lambda name, command, **_: alone.append((name, command)) or DONE)

    assert _steps.main([]) == 0

    names, commands = zip(*alone, strict=True)
    assert names == ("end to end", "ray clusters")
    assert pooled["ray"][-2:] == ["deploy/ray/tests", "--ignore=deploy/ray/tests/cluster"]
    assert "deploy/ray/tests/cluster" in commands[1]
    assert list((ROOT / "deploy/ray/tests/cluster").rglob("test_*.py"))


def test_a_session_that_this_machine_cannot_run_counts_as_skipped(tmp_path, monkeypatch):
    """scripts/test's last line says so, instead of a step that is well and has no tests."""
    # A copy, because the file puts pip's configuration into the environment.
    monkeypatch.setattr(os, "environ", {**os.environ, "TEST_REPORTS": str(tmp_path)})
    noxfile = runpy.run_path(str(ROOT / "noxfile.py"))

    class Session:
        def skip(self, reason):
            raise LookupError(reason)

    with pytest.raises(LookupError, match="no wheel"):
        noxfile["skip"](Session(), "ray", "Ray has no wheel for this Python")

    assert _steps.count(tmp_path) == (1, 0, 1)


# ── What is known of packages ────────────────────────────────────────────────

KNOWN = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": [], "description": "bad"}
SAFE = {"name": "safe", "version": "1.0", "vulns": []}
BAD = {"name": "bad", "version": "1.0", "vulns": [KNOWN]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}
OURS = {"name": "ours", "skip_reason": "distribution marked as editable"}


def test_models_are_pulled_and_then_verified(monkeypatch):
    """The same two commands as by hand; parts are pulled, and verified with their models."""
    ran = []

    def run(command, *, check):
        ran.append(command[4:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)

    assert init_models.main([]) == 0
    assert init_models.main(["--defaults"]) == 0
    assert init_models.main(["ears", "--with", "aligner", "--accept-license"]) == 0

    assert ran == [
        ["models", "pull", "--with=aligner", "qwen3-asr-0.6b", "indextts-2"],
        ["models", "verify", "qwen3-asr-0.6b", "indextts-2"],
        ["models", "pull", "whisper-1", "tts-1"],
        ["models", "verify", "whisper-1", "tts-1"],
        ["models", "pull", "--with=aligner", "--accept-license", "ears"],
        ["models", "verify", "ears"],
    ]


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([SAFE, OURS], 0, "1 packages asked about, 0 with"),
        ([SAFE, BAD, UNKNOWN], 1, "bad 1.0: PYSEC-1, fixed in 2.0"),
        ([SAFE, UNKNOWN], 77, "1 could not be asked about: unknown"),
        ([UNKNOWN], 77, "0 packages asked about"),
    ],
)
def test_an_audit_that_asked_about_nothing_does_not_pass(capsys, found, code, said):
    """A package that the service does not know may have vulnerabilities."""
    assert audit.tell("here", found) == code
    assert said in capsys.readouterr().out


# ── The comparison with OpenAI's description ─────────────────────────────────


def described(paths, **operation):
    answers = {"responses": {"200": {"description": "OK"}}} | operation
    return {"paths": {path: {"get": answers} for path in paths}}


def test_every_path_that_both_have_is_compared():
    """Whatever the path is; its names of what varies do not count, nor do paths that one of them lacks."""
    after = [{"in": "query", "name": "after", "schema": {"type": "string"}}]
    theirs = described(["/new/{id}", "/theirs"], parameters=after)
    ours = described(["/v1/new/{new_id}", "/v1/ours"])

    rows = compare_openapi.differences(
        compare_openapi.Document(theirs), compare_openapi.Document(ours, prefix="/v1")
    )

    assert rows == [("GET /new/{} query after", "optional, string", "")]


def test_what_one_description_leaves_open_is_one_difference():
    """Its parts in the other are not differences: they are allowed."""

    def answering(schema):
        content = {"application/json": {"schema": schema}}
        return compare_openapi.Document(
            described(["/new"], responses={"200": {"description": "OK", "content": content}})
        )

    parts = {"a": {"type": "string"}, "b": {"type": "object", "properties": {"c": {"type": "integer"}}}}
    closed = answering({"type": "object", "properties": parts})
    any_object = answering({"type": "object", "additionalProperties": {}})

    assert compare_openapi.differences(closed, any_object) == [("GET /new 200", "object", "any object")]
    assert compare_openapi.differences(answering({}), closed) == [("GET /new 200", "any", "object")]
    assert compare_openapi.differences(any_object, any_object) == []


def test_the_page_explains_a_difference_of_each_of_openais_operations():
    """OpenAI describes no errors, so that each operation has one: an operation that is compared is there."""
    document = create_app(Hub.assemble(Settings())).openapi_schema.to_schema()
    explained = {place for place, _, _ in compare_openapi.explained()}

    missing = [
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if OPENAI in operation["tags"] and operation["operationId"] != "deleteVoice"
        if f"{method.upper()} {re.sub(r'{.*?}', '{}', path.removeprefix('/v1'))} responses" not in explained
    ]

    assert not missing
