"""The programs behind scripts/serve and scripts/test, where they start others."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))
import _install  # noqa: E402 - the path comes first
import _pip_config  # noqa: E402
import _steps  # noqa: E402


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


@pytest.mark.mission("1.5")
def test_a_python_that_is_named_is_used_or_refused(tmp_path):
    """PYTHON wins over the search; if it is too old, that is said and no other is taken."""
    program(tmp_path / "mine", f'exec "{sys.executable}" "$@"')
    program(tmp_path / "old", "exit 1")

    assert find_python(tmp_path, PYTHON=f"{tmp_path}/mine").stdout == f"{tmp_path}/mine\n"
    assert f"PYTHON={tmp_path}/old" in find_python(tmp_path, PYTHON=f"{tmp_path}/old").stderr


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


@pytest.mark.mission("14.2")
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
