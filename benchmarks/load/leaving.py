"""Clients that disconnect: while they send, while they wait, while the engine works, while they read."""

import random
import time

from benchmarks.load.client import STT, TTS, Body, Client, leave
from benchmarks.load.good import SENTENCES

SOON_S, LATER_S = 0.05, 4.0


def leave_the_upload(client: Client, dice: random.Random) -> None:
    """Disconnect after sending part of a recording."""
    connection = client.send(STT, client.any_clip(dice)[1], share=dice.random())
    leave(connection, rudely=dice.random() < 0.5)


def leave_the_queue(client: Client, dice: random.Random) -> None:
    """Disconnect at once, while other requests are still ahead of this one."""
    _leave_after(client, dice, SOON_S)


def leave_at_work(client: Client, dice: random.Random) -> None:
    """Disconnect when the engine may be working on the request."""
    _leave_after(client, dice, LATER_S)


def leave_the_answer(client: Client, dice: random.Random) -> None:
    """Disconnect once the first bytes have arrived, while the engine works on the rest."""
    path, body = _long_work(client, dice, stream="true")
    connection = client.send(path, body)
    connection.recv(dice.choice((1, 100, 10_000)))
    leave(connection, rudely=dice.random() < 0.5)


def _leave_after(client: Client, dice: random.Random, most_s: float) -> None:
    path, body = _long_work(client, dice)
    connection = client.send(path, body)
    time.sleep(dice.random() * most_s)
    leave(connection, rudely=dice.random() < 0.5)


def _long_work(client: Client, dice: random.Random, **fields: str) -> tuple[str, Body]:
    if dice.random() < 0.5:
        return TTS, client.text(" ".join(SENTENCES * 4), response_format="pcm")
    return STT, client.any_clip(dice, **fields)[1]
