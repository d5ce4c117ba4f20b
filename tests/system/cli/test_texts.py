"""Commands that get bytes which are no text: one line, an exit status, and nothing of it to an engine."""

import codecs
import os
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest

from speechhub.cli import main

ECHO = {"SPEECHHUB_STT_MODEL": "echo-stt", "SPEECHHUB_TTS_MODEL": "echo-tts"}
LATIN1 = os.fsdecode(b"caf\xe9")
"""As the system hands such an argument to Python. Source: PEP 383."""


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path, logging_put_back):
    """Use an empty home and no variables of this machine, and put logging back as it was."""
    monkeypatch.chdir(tmp_path)
    for name, value in {**ECHO, "SPEECHHUB_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)


def run(*words, **options):
    return click.testing.CliRunner().invoke(main, list(words), prog_name="speechhub", **options)


@pytest.mark.scenario("bad-encoding-cli")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9", "is not UTF-8: byte 0xE9 at position 3"),
        (b"one\ntwo caf\xe9", "in line 2"),
        ("hello".encode("utf-16-le"), "looks like UTF-16"),
        (b"a\0b", "U+0000 at position 1"),
        (codecs.BOM_UTF16_LE + b"\0", "is not utf-16 text"),
    ],
)
def test_standard_input_that_is_no_text(data, said):
    """Where it stops to be one, and what it looks like."""
    shown = run("speak", "-", "-o", "x.wav", input=data)

    assert shown.exit_code == 1
    assert said in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert not Path("x.wav").exists()


@pytest.mark.parametrize(
    "data", ["caf\u00e9".encode(), "caf\u00e9".encode("utf-8-sig"), "caf\u00e9".encode("utf-16")]
)
def test_standard_input_with_a_mark(data):
    """The mark says what it is, and is not spoken: all make the same speech."""
    shown = run("speak", "-", "-o", "-", input=data)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout_bytes == run("speak", "caf\u00e9", "-o", "-").stdout_bytes


def test_the_terminals_encoding_counts():
    """Where the locale says another one than UTF-8, as Python's I/O encoding does."""
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "speechhub", "speak", "-", "-o", "x.wav"]

    told = subprocess.run(command, input=b"caf\xe9", env=env, capture_output=True, check=False)

    assert told.returncode == 0, told.stderr


@pytest.mark.scenario("bad-encoding-cli")
@pytest.mark.parametrize(
    "words",
    [
        ["speak", LATIN1, "-o", "x.wav"],
        ["speak", "a", "-o", "x.wav", "--voice", LATIN1],
        ["speak", "a", "-o", "x.wav", "--instructions", LATIN1],
        ["transcribe", "x.wav", "--prompt", LATIN1],
        ["transcribe", "x.wav", "--model", LATIN1],
        ["voices", "remove", LATIN1],
        ["voices", "alias", LATIN1, "anna"],
        ["models", "pull", LATIN1],
        ["engines", "load", LATIN1, "--url", "http://127.0.0.1:9"],
        ["top", "--url", f"http://{LATIN1}"],
    ],
)
def test_arguments_that_are_no_text(words):
    """They are a wrong call, and reach neither engine nor server."""
    shown = run(*words)

    assert shown.exit_code == 2, shown.output
    assert "is not UTF-8: byte 0xE9" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes UTF-8 alone")
def test_names_of_files_may_be_any_bytes(clip):
    """The system takes them for what they are."""
    Path(f"{LATIN1}.wav").write_bytes(clip)

    assert run("transcribe", LATIN1 + ".wav", "-o", LATIN1 + ".txt").exit_code == 0
    assert run("speak", "a", "-o", LATIN1 + ".mp3").exit_code == 0

    assert {os.fsencode(path) for path in Path().iterdir()} >= {b"caf\xe9.txt", b"caf\xe9.mp3"}


@pytest.mark.scenario("bad-encoding-cli")
@pytest.mark.parametrize("name", ["speechhub.toml", "x.env"])
@pytest.mark.parametrize(
    ("data", "said"),
    [(b"# caf\xe9\n", "is not UTF-8: byte 0xE9 at position 5"), ("# a\n".encode("utf-16"), "is UTF-16")],
)
def test_files_with_settings_that_are_no_text(tmp_path, name, data, said):
    """The line names the file, the place and the encoding."""
    (tmp_path / name).write_bytes(data)

    shown = run("voices", "list", "--config", name)

    assert shown.exit_code == 1
    assert f"The configuration file {name} {said}" in shown.stderr


@pytest.mark.parametrize(
    ("name", "text"), [("speechhub.toml", 'tts_model = "nope"'), ("x.env", "SPEECHHUB_TTS_MODEL=nope")]
)
def test_a_mark_before_the_settings_is_skipped(tmp_path, monkeypatch, name, text):
    """Editors on Windows write it; the first setting counts all the same."""
    monkeypatch.delenv("SPEECHHUB_TTS_MODEL")
    (tmp_path / name).write_bytes(codecs.BOM_UTF8 + text.encode())

    shown = run("models", "list", "--config", name)

    assert "'nope'" in shown.stderr


@pytest.mark.scenario("bad-encoding-cli")
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SPEECHHUB_HOST", LATIN1, "is not UTF-8: byte 0xE9 at position 3"),
        ("SPEECHHUB_VOICE_ALIASES", f'{{"a": "{LATIN1}"}}', "is not UTF-8: byte 0xE9 at position 10"),
        ("SPEECHHUB_PRELOAD", LATIN1, "is not UTF-8: byte 0xE9"),
        ("SPEECHHUB_API_KEYS", LATIN1 * 5, "is not UTF-8 text."),
    ],
)
def test_variables_that_are_no_text(monkeypatch, name, value, said):
    """Each is named; of a key nothing is told."""
    monkeypatch.setenv(name, value)

    shown = run("voices", "list")

    assert shown.exit_code == 1
    assert f"Setting {name} in the environment {said}" in shown.stderr


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes UTF-8 alone")
def test_home_may_have_any_bytes(monkeypatch, tmp_path):
    """It is a path."""
    monkeypatch.setenv("SPEECHHUB_HOME", str(tmp_path / LATIN1))

    assert run("voices", "list").exit_code == 0


def test_a_mark_is_no_part_of_a_key(monkeypatch, tmp_path):
    """The first key of a file that an editor on Windows wrote lets in, too."""
    from speechhub.settings import load_settings

    (tmp_path / "keys").write_bytes(codecs.BOM_UTF8 + b"the-first-key-of-the-file\n")
    monkeypatch.setenv("SPEECHHUB_API_KEYS_FILE", str(tmp_path / "keys"))

    assert [key.reveal() for key in load_settings().api_keys] == ["the-first-key-of-the-file"]
