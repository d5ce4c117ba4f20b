"""Attacks on a server, each bounded in time and size; all work against 127.0.0.1 alone.

Each is a coroutine of a target, of its size, and of `hold_s`, after which it ends whatever became of it.
It returns how many of its connections ended how: by the status of the answer, or by a word of `target`.
"""

import asyncio
import itertools
import json
from collections import Counter

from tests.fuzz import costly
from tests.fuzz.target import CUT, OPEN, crowd

STT, TTS = "/v1/audio/transcriptions", "/v1/audio/speech"
NOWHERE = "/v1/nowhere"
FORM = "multipart/form-data; boundary=b"
OPENING = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
CLOSING = b"\r\n--b--\r\n"
JSON = "application/json"
PIECE_BYTES = 2**16
CHANGING = (
    STT,
    TTS,
    "/v1/engines/load",
    "/v1/engines/unload",
    "/v1/audio/voices",
    "/v1/audio/voice_consents",
)
"""Where a POST changes something, or makes work."""

QUADRATIC = {
    "Chinese full stops and digits": "。1" * 5000,
    "full stops and digits": "1. " * 3333,
    "questions without words": "?! " * 3333,
}
"""Texts within the limit that a splitter into sentences may need far too long for."""


def transcription(target, recording):
    """Return a request for the transcript of *recording*."""
    return target.post(STT, FORM, OPENING + recording + CLOSING)


def speech(target, text, **fields):
    """Return a request for speech."""
    body = {"model": "echo-tts", "input": text, "response_format": "wav"} | fields
    return target.post(TTS, JSON, json.dumps(body).encode())


# ── work ─────────────────────────────────────────────────────────────────────


async def costly_recordings(target, *, recording, count, hold_s=4.0):
    """Ask for *count* transcripts of one recording at a time."""
    request = transcription(target, recording)
    return await crowd(target, count, lambda made, _: made.ask(request), hold_s=hold_s)


async def silent_recordings(target, *, count=12, hold_s=4.0):
    """Ask for transcripts of silence: a quarter of an hour in 150 kB."""
    return await costly_recordings(target, recording=costly.silence(), count=count, hold_s=hold_s)


async def abandoned_texts(target, *, text=QUADRATIC["Chinese full stops and digits"], count=212, hold_s=4.0):
    """Ask to speak *text*, and leave a moment later."""
    request = speech(target, text)

    async def ask_and_leave(made, _):
        await made.send(request)
        await asyncio.sleep(0.2)  # a reset at once might overtake the question
        return OPEN

    return await crowd(target, count, ask_and_leave, hold_s=hold_s)


async def flood_of_texts(target, *, count=212, hold_s=4.0):
    """Ask to speak what is hard to split, leave a moment later, and come again."""
    clock = asyncio.get_running_loop().time
    ends, until, rounds = Counter(), clock() + hold_s, itertools.cycle(QUADRATIC.values())
    while (left_s := until - clock()) > 0:
        ends += await abandoned_texts(target, text=next(rounds), count=count, hold_s=left_s)
    return ends


async def unread_answers(target, *, sentences=2500, pause_ms=5000, count=4, hold_s=6.0):
    """Ask for much speech, pauses above all, and read only that it comes."""
    request = speech(target, "A. " * sentences, silence_interval_ms=pause_ms, sample_rate=48_000)

    async def ask_and_wait(made, _):
        if (status := await made.ask(request)) == "200":
            await asyncio.sleep(hold_s)
        return status

    return await crowd(target, count, ask_and_wait, hold_s=hold_s, greedy=False)


# ── connections ──────────────────────────────────────────────────────────────


async def silent_connections(target, *, count=600, hold_s=4.0):
    """Connect, and say nothing."""
    return await crowd(target, count, lambda made, _: made.stay(), hold_s=hold_s)


async def idle_connections(target, *, count=300, hold_s=4.0):
    """Ask one question on each connection, and keep it."""
    request = target.head("GET", "/health/live")

    async def ask_and_stay(made, _):
        status = await made.ask(request)
        return await made.stay() if status == "200" else status

    return await crowd(target, count, ask_and_stay, hold_s=hold_s)


