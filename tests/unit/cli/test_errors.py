"""What goes wrong is one clear line and an exit status; ``docs/cli.md`` lists the statuses."""

import errno

import pytest

from speechhub.cli import engines
from speechhub.errors import ModelFilesError


def fail_with(monkeypatch, error):
    def broken():
        raise error

    monkeypatch.setattr("speechhub.discovery.discover", broken)


def test_our_error_is_one_line(run, monkeypatch):
    """The line holds the whole message, brackets and all, and no traceback."""
    fail_with(monkeypatch, ModelFilesError('Not here.\nGive its folder: [models."x"] path = … [/red]'))

    shown = run("engines")

    assert shown.exit_code == 1
    assert shown.stderr == 'error: Not here. Give its folder: [models."x"] path = … [/red]\n'
    assert shown.stdout == ""


def test_the_systems_error_is_one_line(run, monkeypatch):
    """A file that cannot be read is named, with the reason."""
    fail_with(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "/srv/models"))

    shown = run("engines")

    assert shown.exit_code == 1
    assert shown.stderr == "error: /srv/models: Permission denied\n"


def test_a_reader_that_left_is_not_worth_a_word(run, monkeypatch):
    """As in ``speechhub models list | head -1``."""
    fail_with(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe"))

    shown = run("engines")

    assert shown.exit_code == 1
    assert shown.output == ""


def test_a_bug_has_a_traceback(run, monkeypatch):
    """What nobody expected is not made to look as if somebody had."""
    fail_with(monkeypatch, ZeroDivisionError())

    assert isinstance(run("engines").exception, ZeroDivisionError)
    assert engines


@pytest.mark.scenario("wrong-setting")
@pytest.mark.parametrize(
    "words", [["serve"], ["doctor"], ["models", "list"], ["speak", "x", "-o", "x.wav"], ["transcribe", "f"]]
)
def test_a_wrong_setting_is_told_by_every_command(run, monkeypatch, tmp_path, words):
    """The setting is named; doctor lists it among its findings."""
    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.setenv("SPEECHHUB_QUEUE_LIMIT", "many")

    shown = run(*words)

    assert shown.exit_code == 1
    assert "SPEECHHUB_QUEUE_LIMIT in the environment is 'many'" in (
        shown.stdout if words == ["doctor"] else shown.stderr
    )
    assert "Traceback" not in shown.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["transcribe", "not-there.mp3"], "not-there.mp3"),
        (["transcribe", "f", "--words"], "--words needs --format verbose_json"),
        (["speak", "Hello"], "--output"),
        (["transcribe", "*.xyz"], "No file matches '*.xyz'"),
        (["transcribe", "."], "holds no recordings"),
        (["transcribe", "f", "-", "-f", "srt"], "need a folder: add --output FOLDER"),
        (["transcribe", "f", "-", "-o", "all.srt"], "name a folder"),
        (["transcribe", "f", "-o", "f"], "would replace the recording f"),
        (["speak", "x", "-o", "x.xyz"], "--format"),
        (["serve", "--port", "high"], "--port"),
    ],
)
def test_a_wrong_call_has_status_2(run, tmp_path, words, said):
    """The message names what is wrong with the call."""
    (tmp_path / "f").write_bytes(b"x")

    shown = run(*words)

    assert shown.exit_code == 2
    assert said in shown.stderr
    assert shown.stderr.startswith("error: ")
    assert shown.stderr.endswith(
        f". See 'speechhub{' ' + words[0] if words[0] != 'nonsense' else ''} --help'.\n"
    )
    assert shown.stderr.count("\n") == 1


# ── Interruptions ────────────────────────────────────────────────────────────


def test_ctrl_c_is_one_line_and_130(run, monkeypatch):
    """Shells say 130, and so do we; nothing is called aborted."""
    fail_with(monkeypatch, KeyboardInterrupt())

    shown = run("engines")

    assert (shown.exit_code, shown.stderr, shown.stdout) == (130, "interrupted\n", "")


def test_an_answer_that_is_not_yes(run):
    """The command did not do what it was asked for, and says so in the style of all errors."""
    for answer in ("n\n", ""):
        shown = run("models", "remove", "echo-stt", input=answer)

        assert shown.exit_code == 1
        assert "error: The answer was not y, so the command stopped.\n" in shown.output
        assert "Aborted" not in shown.output


# ── Colours ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("environment", "there"),
    [
        ({}, False),  # a pipe
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": ""}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
    ],
)
@pytest.mark.parametrize("words", [["transcribe"], ["engines"], ["doctor"], ["engines", "remove", "x"]])
def test_colours_are_asked_for(run, environment, there, words):
    """Errors, tables and findings agree; NO_COLOR wins."""
    shown = run(*words, env=environment)

    assert ("\x1b[" in shown.output) == there


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["speak", "x", "-o", "nowhere/x.wav"], "nowhere: There is no such folder"),
        (["speak", "x", "-o", "folder.wav"], "folder.wav: Is a directory"),
        (["transcribe", "f", "-o", "nowhere/x.txt"], "nowhere: There is no such folder"),
        (["transcribe", "f", "--url", "ftp://example"], "is not the address of a server"),
    ],
)
def test_what_cannot_work_is_told_before_the_work(run, tmp_path, monkeypatch, words, said):
    """No engine is started for a result that could not be written."""
    monkeypatch.setattr("speechhub.cli._here.run_here", lambda *_, **__: pytest.fail("an engine was started"))
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "folder.wav").mkdir()

    shown = run(*words)

    assert shown.exit_code == 1
    assert said in shown.stderr
    assert shown.stderr.count("\n") == 1
