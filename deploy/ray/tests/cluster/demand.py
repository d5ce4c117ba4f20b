"""Requests in both directions, a number of them at a time, and when each was answered by which replica."""

import asyncio
import io
import itertools
import random
import time
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx


def clip(duration_s: float = 0.5, rate: int = 16_000) -> bytes:
    """Return a WAV file with noise."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", "not compressed"))
        file.writeframes(random.Random(1).randbytes(2 * int(duration_s * rate)))
    return out.getvalue()


CLIP = clip()
ANSWER_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One request, and its answer."""

    slot: str
    replica: str
    at: float
    """Seconds since the first request was sent."""


def mixture(pattern: str, count: int) -> Iterator[str]:
    """Yield *count* directions: those of *pattern* again and again; ``s`` is speech, ``t`` transcripts."""
    names = {"s": "tts", "t": "stt"}
    return itertools.islice((names[letter] for letter in itertools.cycle(pattern)), count)


def send(
    url: str,
    slots: Iterable[str],
    *,
    at_a_time: int,
    query: str = "",
    answers: list[Answered] | None = None,
) -> list[Answered]:
    """Send a request for each of *slots*, and return the answers as they came; all must succeed.

    Args:
        url: Of the cluster.
        slots: Asked for the next one when a client is free.
        at_a_time: How many clients there are; each waits for its answer before it asks again.
        query: Of all requests, with its question mark.
        answers: Where the answers are put; *slots* may look there.
    """
    answers = [] if answers is None else answers

    async def all_of_them() -> list[Answered]:
        waiting, began = iter(slots), time.monotonic()
        async with httpx.AsyncClient(base_url=url, timeout=ANSWER_S) as client:

            async def one_after_the_other() -> None:
                for slot in waiting:
                    answer = await (speak(client, query) if slot == "tts" else transcribe(client, query))
                    assert answer.status_code == 200, answer.text
                    replica = answer.headers["speechhub-replica"]
                    answers.append(Answered(slot=slot, replica=replica, at=time.monotonic() - began))

            async with asyncio.TaskGroup() as clients:
                for _ in range(at_a_time):
                    clients.create_task(one_after_the_other())
        return answers

    return asyncio.run(all_of_them())


async def speak(client: httpx.AsyncClient, query: str = "") -> httpx.Response:
    """Have a sentence spoken."""
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello there.", "response_format": "wav"}
    return await client.post(f"/v1/audio/speech{query}", json=body)


async def transcribe(client: httpx.AsyncClient, query: str = "") -> httpx.Response:
    """Have half a second of a tone transcribed."""
    files = {"file": ("a.wav", CLIP)}
    return await client.post(f"/v1/audio/transcriptions{query}", files=files, data={"model": "whisper-1"})


def rates(answers: Iterable[Answered]) -> dict[str, float]:
    """Return replica → answers in a second, from its first answer to its last: the start does not count."""
    times: dict[str, list[float]] = {}
    for answer in answers:
        times.setdefault(answer.replica, []).append(answer.at)
    return {replica: (len(at) - 1) / (max(at) - min(at)) for replica, at in times.items()}
