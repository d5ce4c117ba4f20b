"""The programs behind scripts/serve and scripts/test."""

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speechhub.http.app import create_app
from speechhub.http.openapi.document import OPENAI
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


def test_pip_itself_reads_the_same(pip_files):
    """`pip config list` shows what we read, for the options that we pass on."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, env=pip_files)
    if listed.returncode:
        pytest.skip(f"no pip in this environment: {listed.stderr.strip()}")

    theirs = dict(line.split("=", 1) for line in listed.stdout.splitlines())
    pips = {name: ast.literal_eval(value).split() for name, value in theirs.items()}
    ours = _pip_config.pip_configuration(pip_files, prefix=sys.prefix)
    assert ours["index-url"].split() == pips["global.index-url"]
    assert ours["find-links"].split() == pips["install.find-links"]
    assert ours["timeout"].split() == pips[":env:.default-timeout"]


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("0", False), ("", False)])
def test_no_index_is_for_pip(value, expected):
    """With no index at all, pip installs: uv has no variable for that."""
    assert _pip_config.needs_pip({"no-index": value}) is expected


# ── The terminal ─────────────────────────────────────────────────────────────


def test_an_interrupted_installer_gives_the_cursor_back():
    """Bars of pip and uv hide it when they begin, and have no time to show it again."""
    installer = "print(end='\\x1b[?25l', flush=True); import time; time.sleep(60)"
    program = f"import _install, sys; _install.run([sys.executable, '-c', {installer!r}])"
    terminal, end = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT / "scripts",
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    ) as process:
        os.close(end)
        shown = b""
        try:
            while b"\x1b[?25l" not in shown:
                shown += os.read(terminal, 1000)
            process.send_signal(signal.SIGINT)
            process.wait(20)
            while b"KeyboardInterrupt" not in shown:
                shown += os.read(terminal, 1000)
        finally:
            process.kill()
            os.close(terminal)

    assert shown.count(b"\x1b[?25h") == 1
    assert shown.index(b"\x1b[?25l") < shown.index(b"\x1b[?25h")


def test_a_signal_while_an_installer_starts_ends_it(monkeypatch):
    """It arrives after the process began, and before its number is known: no installer is left behind."""
    started = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *words, **options):
            super().__init__(*words, **options)
            started.append(self)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)

    with pytest.raises(SystemExit), _install.ended_by_signals():
        _install.run(["sleep", "60"])

    assert [it.returncode for it in started] == [-signal.SIGKILL]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


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


# ── Finding a Python ─────────────────────────────────────────────────────────


def find_python(path, **environ):
    script = f'set -eu; root=/nowhere; . "{ROOT}/scripts/_bootstrap.sh"; echo "$python"'
    return subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": str(path), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_python_that_does_not_start_is_passed_over(tmp_path):
    """A shim of a version that is switched off does not stop the search."""
    program(tmp_path / "python3.13", "echo 'command not found' >&2; exit 127")
    program(tmp_path / "python3.12", f'exec "{sys.executable}" "$@"')

    assert find_python(tmp_path).stdout == "python3.12\n"


def test_without_a_python_the_message_says_what_to_do(tmp_path):
    """No Python 3.11: the message names the version, the package, and the variable."""
    program(tmp_path / "python3", "exit 1")

    done = find_python(tmp_path)

    assert done.returncode == 1
    assert "3.11 or newer" in done.stderr
    assert "apt install python3" in done.stderr


def test_a_python_that_is_named_is_used_or_refused(tmp_path):
    """PYTHON wins over the search; if it is too old, that is said and no other is taken."""
    program(tmp_path / "mine", f'exec "{sys.executable}" "$@"')
    program(tmp_path / "old", "exit 1")

    assert find_python(tmp_path, PYTHON=f"{tmp_path}/mine").stdout == f"{tmp_path}/mine\n"
    assert f"PYTHON={tmp_path}/old" in find_python(tmp_path, PYTHON=f"{tmp_path}/old").stderr


# ── The steps of scripts/test ────────────────────────────────────────────────

DONE = _steps.Step(name="step", passed=1, failed=0, skipped=0, duration_s=0.1)


def test_the_numbers_of_a_step_come_from_its_reports():
    """Failures and errors count as failed, over all reports that a step leaves."""
    report = '<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"/></testsuites>'
    code = (
        "import os, sys\n"
        f"for n in 'ab': open(os.environ['TEST_REPORTS'] + f'/{{n}}.xml', 'w').write({report!r})\n"
        "sys.exit(1)"
    )

    step = _steps.run("tests", [sys.executable, "-c", code])

    assert (step.passed, step.failed, step.skipped) == (6, 4, 4)


@pytest.mark.parametrize(("code", "failed"), [(0, 0), (3, 1)])
def test_a_step_without_tests_fails_by_its_exit_code(code, failed):
    """Lint counts as one failure, so that a red run never closes with "0 failed"."""
    step = _steps.run("lint", [sys.executable, "-c", f"raise SystemExit({code})"])

    assert (step.passed, step.failed) == (0, failed)
    assert ("FAILED" in _steps.table([step], 1.0)) is bool(failed)


def test_a_step_that_cannot_be_tried_is_a_skip():
    """A machine without podman does not fail the container's check, and the sum says that it was skipped."""
    step = _steps.run("container", [sys.executable, "-c", f"raise SystemExit({_steps.CANNOT_TRY})"])

    assert (step.passed, step.failed, step.skipped) == (0, 0, 1)


