"""Requests that must be refused: each returns the answer, or None if it was served after all."""

import random

from benchmarks.load.client import KEY, STT, TTS, Answer, Client
from tests.fuzz.damage import damaged
from tests.fuzz.recordings import good_recordings

LIMIT_BYTES = 4 * 2**20
"""Largest upload that the server takes; small, so that refusing a larger one costs little."""
RECORDINGS = good_recordings()
CASES = 10_000


def damaged_recording(client: Client, dice: random.Random) -> Answer | None:
    """Send a damaged recording; part of it may still be transcribed."""
    _, data = damaged(RECORDINGS, dice.randrange(CASES))
    answer = client.post(STT, client.recording(data, model="echo-stt"))
    return None if answer.status == 200 else answer


def no_audio(client: Client, dice: random.Random) -> Answer:
    """Send something that is not a recording."""
    data = dice.choice((b"", b"no audio " * 99, b"#EXTM3U\nhttp://127.0.0.1/a.mp3\n", bytes(5000)))
    return client.post(STT, client.recording(data))


def unknown_model(client: Client, dice: random.Random) -> Answer:
    """Request a model that does not exist."""
    if dice.random() < 0.5:
        return client.post(STT, client.any_clip(dice, model="nobody-has-this")[1])
    return client.post(TTS, client.text("Hello.", model="nobody-has-this"))


def too_large(client: Client, dice: random.Random) -> Answer:
    """Send too much, announced or in chunks without a known length."""
    body = client.recording(bytes(LIMIT_BYTES + 1000))
    return client.post(STT, body, in_chunks=dice.random() < 0.5)


def wrong_key(client: Client, dice: random.Random) -> Answer:
    """Send a request without a key, or with a wrong one."""
    return client.post(STT, client.any_clip(dice)[1], key=dice.choice(("", "wrong", KEY + "x")))


def bad_value(client: Client, dice: random.Random) -> Answer:
    """Request speech with one wrong field."""
    wrong = dice.choice(({"speed": 9}, {"input": ""}, {"voice": "nobody"}, {"response_format": "midi"}))
    return client.post(TTS, client.text("Hello.", **wrong))
