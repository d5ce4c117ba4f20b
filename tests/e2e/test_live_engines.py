"""Live sessions and the engines: when they are loaded, and what goes before a partial result."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from tests.e2e import realtime
from tests.e2e.conftest import ECHO, echo_env
from tests.e2e.live import metric, quiet
from tests.e2e.realtime import RATE, eventually, ready
from tests.e2e.server import serving
from tests.fakes.babble import babble, talk
from tests.fuzz.exchange import exchange
from tests.fuzz.leaving import ask, begin, health, is_busy, leave, speech, transcription, waiting

LOAD_S = 2.0
EXCLUSIVE = {
    "SPEECHHUB_CPU_EXCLUSIVE": "true",
    "SPEECHHUB_STANDBY": "off",
    "SPEECHHUB_SWITCH_SPECULATION": "1",
}
"""One engine at a time, and none that no request asked for."""
HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
PATIENT = {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 1000}}}
"""``audio`` of a session in which only a long silence ends an utterance."""
PARTIALS = "speechhub_live_partials_total"


def state(server, model):
    return health(server)[model]["state"]


def switches(server):
    """Return pairs of models, left and entered, with how often that was a switch, by the switch log."""
    found = json.loads(exchange(server.url, HEALTH).body)["switches"]
    return {(switch["leaving"], switch["target"]): switch["count"] for switch in found}


def log_order(server, *events):
    """Return the log lines of some kinds, in their order, as pairs of event and model."""
    return [(line["event"], line.get("model")) for line in server.lines() if line["event"] in events]


@asynccontextmanager
async def patient(server):
    """Open a session that waits for a long silence."""
    async with ready(server.url) as session:
        await session.update(audio=PATIENT)
        yield session


async def talk_until(session, condition, what):
    """Speak in real time, without a pause, until *condition*."""
    playing = asyncio.create_task(session.play(babble(60, RATE)))
    try:
        await eventually(condition, what)
    finally:
        playing.cancel()


async def speak(server):
    """Have a sentence spoken over HTTP; return the status."""
    return (await asyncio.to_thread(exchange, server.url, speech("One two three."))).status


async def test_the_switch_hides_behind_the_speaker(tmp_path):
    """An engine that is not there is loaded from the first word on, and is ready when the last is spoken.

    Between two utterances the device speaks for others.
    """
    env = echo_env(stt={"load_s": LOAD_S}, tts={"load_s": LOAD_S}) | EXCLUSIVE
    with serving(tmp_path, **env) as server:
        assert await speak(server) == 200
        async with patient(server) as session:
            await session.play(talk(0, 0.5, rate=RATE))
            assert state(server, "echo-stt") == "unloaded", "silence loads nothing"
            await talk_until(session, lambda: state(server, "echo-stt") != "unloaded", "the switch has begun")
            await session.until(realtime.STARTED)
            assert not session.all(realtime.STOPPED), "the speaker still speaks"
            await talk_until(session, lambda: state(server, "echo-stt") == "ready", "the engine is there")
            assert not session.all(realtime.STOPPED)
            await session.append(talk(0, 1.5, rate=RATE))

            done = await session.until(realtime.COMPLETED)

            assert done["transcript"]
            assert switches(server)["echo-tts", "echo-stt"] == 1, "one switch, the one that speech began"
            assert await speak(server) == 200
        await quiet(server)


async def test_a_presence_that_is_not_needed_any_more_loads_nothing(tmp_path):
    """Cleared or left before its turn came, an utterance switches no engine, and no partial result did."""
    env = echo_env(tts={"work_s": 60.0}) | EXCLUSIVE
    with serving(tmp_path, **env) as server:
        speaker = await asyncio.to_thread(begin, server, "echo-tts", speech())
        async with patient(server) as session:
            for utterance, end in enumerate(("clear", "leave"), 1):
                await session.play(talk(0, 0.5, rate=RATE))
                await session.append(babble(1, RATE))
                await session.until(realtime.STARTED, utterance)
                # Two intervals of partial results, and more.
                await session.play(babble(3, RATE))
                assert state(server, "echo-stt") == "unloaded"
                assert not session.all(realtime.DELTA)
                if end == "clear":
                    await session.send("input_audio_buffer.clear")
                    await session.until(realtime.CLEARED)

        await eventually(lambda: not waiting(server, "echo-stt"), "nothing waits for the engine")
        leave(speaker)
        await quiet(server)
        assert ("engine loading", "echo-stt") not in log_order(server, "engine loading")


async def test_uploads_go_before_partial_results(tmp_path):
    """While an upload waits no partial result is begun; once nothing waits, they are."""
    with serving(tmp_path, **echo_env(stt={"work_s": 60.0})) as server:
        working = await asyncio.to_thread(begin, server, "echo-stt", transcription())
        upload = ask(server, transcription())
        await eventually(lambda: waiting(server, "echo-stt") == 1, "an upload waits")
        async with patient(server) as session:
            await session.play(talk(0, 0.5, 4.5, rate=RATE))
            await session.until(realtime.STARTED)
            assert waiting(server, "echo-stt") == 1, "a partial result does not even wait"
            assert not session.all(realtime.DELTA)
            leave(upload)
            leave(working)
            await eventually(lambda: not is_busy(server, "echo-stt"), "the uploads are gone")

            await talk_until(session, lambda: is_busy(server, "echo-stt"), "a partial result is under way")
        await quiet(server)
        assert metric(server, PARTIALS, outcome="skipped") > 0


@pytest.mark.parametrize("count", [4])
async def test_partial_results_of_some_sessions(tmp_path, count):
    """Text arrives while somebody speaks, contradicts nothing, and is what the transcript begins with."""
    with serving(tmp_path, **ECHO) as server:

        async def listen(number):
            async with patient(server) as session:
                await asyncio.sleep(number * 0.13)
                playing = asyncio.create_task(session.play(talk(0, 0.5, 60, rate=RATE)))
                first = await session.until(realtime.DELTA)
                assert not session.all(realtime.STOPPED), "the speaker still speaks"
                await session.until(realtime.DELTA, 2)
                playing.cancel()
                await session.append(talk(0, 1.5, rate=RATE))
                done = await session.until(realtime.COMPLETED)
                assert done["item_id"] == first["item_id"]
                told = session.text(done["item_id"]).split()
                assert told == done["transcript"].split()[: len(told)]

        async with asyncio.timeout(60):
            await asyncio.gather(*map(listen, range(count)))
        await quiet(server)
