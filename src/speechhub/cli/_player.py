"""Programs that play speech while it is made."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

from speechhub.cli._feed import feeding
from speechhub.errors import SpeechhubError

PLAYERS: Final = {
    "ffplay -nodisp -autoexit -loglevel error -probesize 32 -i -": "ffmpeg",
    "mpv --no-video --no-terminal --demuxer-lavf-probesize=32 -": "mpv",
    "paplay --latency-msec=500": "pulseaudio-utils",
    "aplay -q": "alsa-utils",
    "play -q -t wav -": "sox",
}
"""Command that plays a WAV from standard input → package that has it; the first one installed is used.

With these probe sizes and this latency, players start after the first 1.5 s of speech rather than after
several seconds. pw-play is not in the list, because some of its versions treat a pipe as raw samples.
"""


class PlayerError(SpeechhubError):
    """No player is installed, or it failed."""


def find_player() -> list[str]:
    """Return the command of the first player that is installed.

    Raises:
        PlayerError: None is installed.
    """
    for command in map(str.split, PLAYERS):
        if shutil.which(command[0]):
            return command
    known = ", ".join(f"{command.split()[0]} ({package})" for command, package in PLAYERS.items())
    raise PlayerError(
        f"No program that plays sound is installed. Install one of these programs (packages): {known}. "
        "Or write a file with -o FILE."
    )


@contextmanager
def playing(command: Sequence[str]) -> Iterator[Callable[[bytes], None]]:
    """Start a player and yield a function that takes audio; after the block, wait until all was played.

    The player is killed if the block raises.

    Raises:
        PlayerError: The player failed, or something else ended it.
    """
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            process_group=0,  # only we receive Ctrl-C; we then stop the player
        ) as player,
    ):
        assert player.stdin is not None  # noqa: S101  # it was asked for
        try:
            try:
                with feeding(player.stdin) as hear:
                    yield hear
                player.stdin.close()
                left = False
            except BrokenPipeError:
                left = True
            if player.wait() != 0 or left:
                raise _failure(command, player.returncode, complaints)
        finally:
            player.kill()


def _failure(command: Sequence[str], status: int, complaints: IO[bytes]) -> PlayerError:
    complaints.seek(0)
    *_, last = [b"", *complaints.read().splitlines()]
    said = last.decode("utf-8", "replace")
    return PlayerError(
        f"{command[0]} ended before playing everything, with status {status}{said and f': {said}'}. Check "
        "the sound of this machine, or write a file with -o FILE."
    )