def test_categories_of_tests_are_those_that_the_page_explains():
    """Each folder of tests that may hold modules is a row of CONTRIBUTING.md, and exists."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    assert tuple(re.findall(r"^\| `tests/(\w+)` \|", page, re.MULTILINE)) == CATEGORIES
    assert all(any((ROOT / "tests" / name).rglob("test_*.py")) for name in CATEGORIES)


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
    ("words", "pulled"),
    [
        ("", "qwen3-asr-0.6b indextts-2 --with aligner"),
        ("--dry-run --accept-license", "qwen3-asr-0.6b indextts-2 --with aligner --dry-run --accept-license"),
        ("--with other", "qwen3-asr-0.6b indextts-2 --with aligner --with other"),
        ("--defaults", "--defaults"),
        ("--help", "--help"),
        ("whisper-small --dry-run", "whisper-small --dry-run"),
        ("--with aligner qwen3-asr-1.7b", "--with aligner qwen3-asr-1.7b"),
        ("--with=aligner qwen3-asr-1.7b", "--with=aligner qwen3-asr-1.7b"),
        ("--with=aligner", "qwen3-asr-0.6b indextts-2 --with aligner --with=aligner"),
    ],
)
def test_the_download_script_has_three_models_of_its_own(words, pulled, tmp_path):
    """Without a name it takes those that a small GPU is for; with one, or with --defaults, what is said."""
    told = tmp_path / "python"
    told.write_text('#!/bin/sh\ncase "$*" in *version_info*) exit 0 ;; esac\nshift 6; echo "$@"\n', "utf-8")
    told.chmod(0o755)

    done = subprocess.run(
        ["sh", ROOT / "scripts/download_models.sh", *words.split()],
        capture_output=True, text=True, check=True, env={"PYTHON": str(told), "PATH": os.environ["PATH"]},
    )  # fmt: skip

    assert done.stdout == f"models pull {pulled}\n"


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([SAFE, OURS], 0, "1 packages asked about, 0 with"),
        ([SAFE, BAD, UNKNOWN], 1, "bad 1.0: PYSEC-1, mended in 2.0"),
        ([SAFE, UNKNOWN], 77, "1 could not be asked about: unknown"),
        ([UNKNOWN], 77, "0 packages asked about"),
    ],
)
def test_an_audit_that_asked_nobody_is_not_content(capsys, found, code, said):
    """A package that the service does not know is no package without vulnerabilities."""
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
