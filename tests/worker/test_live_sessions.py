"""Live sessions in real worker processes."""

import asyncio

import numpy as np
import pytest

import speechhub_echo
from speechhub.engine import Audio, ListenRequest, Slot, SynthesizeRequest, TranscribeRequest
from speechhub.errors import (
    EngineCrashedError,
    EngineError,
    LiveSessionLostError,
    NotIdleError,
    RequestCancelledError,
)
from speechhub.lifecycle.launch import Launch
from speechhub.lifecycle.local_runner import LocalRunner
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import Fifo
from speechhub.placement import Device
from speechhub.worker.host import Worker
from tests.fakes.placements import placement, placements

RATE = 16_000
DEADLINE_S = 60
ONE_AT_A_TIME = Device(name="cpu", exclusive=True)


def noise(seconds, seed=7):
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(RATE * seconds)).astype(np.float32)
    return Audio(samples=samples, sample_rate=RATE)


def piece(session, audio, **fields):
    return ListenRequest(session=session, audio=audio, **fields)


async def test_sessions_and_recordings_share_a_worker(make_worker):
    """Pieces of two utterances and a recording come between each other; each gets its own text."""
    worker = await make_worker()
    one, two = noise(2.0, 1), noise(2.0, 2)
    whole = [(await worker.transcribe([TranscribeRequest(audio=it)]))[0].text for it in (one, two)]

    texts = {"one": [], "two": []}
    for step in range(4):
        for name, audio in (("one", one), ("two", two)):
            part = audio.slice_s(step / 2, step / 2 + 0.5)
            heard = await worker.listen(piece(name, part, first=step == 0, last=step == 3))
            texts[name].append(heard)
        await worker.transcribe([TranscribeRequest(audio=noise(0.5))])

    assert [texts[name][-1].text for name in texts] == whole
    for heard in texts.values():
        assert [len(it.text.split()) for it in heard] == [1, 2, 3, 4]
        assert heard[1].stable_chars == len(heard[1].text)


async def test_another_worker_does_not_have_the_session(make_worker):
    """The error crosses the channel as what it is, and the worker works on."""
    first, second = await make_worker(), await make_worker()
    await first.listen(piece("one", noise(1.0), first=True))

    for fields in ({}, {"last": True}):
        with pytest.raises(LiveSessionLostError):
            await second.listen(piece("one", noise(0.5), **fields))
    assert (await second.listen(piece("one", noise(1.0), first=True, last=True))).text


async def test_a_failure_in_a_session_is_an_engine_s_failure(make_worker):
    """It reaches the caller without text of the user; the session is gone, the worker is not."""
    worker = await make_worker(fail=True)
    with pytest.raises(EngineError, match="RuntimeError in faults") as caught:
        await worker.listen(piece("one", noise(1.0), first=True, prompt="secret"))
    assert "secret" not in str(caught.value)

    with pytest.raises(LiveSessionLostError):
        await worker.listen(piece("one", noise(1.0)))


async def test_a_crash_in_a_session_is_a_crash(make_worker):
    """The process ends, and the caller is told so."""
    worker = await make_worker(crash_after=2)
    await worker.listen(piece("one", noise(1.0), first=True))

    with pytest.raises(EngineCrashedError):
        await worker.listen(piece("one", noise(1.0)))


async def test_a_piece_can_be_cancelled(make_worker):
    """The engine stops, and its session is gone; the next call works."""
    worker = await make_worker(work_s=600)
    call = asyncio.create_task(worker.listen(piece("one", noise(1.0), first=True)))
    async with asyncio.timeout(20):
        await worker.ping(20)
        call.cancel()
        assert await worker.settle(20)
    with pytest.raises((asyncio.CancelledError, RequestCancelledError)):
        await call

    with pytest.raises(LiveSessionLostError):
        await worker.listen(piece("one", noise(1.0)))


@pytest.fixture
async def runner():
    """Return a runner over one exclusive device without a GPU, and real echo engines."""

    async def start(placed, epoch):
        spec = speechhub_echo.STT if placed.slot is Slot.STT else speechhub_echo.TTS
        return await Worker.start(spec, epoch=epoch, handshake_timeout_s=DEADLINE_S)

    manager = Manager(
        placements(
            placement("echo-stt", device=ONE_AT_A_TIME, capabilities=speechhub_echo.STT.capabilities),
            placement("echo-tts", device=ONE_AT_A_TIME, slot=Slot.TTS),
        ),
        limits=Limits(policy=Fifo()),
        launch=Launch(fetch=lambda placement: None, starter=start),
    )
    yield LocalRunner(manager)
    await manager.close(timeout_s=5)


async def test_another_model_may_take_the_engine_between_two_pieces(runner):
    """The session is lost with its worker; begun anew with all audio, it ends with the recording's text."""
    audio = noise(2.0)
    request = SynthesizeRequest(text="One word.", voice="low")
    async with asyncio.timeout(DEADLINE_S):
        before = await runner.listen("echo-stt", piece("one", audio.slice_s(0.0, 1.0), first=True))
        speech = [it async for it in runner.synthesize("echo-tts", request)]
        assert speech
        assert not runner.is_ready("echo-stt")
        with pytest.raises(NotIdleError):
            await runner.listen("echo-stt", piece("one", audio.slice_s(1.0, 1.5)), spare=True)
        with pytest.raises(LiveSessionLostError):
            await runner.listen("echo-stt", piece("one", audio.slice_s(1.0, 1.5)))
        assert runner.is_ready("echo-stt")
        await runner.listen("echo-stt", piece("two", audio.slice_s(0.0, 1.5), first=True))
        heard = await runner.listen("echo-stt", piece("two", audio.slice_s(1.5, 2.0), last=True))
        [whole] = await runner.transcribe("echo-stt", [TranscribeRequest(audio=audio)])

    assert heard.text == whole.text
    assert heard.text.startswith(before.text[: before.stable_chars])
