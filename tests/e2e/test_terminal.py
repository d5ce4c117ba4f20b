"""The command line at a terminal: colours, questions, and Ctrl-C."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import wave
from contextlib import contextmanager

import pytest

from tests.e2e.wheels import plugin_wheel

pytestmark = pytest.mark.unhurried

LIMIT_S = 60
CTRL_C = b"\x03"


class Terminal:
    """A command that believes to be at a terminal, and what it has shown there."""

    def __init__(self, process, end):
        self.process, self.end, self.shown = process, end, ""

    def until(self, text=None):
        """Read until *text* was shown, or to the end."""
        while text is None or text not in self.shown:
            assert select.select([self.end], [], [], LIMIT_S)[0], f"silence after {self.shown!r}"
            try:
                read = os.read(self.end, 65536)
            except OSError:  # Linux says so when the other side is closed
                read = b""
            if not read:
                break
            self.shown += read.decode()
        assert text is None or text in self.shown, self.shown
        return self.shown

    def press(self, keys):
        os.write(self.end, keys)

    def ended(self):
        """Read the rest and return the exit status."""
        self.until()
        return self.process.wait(LIMIT_S)


@pytest.fixture
def terminal(tmp_path):
    """Start speechhub at a terminal of its own."""

    @contextmanager
    def start(*words, **environment):
        ours, theirs = pty.openpty()
        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
        settings = {"SPEECHHUB_STT_MODEL": "echo-stt", "SPEECHHUB_TTS_MODEL": "echo-tts"}
        process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, words)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={
                **kept,
                **settings,
                "SPEECHHUB_HOME": str(tmp_path / "home"),
                "TERM": "xterm",
                **environment,
            },
            cwd=tmp_path,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            process.wait(LIMIT_S)
            os.close(ours)

    return start


_START = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # whose Ctrl-C is ours
os.execv(sys.executable, [sys.executable, "-m", "speechhub", *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("environment", "there"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)],
)
@pytest.mark.parametrize("words", [["transcribe"], ["models", "list"], ["speak", "Hi", "-o", "x.wav", "-v"]])
def test_a_terminal_gets_colours(terminal, words, environment, there):
    """Unless the environment says no; errors, tables and logs agree."""
    with terminal(*words, **environment) as it:
        it.ended()

    assert len(it.shown) > 20
    assert ("\x1b[" in it.shown) == there


@pytest.mark.parametrize("served", [False, True])
def test_a_transcript_is_printed_as_it_comes(terminal, tmp_path, echo_server, served):
    """On a terminal with a person; the text is there once, and what was rewritten before it is gone."""
    with wave.open(str(tmp_path / "clip.wav"), "wb") as made:
        made.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        made.writeframes(b"\0\x20\0\xe0" * 16_000)
    where = ["--url", echo_server.url] if served else []

    with terminal("transcribe", "clip.wav", "--prompt", "xanten", *where) as it:
        status = it.ended()

    assert status == 0, it.shown
    assert "clip.wav" in it.shown
    assert it.shown.count("xanten xanten xanten xanten\r\n") == 1, it.shown


def test_ctrl_c_at_work_is_130(terminal, tmp_path):
    """The engine hangs; one line, status 130, and the old file as it was."""
    (tmp_path / "x.wav").write_bytes(b"old")
    hanging = json.dumps({"echo-tts": {"hang": True}})

    with terminal("speak", "Hi", "-o", "x.wav", "-v", SPEECHHUB_ENGINES=hanging) as it:
        it.until("engine ready")
        it.press(CTRL_C)
        status = it.ended()

    assert status == 130
    assert it.shown.endswith("interrupted\r\n")
    assert "Abort" not in it.shown
    assert "Traceback" not in it.shown
    assert [path.name for path in tmp_path.glob("x*")] == ["x.wav"]


def test_ctrl_c_at_a_question_is_130(terminal):
    """It is told apart from an answer that is not yes."""
    with terminal("models", "remove", "echo-stt") as it:
        it.until("[y/N]")
        it.press(CTRL_C)
        while "interrupted" not in it.shown:
            # A signal between Python's prompt and its read is lost on it until the next one.
            if not select.select([it.end], [], [], 0.5)[0]:
                it.press(CTRL_C)
            else:
                it.shown += os.read(it.end, 65536).decode()
        status = it.ended()

    assert status == 130
    assert it.shown.endswith("interrupted\r\n")


def test_ctrl_d_at_a_question_leaves_its_line(terminal):
    """The error has a line of its own."""
    with terminal("models", "remove", "echo-stt") as it:
        it.until("[y/N]")
        it.press(b"\x04")
        status = it.ended()

    assert status == 1
    assert "[y/N]: \r\n" in it.shown
    assert "The answer was not y" in it.shown.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "status", "last"),
    [(signal.SIGINT, 130, "\x1b[?25h\r\ninterrupted\r\n"), (signal.SIGTERM, 143, "\x1b[?25h")],
)
def test_an_interrupted_installer_gives_the_cursor_back(terminal, tmp_path, number, status, last):
    """It hid the cursor and was killed; no traceback, and nothing is left of the environment."""
    folder, never = tmp_path / "bin", tmp_path / "never"
    folder.mkdir()
    os.mkfifo(never)
    (folder / "uv").write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo uv 9.9.9 && exit\n'
        f'printf "\\033[?25lworking, $$. Stop it."; read line < "{never}"\n'
    )
    (folder / "uv").chmod(0o755)
    environment = {"PIP_CONFIG_FILE": os.devnull, "NO_UV": "", "PATH": f"{folder}:/usr/bin:/bin"}

    with terminal("engines", "install", plugin_wheel(tmp_path, "echo"), **environment) as it:
        [pid] = re.findall(r"working, (\d+)\.", it.until("Stop it."))
        if number == signal.SIGINT:
            it.press(CTRL_C)
        else:
            it.process.send_signal(number)
        ended = it.ended()

    assert ended == status
    assert it.shown.endswith(last)
    assert "Traceback" not in it.shown
    assert [path.name for path in (tmp_path / "home" / "engines").iterdir()] == [".locks"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
