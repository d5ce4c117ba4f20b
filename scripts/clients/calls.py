"""The report of a client's script: one line of JSON for each call, for scripts/check_clients.py.

The variables tell where the server is: CLIENTS_URL (without /v1), CLIENTS_TLS_URL (the same behind TLS),
CLIENTS_WYOMING (HOST:PORT of its Wyoming port), CLIENTS_KEY, CLIENTS_AUDIO (a recording of 1.5 s),
CLIENTS_LONG_AUDIO (one that is larger than the server takes) and CLIENTS_SPEECH (CLIENTS_UTTERANCES
utterances between silences, at 24 kHz). CLIENTS_SPEED is how many times as fast as it was spoken the speech
is sent, CLIENTS_LIMIT_S how long a script waits for what comes of it.
"""

import asyncio
import json
import os
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = os.environ["CLIENTS_URL"]
URL = f"{SERVER}/v1"
KEY = os.environ["CLIENTS_KEY"]
WRONG_KEY = "wrong"
AUDIO = Path(os.environ["CLIENTS_AUDIO"])
LONG_AUDIO = Path(os.environ["CLIENTS_LONG_AUDIO"])
SPEECH = Path(os.environ["CLIENTS_SPEECH"])
UTTERANCES = int(os.environ["CLIENTS_UTTERANCES"])
SPEED = float(os.environ["CLIENTS_SPEED"])
LIMIT_S = float(os.environ["CLIENTS_LIMIT_S"])
TLS_SERVER = os.environ.get("CLIENTS_TLS_URL", "")
SOCKET_URL = URL.replace("http", "ws", 1)
TEXT = "The quick brown fox."


class UnexpectedAnswerError(Exception):
    """The server answered, but with something else than it should."""


@contextmanager
def call(what: str) -> Iterator[None]:
    """Report a call that has to succeed; the block raises where the answer is not right."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each client has exceptions of its own
        report(what, f"{type(error).__name__}: {error}")
    else:
        report(what)


@contextmanager
def refused(what: str, status: int) -> Iterator[None]:
    """Report a call that the client has to see refused with a status."""
    what = f"{what}: {status}"
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each client has exceptions of its own
        told = status_of(error)
        report(what, "" if told == status else f"status {told}, {type(error).__name__}: {error}")
    else:
        report(what, "was not refused")


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status that an exception, or one of its causes, tells."""
    while error is not None:
        for name in ("status_code", "status", "code"):
            if isinstance(value := getattr(error, name, None), int):
                return value
        error = error.__cause__ or error.__context__
    return None


def check(condition: object, answer: object) -> None:
    """Refuse an *answer* unless the condition holds.

    Raises:
        UnexpectedAnswerError: It does not.
    """
    if not condition:
        raise UnexpectedAnswerError(repr(answer)[:200])


async def spoken(seconds: float = 0.1) -> AsyncIterator[bytes]:
    """Yield `SPEECH` as a microphone hears it, in pieces of a length in seconds; PCM16, mono."""
    began_s = asyncio.get_running_loop().time()
    with wave.open(str(SPEECH)) as file:
        while piece := file.readframes(round(file.getframerate() * seconds)):
            heard_s = file.tell() / file.getframerate()
            await asyncio.sleep(began_s + heard_s / SPEED - asyncio.get_running_loop().time())
            yield piece


def is_mp3(audio: bytes) -> bool:
    """Tell whether bytes begin as mp3 does."""
    return audio.startswith((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"))


def report(what: str, error: str = "") -> None:
    """Print one call and what went wrong with it, if anything did."""
    print(json.dumps({"call": what, "error": " ".join(error.split())[:300]}), flush=True)
