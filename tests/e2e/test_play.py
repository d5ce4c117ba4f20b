"""``speak --play`` has a program play what is spoken, while it is made."""

import os
import signal
import subprocess
import sys

import click.testing
import pytest

from speechhub.cli import main
from speechhub.cli._player import PLAYERS, PlayerError, playing
from tests.e2e.server import alive, until

pytestmark = pytest.mark.unhurried

TEXT = "One two three four five six."
WAV_BYTES = 44 + 6 * 6000 * 2
"""Six tones of 0.25 s on echo-tts, in 24 kHz PCM16."""
LIMIT_S = 60


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put fake players on a PATH that has nothing else; return where they are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        return folder / name

    return put


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """Use the echo engines and an empty home."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPEECHHUB_CONFIG", "OPENAI_API_KEY", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPEECHHUB_TTS_MODEL", "echo-tts")
    monkeypatch.setenv("SPEECHHUB_HOME", str(tmp_path / "home"))


def speak(*words):
    """Call speechhub as a shell would."""
    return subprocess.run(
        [sys.executable, "-m", "speechhub", "speak", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


@pytest.mark.parametrize("served", [False, True])
def test_speech_is_played(install, environ, echo_server, served):
    """The player hears a whole WAV; nothing is written or printed."""
    player = install("aplay", 'echo "$@" > "$0.words"; exec /bin/cat > "$0.heard"')
    where = ["--url", echo_server.url] if served else []

    shown = speak(TEXT, "--play", *where)

    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "", "")
    assert player.with_suffix(".words").read_text() == "-q\n"
    heard = player.with_suffix(".heard").read_bytes()
    assert heard.startswith(b"RIFF")
    assert len(heard) == WAV_BYTES


def test_the_first_in_our_order_plays(install, environ):
    """Whatever else is installed."""
    played = [install(command.split()[0], 'exec /bin/cat > "$0.heard"') for command in PLAYERS]

    assert speak(TEXT, "--play").returncode == 0
    assert [player.with_suffix(".heard").exists() for player in played] == [True, *[False] * 4]


def test_sound_begins_before_the_end(install, tmp_path):
    """The player has the first bytes while the next ones are not made yet."""
    began = tmp_path / "began"
    os.mkfifo(began)
    player = install("aplay", f'/usr/bin/head -c 4 > "{began}"; exec /bin/cat > "$0.heard"')

    with playing(["aplay"]) as hear:
        hear(b"1234")
        assert began.read_bytes() == b"1234"
        hear(b"5678")

    assert player.with_suffix(".heard").read_bytes() == b"5678"


def test_a_player_that_takes_its_time_holds_nobody_up(install, tmp_path):
    """More than a pipe takes is taken at once; the player has all of it in the end."""
    go = tmp_path / "go"
    os.mkfifo(go)
    player = install("aplay", f'read line < "{go}"; exec /bin/cat > "$0.heard"')
    pieces = [bytes([number]) * 100_000 for number in range(1, 4)]

    with playing(["aplay"]) as hear:
        for piece in pieces:
            hear(piece)
        go.write_text("go\n")

    assert player.with_suffix(".heard").read_bytes() == b"".join(pieces)


def test_without_a_player_the_packages_are_named(install, environ):
    """The line comes before anything is spoken, and says what to install."""
    shown = speak(TEXT, "--play", "--model", "no-such-model")

    assert shown.returncode == 1
    [line] = shown.stderr.splitlines()
    assert line.startswith("error: No program that plays sound is installed.")
    for words in ("ffplay (ffmpeg)", "mpv (mpv)", "aplay (alsa-utils)", "play (sox)", "-o FILE"):
        assert words in line


def test_a_player_that_fails_is_quoted(install, environ):
    """No sound card, for one."""
    install("aplay", "echo warning >&2; echo 'audio open error: No such device' >&2; exit 3")

    shown = speak(TEXT, "--play")

    assert shown.returncode == 1
    [line] = shown.stderr.splitlines()
    assert line.startswith(
        "error: aplay ended before playing everything, with status 3: audio open error: No such"
    )


def test_a_player_that_was_closed_ends_the_speech(install):
    """The next piece says so, and the rest is not made."""
    install("mpv", "exit 0")

    def hear_on():
        with playing(["mpv"]) as hear:
            while True:
                hear(b"1234")

    with pytest.raises(PlayerError, match=r"mpv ended before .* status 0\."):
        hear_on()


def test_ctrl_c_ends_both(install, environ, tmp_path):
    """When the speech is made, and the player still plays it: no player is left."""
    began, never = tmp_path / "began", tmp_path / "never"
    os.mkfifo(began)
    os.mkfifo(never)
    install("aplay", f'/bin/cat > /dev/null; echo $$ > "{began}"; exec /bin/cat "{never}"')
    command = [sys.executable, "-m", "speechhub", "speak", TEXT, "--play"]

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        pid = int(began.read_text())
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=LIMIT_S)

    assert (process.returncode, shown) == (130, "interrupted\n")
    until(lambda: not alive(pid), "the player is gone")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Give --output to write the speech to a file, or --play to hear it."),
        (["--play", "-o", "x.wav"], "Give --output to write the speech to a file, or --play to hear it."),
        (["--play", "-f", "mp3"], "--format is for --output"),
    ],
)
def test_speech_is_written_or_played(environ, words, says):
    """One of both is named."""
    shown = click.testing.CliRunner().invoke(main, ["speak", TEXT, *words])

    assert shown.exit_code == 2
    assert says in shown.output
