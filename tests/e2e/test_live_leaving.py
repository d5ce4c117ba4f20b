"""Clients of live sessions that leave in every state and at any moment leave nothing behind."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import random
import time
from collections import Counter

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from speechhub.http.app import create_app
from speechhub.http.listener import HttpListener
from speechhub.http.sockets.open_sessions import SESSIONS
from speechhub.hub import Hub
from speechhub.settings import Settings
from tests.e2e import realtime
from tests.e2e.conftest import echo_env
from tests.e2e.live import quiet, sessions_open
from tests.e2e.realtime import MANUAL, RATE, SPEECH, TRANSCRIPTION, eventually, joined, ready
from tests.e2e.server import serving
from tests.fakes.babble import babble, talk
from tests.fuzz.leaving import ATTEMPTS, PROMPT_S, is_busy, waiting
from tests.fuzz.mixture import Watch

log = logging.getLogger(__name__)

WORK_S = 30.0
"""How long work takes that nothing stops: far more than any deadline here."""
VISITORS = int(os.environ.get("LIVE_SESSIONS", "150"))
"""Sessions that leave at random moments; 500 take half a minute or more."""
AT_A_TIME = 16
ROOM = {"SPEECHHUB_REALTIME_SESSIONS": "1000", "SPEECHHUB_CONCURRENCY_LIMIT": "1000"}
"""On a busy machine, the hub learns later that a client has left than the next one comes."""
GROWTH_BYTES = 16 * 2**20
"""What the hub may grow by over all of them, after as many as that before."""
SENTENCES = "One two three four five. " * 40


# ── In every state ───────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A server whose engines take long for every call; both are loaded."""
    env = echo_env(stt={"work_s": WORK_S}, tts={"work_s": WORK_S})
    with serving(tmp_path_factory.mktemp("home"), **env, SPEECHHUB_PRELOAD="echo-stt,echo-tts") as server:
        yield server


async def _nothing_said(server, session):
    await session.until("session.created")


async def _before_the_first_word(server, session):
    await session.append(np.zeros(RATE, np.float32))


async def _speaking(server, session):
    await session.append(talk(0, 0.5, 2, rate=RATE))
    await session.until(realtime.STARTED)


async def _at_a_partial_result(server, session):
    await session.append(talk(0, 0.5, 4, rate=RATE))
    await eventually(lambda: is_busy(server, "echo-stt"), "a partial result is under way")


async def _at_a_transcript(server, session):
    await session.update(audio=MANUAL)
    await session.append(babble(2, RATE))
    await session.send("input_audio_buffer.commit")
    await eventually(lambda: is_busy(server, "echo-stt"), "the engine transcribes")


async def _several_transcripts(server, session):
    await session.update(audio=MANUAL)
    for _ in range(3):
        await session.append(babble(1, RATE))
        await session.send("input_audio_buffer.commit")
    await session.until(realtime.COMMITTED, 3)
    await eventually(lambda: is_busy(server, "echo-stt"), "the engine transcribes")


async def _at_a_response(server, session):
    await session.speak(SENTENCES)
    await eventually(lambda: is_busy(server, "echo-tts"), "the engine speaks")


STATES = {
    "nothing said": (TRANSCRIPTION, _nothing_said),
    "silence": (TRANSCRIPTION, _before_the_first_word),
    "speaking": (TRANSCRIPTION, _speaking),
    "partial result": (TRANSCRIPTION, _at_a_partial_result),
    "transcript": (TRANSCRIPTION, _at_a_transcript),
    "several transcripts": (TRANSCRIPTION, _several_transcripts),
    "response": (SPEECH, _at_a_response),
}


@pytest.mark.parametrize("rudely", [False, True], ids=["politely", "rudely"])
@pytest.mark.parametrize(("query", "enter"), STATES.values(), ids=STATES)
async def test_leaving_in_a_state_frees_what_the_session_had(busy, query, enter, rudely):
    """A second later no session is open and no engine works, and the engine's process is still the same."""
    workers, took_s = sorted(busy.workers()), []
    for _ in range(ATTEMPTS):  # another program may keep the machine busy for a second
        async with joined(busy.url, query) as session:
            await enter(busy, session)
            assert sessions_open(busy) == 1
            began = time.monotonic()
            await (session.reset() if rudely else session.leave())
            await quiet(busy)
            took_s.append(time.monotonic() - began)
        if took_s[-1] <= PROMPT_S:
            break

    assert took_s[-1] <= PROMPT_S, took_s
    assert sorted(busy.workers()) == workers
    log.info("took %.3f s", took_s[-1])


async def test_leaving_the_queue_leaves_those_that_wait_in_it(busy):
    """An utterance that waits behind another one is never transcribed once its client is gone."""
    async with ready(busy.url) as first:
        await _at_a_transcript(busy, first)
        async with ready(busy.url) as second:
            await second.update(audio=MANUAL)
            await second.append(babble(1, RATE))
            await second.send("input_audio_buffer.commit")
            await eventually(lambda: waiting(busy, "echo-stt"), "it waits")

            await second.reset()

            await eventually(lambda: not waiting(busy, "echo-stt"), "it waits no more")
        assert is_busy(busy, "echo-stt"), "the one before it runs on"
    await quiet(busy)


async def test_leaving_is_noticed_behind_all_that_is_unread(busy):
    """A client that has sent more than the hub reads ahead has its speech stopped, too, once it is gone."""
    text = json.dumps({"text": "One two three four five. " * 60_000})
    path = "/v1/text-to-speech/low/stream-input"
    async with joined(busy.url, "model_id=echo-tts", path=path, reading=False, decode=json.loads) as session:
        with contextlib.suppress(TimeoutError):  # the hub holds the client back
            async with asyncio.timeout(2):
                for _ in range(12):
                    await session.connection.send(text)
        await eventually(lambda: is_busy(busy, "echo-tts"), "the engine speaks")

        await session.reset()

        await quiet(busy)


