"""What is cut short, and by what: speech by its listener, live sessions by the end of their server."""

import asyncio
import signal

from tests.e2e import realtime
from tests.e2e.conftest import ECHO, echo_env
from tests.e2e.live import quiet
from tests.e2e.realtime import MANUAL, RATE, SPEECH, eventually, joined, ready
from tests.e2e.server import alive, serving
from tests.fakes.babble import babble
from tests.fuzz.leaving import is_busy, is_idle

SENTENCES = "One two three four five. " * 390
LONG_S = 390 * 5 * 0.25
"""Length of it spoken, in seconds: 23 MB, which no connection holds."""
GRACE_S = 5.0
"""How long an engine may take to notice that a call is cancelled; then its process is killed."""


# ── Speech ───────────────────────────────────────────────────────────────────


async def test_cancelled_speech_is_silent(tmp_path):
    """After the end of a cancelled response nothing more is heard of it, whatever was made ahead."""
    with serving(tmp_path, **echo_env(tts={"work_s": 0.05})) as server:
        async with ready(server.url, SPEECH) as session:
            await session.speak(SENTENCES)
            await session.until(realtime.AUDIO, 5)

            await session.send("response.cancel")

            done = await session.until("response.done")
            heard = len(session.all(realtime.AUDIO))
            assert done["response"]["status"] == "cancelled"
            await eventually(lambda: is_idle(server), "the engine is free")
            await session.speak("One two.")
            await session.until("response.created", 2)
            await session.until("response.done", 2)
            cancelled, spoken = (event["response"]["id"] for event in session.all("response.done"))
            after = session.events[session.events.index(done) :]
            sounds = [event["response_id"] for event in after if event["type"] == realtime.AUDIO]
            assert sounds
            assert set(sounds) == {spoken}
            assert cancelled not in sounds
            assert heard < 400, "the rest was not spoken"
        await quiet(server)


async def test_an_engine_at_work_is_free_soon_after_a_cancel(tmp_path):
    """A sentence that takes the engine long is stopped in its middle, and its process is kept."""
    with serving(tmp_path, **echo_env(tts={"work_s": 10.0}), SPEECHHUB_PRELOAD="echo-tts") as server:
        await eventually(server.workers, "the engine's process is there")
        async with ready(server.url, SPEECH) as session:
            await session.speak(SENTENCES)
            await eventually(lambda: is_busy(server, "echo-tts"), "it works")
            workers = server.workers()

            await session.send("response.cancel")

            done = await session.until("response.done")
            await eventually(lambda: is_idle(server), "the engine is free", GRACE_S)
            assert done["response"]["status"] == "cancelled"
            assert not session.all(realtime.AUDIO)
            assert server.workers() == workers


async def test_what_a_slow_listener_has_not_read_is_forgotten_at_a_cancel(tmp_path):
    """Sound that waits in the hub for a client is not sent any more; the end of the response is."""
    with serving(tmp_path, **ECHO) as server:
        async with joined(server.url, SPEECH, reading=False, max_queue=1) as session:
            await session.speak(SENTENCES)
            await eventually(lambda: is_busy(server, "echo-tts"), "the engine speaks")
            await eventually(lambda: not is_busy(server, "echo-tts"), "as much as may wait is made")
            await session.send("response.cancel")
            session.read()

            done = await session.until("response.done")

            heard_s = sum(len(event["delta"]) * 3 / 4 for event in session.all(realtime.AUDIO)) / 2 / RATE
            assert done["response"]["status"] == "cancelled"
            assert heard_s < LONG_S / 2
        await quiet(server)


# ── The end of the server ────────────────────────────────────────────────────


async def test_what_was_committed_is_transcribed_before_the_server_ends(tmp_path):
    """SIGTERM lets committed utterances finish, then closes every session with 1012; no process is left."""
    with serving(tmp_path, **echo_env(stt={"work_s": 1.5})) as server:
        async with ready(server.url) as speaker, ready(server.url) as silent:
            await speaker.update(audio=MANUAL)
            for _ in range(2):
                await speaker.append(babble(1, RATE))
                await speaker.send("input_audio_buffer.commit")
            await speaker.until(realtime.COMMITTED, 2)
            await eventually(lambda: is_busy(server, "echo-stt"), "the engine transcribes")
            workers = server.workers()

            server.process.send_signal(signal.SIGTERM)

            await speaker.until(realtime.COMPLETED, 2)
            assert await speaker.closed() == 1012
            assert await silent.closed() == 1012
        status = await asyncio.to_thread(server.process.wait, 30)
        assert status == 0
        await eventually(lambda: not any(map(alive, workers)), "no process is left")
        assert not server.logged("connections that are still open are cut off")


async def test_speech_ends_with_the_server(tmp_path):
    """A long response does not keep the server from ending: it gets the time of a request, and is cut off."""
    env = echo_env(tts={"work_s": 0.2}) | {"SPEECHHUB_SHUTDOWN_TIMEOUT_S": "1"}
    with serving(tmp_path, **env) as server:
        async with ready(server.url, SPEECH) as session:
            await session.speak(SENTENCES)
            await session.until(realtime.AUDIO)

            server.process.send_signal(signal.SIGTERM)

            assert await session.closed(60) == 1012
        assert await asyncio.to_thread(server.process.wait, 60) == 0
