"""`describe`, which Home Assistant asks every 30 s with one attempt of 5 s: it is answered whatever goes on.

The complaint about other servers: an entity stays unavailable for ever after a slow start. Sources:
home-assistant/core#94565, #153121.
"""

import asyncio
import contextlib

import pytest
from wyoming.info import Describe
from wyoming.tts import Synthesize

from tests.e2e import home_assistant as ha
from tests.e2e.conftest import echo_env
from tests.e2e.realtime import eventually
from tests.e2e.wyoming_port import RATE, joined, serving_wyoming, utterance
from tests.fakes.babble import babble
from tests.fuzz.leaving import health, is_busy, is_idle, waiting

pytestmark = pytest.mark.unhurried

EXCLUSIVE = {"SPEECHHUB_CPU_EXCLUSIVE": "true"}
FOR_EVER_S = 3600.0
LIMIT_S = 2.0
"""For one answer. Far more than it takes, far less than anything that it could wait for here."""


async def check_described(server):
    """Fail unless `describe` is answered in time, on a connection of its own, and starts nothing."""
    before = states(server)
    async with asyncio.timeout(LIMIT_S):
        async with joined(server.wyoming_port) as visitor:
            info = await visitor.info()
    assert ha.platforms(info) == ["stt", "tts"]
    assert info.asr[0].models
    assert info.tts[0].voices
    assert states(server) == before


def states(server):
    """Return the state of each model."""
    return {name: model["state"] for name, model in health(server).items()}


@pytest.mark.scenario("wyoming-busy")
async def test_complaint_unavailable_after_a_slow_start(tmp_path):
    """An engine that takes an hour to load is not waited for."""
    env = echo_env(stt={"load_s": FOR_EVER_S}, tts={"load_s": FOR_EVER_S})
    with serving_wyoming(tmp_path, **env, SPEECHHUB_PRELOAD="echo-stt,echo-tts") as server:
        await eventually(lambda: set(states(server).values()) >= {"loading"}, "an engine loads")

        await check_described(server)


@pytest.mark.scenario("wyoming-busy")
async def test_describe_loads_nothing(tmp_path):
    """Home Assistant asks day and night: an engine that no request needs stays unloaded."""
    with serving_wyoming(tmp_path, **echo_env()) as server:
        for _ in range(20):
            await check_described(server)

        assert set(states(server).values()) == {"unloaded"}
        assert not server.workers()


@pytest.mark.scenario("wyoming-busy")
async def test_describe_while_twenty_jobs_wait(tmp_path):
    """Those that wait neither hold it up, nor are held up by it; the same on one of their connections."""
    env = echo_env(stt={"work_s": FOR_EVER_S})
    with serving_wyoming(tmp_path, **env) as server:
        async with contextlib.AsyncExitStack() as open_:
            visitors = [await open_.enter_async_context(joined(server.wyoming_port)) for _ in range(20)]
            for visitor in visitors:
                await visitor.send(*utterance(babble(1, RATE)))
            # A batch takes several of them at a time.
            await eventually(
                lambda: is_busy(server, "echo-stt") and waiting(server, "echo-stt") >= 10, "they wait"
            )

            await check_described(server)
            async with asyncio.timeout(LIMIT_S):
                await visitors[-1].send(Describe())
                assert [event.type for event in await visitors[-1].until("info")] == ["info"]
        await eventually(lambda: is_idle(server), "all have left")


@pytest.mark.scenario("wyoming-busy")
async def test_describe_during_a_switch_on_an_exclusive_device(tmp_path):
    """One engine has been told to make room for another, which loads."""
    env = echo_env(tts={"load_s": FOR_EVER_S}) | EXCLUSIVE | {"SPEECHHUB_STANDBY": "off"}
    with serving_wyoming(tmp_path, **env) as server:
        async with joined(server.wyoming_port) as visitor:
            await visitor.hear(*utterance(babble(1, RATE)))
        async with joined(server.wyoming_port) as speaking:
            await speaking.send(Synthesize(text="Yes."))
            await eventually(lambda: states(server)["echo-tts"] == "loading", "the switch goes on")

            await check_described(server)


async def test_describe_while_another_client_reads_nothing(tmp_path):
    """A client that asks for a speech and never reads it is held back, and no other client."""
    with serving_wyoming(tmp_path, **echo_env()) as server:
        async with joined(server.wyoming_port) as deaf:
            await deaf.send(Synthesize(text="One two three four five. " * 300))
            for _ in range(5):
                await check_described_only(server)


async def check_described_only(server):
    """Fail unless `describe` is answered in time; engines may start and stop meanwhile."""
    async with asyncio.timeout(LIMIT_S):
        async with joined(server.wyoming_port) as visitor:
            assert ha.platforms(await visitor.info()) == ["stt", "tts"]