async def slow_heads(target, *, count=300, pause_s=1.0, hold_s=4.0):
    """Send the head of a request byte by byte."""
    head = target.head("GET", "/health/live", "x-slow: " + "a" * 1000)
    pieces = [head[at : at + 1] for at in range(len(head))]
    return await crowd(target, count, lambda made, _: made.ask(*pieces, pause_s=pause_s), hold_s=hold_s)


async def slow_uploads(target, *, count=200, piece_bytes=1024, pause_s=30.0, hold_s=4.0):
    """Announce uploads of a megabyte, and send them at a rate that takes hours."""
    pieces = [target.post(STT, FORM, OPENING, length=2**20)] + [bytes(piece_bytes)] * 1000
    return await crowd(target, count, lambda made, _: made.ask(*pieces, pause_s=pause_s), hold_s=hold_s)


async def http2_connections(target, *, count=20, hold_s=2.0):
    """Speak HTTP/2 without having asked, as it may be done without TLS; an answer is "http/2"."""
    # The preface, and an empty SETTINGS. Source: RFC 9113, 3.4 and 6.5.
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))

    async def speak(made, _):
        await made.send(preface)
        answer = await made.reader.read(9)
        return "http/2" if len(answer) == 9 and answer[3] == 4 else CUT

    return await crowd(target, count, speak, hold_s=hold_s)


# ── bodies ───────────────────────────────────────────────────────────────────


async def unfinished_bodies(target, *, path, kind, opening, filler, size_bytes, count, hold_s):
    """Send all of a body but its last byte, and wait."""
    whole, rest = divmod(size_bytes - len(opening) - 1, len(filler))
    pieces = [target.post(path, kind, opening, length=size_bytes), *[filler] * whole, filler[:rest]]
    return await crowd(target, count, lambda made, _: made.ask(*pieces), hold_s=hold_s)


async def unfinished_json(target, *, size_bytes=49_000_000, count=10, hold_s=4.0):
    """Send nearly all of large bodies that want speech."""
    return await unfinished_bodies(
        target,
        path=TTS,
        kind=JSON,
        opening=b'{"input": "',
        filler=b"a" * PIECE_BYTES,
        size_bytes=size_bytes,
        count=count,
        hold_s=hold_s,
    )


async def unfinished_uploads(target, *, size_bytes=4_000_000, count=60, hold_s=4.0):
    """Send nearly all of recordings that are small enough to be kept in memory."""
    return await unfinished_bodies(
        target,
        path=STT,
        kind=FORM,
        opening=OPENING,
        filler=bytes(PIECE_BYTES),
        size_bytes=size_bytes,
        count=count,
        hold_s=hold_s,
    )


async def deep_json(target, *, depth=10_000, count=8, hold_s=4.0):
    """Send JSON that is nothing but brackets."""
    request = target.post(TTS, JSON, b'{"input":' + b"[" * depth + b"]" * depth + b"}")
    return await crowd(target, count, lambda made, _: made.ask(request), hold_s=hold_s)


async def refused_uploads(target, *, count=300, piece_bytes=1024, pause_s=0.1, hold_s=4.0):
    """Go on writing bodies that were refused by their heads, as slowly as one may."""
    pieces = [target.post(NOWHERE, FORM, OPENING, length=2**26)] + [bytes(piece_bytes)] * 1000
    return await crowd(target, count, lambda made, _: made.insist(*pieces, pause_s=pause_s), hold_s=hold_s)


async def flood_of_refused_uploads(target, *, count=64, size_bytes=2**26, hold_s=4.0):
    """Write bodies that were refused by their heads, as fast as they are taken."""
    pieces = [target.post(NOWHERE, FORM, OPENING, length=size_bytes)]
    pieces += [bytes(PIECE_BYTES)] * (size_bytes // PIECE_BYTES)
    return await crowd(target, count, lambda made, _: made.insist(*pieces), hold_s=hold_s)


# ── other people's pages ─────────────────────────────────────────────────────


async def foreign_posts(target, *, origin="https://evil.example", hold_s=4.0):
    """Ask for what changes something, as a page of *origin* can have a browser do without asking first."""
    lines = (f"origin: {origin}", "sec-fetch-site: cross-site", "sec-fetch-mode: no-cors")
    requests = [target.post(path, "text/plain", b'{"model": "echo-tts"}', *lines) for path in CHANGING]
    return await crowd(target, len(requests), lambda made, number: made.ask(requests[number]), hold_s=hold_s)
