"""What must always answer needs no thread: neither of the event loop's executor, nor of any pool."""

import asyncio
import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.http.test_page import BROWSER
from tests.unit.codecs.recordings import record

ALWAYS = (
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/page/page.css",
    "/v1/models",
    "/v1/models/mouth",
    "/v1/models/nope",
    "/v1/engines",
    "/v1/audio/models",
    "/v1/audio/speech/voices",
    "/v1/nowhere",
)
STORED = ("/v1/audio/voices", "/v1/audio/voice_consents")
"""Lists of what lies on the disk, which other processes may change: only the pool of that name is theirs."""
REFUSED = {"/v1/models/nope", "/v1/nowhere"}
ANSWER_S = 10.0


@pytest.fixture
def wanted(monkeypatch):
    """Every executor but that for the disk is full, and stays so; the names of those that were wanted."""
    submitted, submit, start = [], ThreadPoolExecutor.submit, threading.Thread.start

    def in_line(executor, job, /, *args, **kwargs):
        submitted.append(executor._thread_name_prefix)
        if submitted[-1] == "disk":
            return submit(executor, job, *args, **kwargs)
        return Future()  # behind jobs that never end

    def noted(thread):
        submitted.append(thread.name)
        start(thread)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", in_line)
    monkeypatch.setattr(threading.Thread, "start", noted)
    return submitted


async def statuses(http, paths):
    """Return the statuses of the answers that come, by path."""
    found = {}
    for path in paths:
        for headers in ({}, BROWSER):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    found[path] = (await http.get(path, headers=headers)).status_code
    return found


async def test_what_must_always_answer_needs_no_thread(http, wanted):
    """Probes, lists, the page and refusals are answered while every thread is busy for ever."""
    answers = await statuses(http, ALWAYS)

    assert answers == {path: 404 if path in REFUSED else 200 for path in ALWAYS}
    assert wanted == []


async def test_what_is_stored_needs_the_disk_alone(http, wanted):
    """Lists of custom voices and consents wait for the disk, and for no other kind of work."""
    answers = await statuses(http, STORED)

    assert answers == dict.fromkeys(STORED, 200)
    assert {name.split("_")[0] for name in wanted} == {"disk"}


@pytest.mark.lengthy  # waits five seconds for a thread
async def test_the_executors_are_really_full(http, wanted):
    """A recording that needs a thread waits for it: what the tests above rely on."""
    clip = record("flac", "flac")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await http.post("/v1/audio/transcriptions", files={"file": clip}, data={"model": "ears"})

    assert wanted == ["decoding"]