# ── At any moment ────────────────────────────────────────────────────────────


class Visitors:
    """Sessions by number: the same number does the same, as far as the server lets it."""

    def __init__(self, url):
        self._url = url
        self._talk = talk(0, 0.3, 1.5, 0.8, 1.2, 0.8, rate=RATE)
        self._places = asyncio.Semaphore(AT_A_TIME)

    async def visit(self, number):
        """Open session *number*, feed it, and leave it at some moment."""
        dice = random.Random(f"visitor {number}")
        acts = dice.choice((self._listen, self._listen, self._commit, self._speak, self._ramble))
        query = SPEECH if acts == self._speak else TRANSCRIPTION
        stay_s = dice.choice((0.0, 0.002, 0.01, 0.05, 0.2, 0.5))
        async with self._places:
            with contextlib.suppress(ConnectionClosed, InvalidHandshake, TimeoutError):
                async with joined(self._url, query) as session:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(stay_s):
                            await acts(dice, session)
                    await dice.choice((session.leave, session.hang_up, session.reset, session.babble))()

    async def _listen(self, dice, session):
        await session.play(self._talk, real_time=False)
        await session.until(realtime.COMPLETED, 2)

    async def _commit(self, dice, session):
        await session.update(audio=MANUAL)
        for _ in range(dice.randint(1, 3)):
            await session.append(self._talk[: dice.randrange(RATE // 2, 2 * RATE)])
            await session.send(f"input_audio_buffer.{dice.choice(('commit', 'commit', 'clear'))}")
        await asyncio.Event().wait()

    async def _speak(self, dice, session):
        await session.speak(SENTENCES)
        await session.until(realtime.AUDIO, dice.randint(1, 5))
        if dice.random() < 0.5:
            await session.send("response.cancel")
        await session.until("response.done")

    async def _ramble(self, dice, session):
        for _ in range(20):
            await session.send(dice.choice(("input_audio_buffer.commit", "response.cancel", "no.such.event")))
            await session.connection.send(dice.choice(("{", b"\xff\xfe", "[]", "0", '{"type": 3}')))
        await asyncio.Event().wait()


@pytest.mark.timeout(120)
async def test_sessions_that_end_at_any_moment_leave_nothing_behind(tmp_path):
    """Descriptors, threads, workers and memory of the hub are what they were, and no ticket is left."""
    with serving(tmp_path, **ROOM, **echo_env(stt={"work_s": 0.05}, tts={"work_s": 0.02})) as server:
        visitors = Visitors(server.url)
        await asyncio.gather(*map(visitors.visit, range(-VISITORS, 0)))
        await quiet(server)
        watch, began = Watch(server), time.monotonic()

        await asyncio.gather(*map(visitors.visit, range(VISITORS)))

        await quiet(server)
        log.info("%d sessions took %.1f s", VISITORS, time.monotonic() - began)
        await asyncio.to_thread(watch.check, GROWTH_BYTES)


# ── Inside the hub ───────────────────────────────────────────────────────────

OF_SESSIONS = ("speechhub.http.sockets", "speechhub.http.realtime", "speechhub.services.live")
"""Where the objects of one session are defined."""


def of_sessions():
    """Return how many objects of sessions there are, by class."""
    gc.collect()
    classes = [type(found) for found in gc.get_objects()]
    return Counter(it.__qualname__ for it in classes if str(it.__module__).startswith(OF_SESSIONS))


async def listens(port):
    """Return whether something accepts connections."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@contextlib.asynccontextmanager
async def serving_here(settings):
    """Serve from this process and event loop; yield the URL and the hub."""
    hub = Hub.assemble(settings)
    app = create_app(hub)
    listener = HttpListener(app, "127.0.0.1", 0, connections=128, sessions=app.state[SESSIONS])
    async with hub:
        serving_task = asyncio.create_task(listener.serve())
        try:
            async with asyncio.timeout(realtime.DEADLINE_S):
                while not await listens(listener._port):  # noqa: ASYNC110  # until Granian's thread has started
                    await asyncio.sleep(0.02)
            yield f"http://127.0.0.1:{listener._port}", hub
        finally:
            await listener.end_sessions()
            listener.stop()
            await serving_task


async def test_sessions_leave_no_task_and_no_object(tmp_path):
    """What the hub's own event loop and heap hold of sessions is the same before and after."""
    settings = Settings(
        home=tmp_path, stt_model="echo-stt", tts_model="echo-tts", engines={"echo-stt": {"work_s": 0.02}}
    )
    async with serving_here(settings) as (url, hub):
        visitors = Visitors(url)

        async def visit(numbers):
            await asyncio.gather(*map(visitors.visit, numbers))
            await eventually(lambda: not of_sessions()["RealtimeSession"], "all sessions are gone")
            await eventually(lambda: not hub.manager.state("echo-stt").busy, "the engine is free")

        async with ready(url):
            assert of_sessions()["RealtimeSession"] == 1
        await visit(range(AT_A_TIME))
        before, tasks = of_sessions(), len(asyncio.all_tasks())

        await visit(range(AT_A_TIME, 4 * AT_A_TIME))

        await eventually(lambda: len(asyncio.all_tasks()) <= tasks, f"tasks are back to {tasks}")
        await eventually(lambda: not of_sessions() - before, f"objects of sessions are back to {before}")
