"""Ends of live sessions, and what they hold: nothing is left of one, whatever it was doing."""

import asyncio
import gc
import weakref
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechhub.errors import BufferTooSmallError, QueueFullError
from speechhub.services.account import Account
from speechhub.services.live import (
    BufferFull,
    Cleared,
    Committed,
    SpeechStarted,
    SpeechStopped,
    TranscriptCompleted,
    TranscriptDelta,
    TranscriptFailed,
    TurnSettings,
    finals,
    speech_buffer,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.generated import examples
from tests.unit.services.live import Live, counting, kinds, speech


async def quiet(live):
    """Only silence came so far."""
    await live.say(speech(1))


async def speaking(live):
    """Somebody speaks, and a hypothesis waits for nothing."""
    await live.say(speech(0.5, 2))


async def hearing(live):
    """A hypothesis is under way."""
    live.runner.gate.clear()
    await live.say(speech(0.5, 2))
    assert live.runner.running == 1


async def loading(live):
    """The model is on its way while somebody speaks."""
    live.runner.away.add(live.settings.model)
    live.runner.gate.clear()
    await live.say(speech(0.5, 1))
    assert live.runner.switched


async def transcribing(live):
    """Utterances wait for their transcripts, one of them for a hypothesis."""
    live.runner.gate.clear()
    for _ in range(6):
        await live.say(speech(0.5, 1.5, 1))
    assert live.runner.running


async def drained(live):
    """It ended well already."""
    await live.say(speech(0.5, 1, 1))
    await live.session.drain()


STATES = [quiet, speaking, hearing, loading, transcribing, drained]


@pytest.mark.parametrize("model", ["ears", "live-ears", "streaming-ears"])
@pytest.mark.parametrize("state", STATES)
def test_leaving_frees_everything_at_once(state, model):
    """No task is left, no call, no session of an engine, and no memory."""

    async def work():
        tasks = asyncio.all_tasks()
        live = Live(model=model)
        tasks |= {live.reader}
        await state(live)
        began = asyncio.get_running_loop().time()
        await live.session.aclose()
        await live.session.aclose()
        took_s = asyncio.get_running_loop().time() - began
        await live.reader
        left = asyncio.all_tasks() - tasks
        await live.session.append(speech(0, 1))
        gone = weakref.ref(live.session)
        runner, live.session, live.reader = live.runner, None, None
        del tasks
        await asyncio.sleep(100)  # timers
        gc.collect()
        return took_s, left, runner, gone()

    took_s, left, runner, session = in_virtual_time(work())

    assert took_s < 1
    assert left == set()
    assert runner.running == 0
    assert runner.sessions == {}
    assert session is None


def test_leaving_ends_an_append_that_waits(monkeypatch):
    """Too much had no transcript yet."""
    monkeypatch.setattr(finals, "AHEAD_S", 1.0)

    async def work():
        live = Live(turns=None, partials=False)
        live.runner.gate.clear()
        await live.session.append(speech(0, 2))
        await live.session.commit()
        waiting = asyncio.create_task(live.session.append(speech(0, 2)))
        await asyncio.sleep(1)
        waits = not waiting.done()
        await live.session.aclose()
        await waiting
        return waits, live.session.kept_bytes

    assert in_virtual_time(work()) == (True, 0)


def test_draining_ends_with_the_transcripts_of_what_is_committed():
    """What is not committed is dropped, and nothing more is taken."""

    async def work():
        async with Live() as live:
            live.runner.hear = counting
            await live.say(speech(0.5, 1, 1))
            live.runner.gate.clear()
            await live.say(speech(0, 1, 1, 1))
            draining = asyncio.create_task(live.done())
            await asyncio.sleep(1)
            await live.session.append(speech(0, 1, 1))
            assert not draining.done()
            live.runner.gate.set()
            return await draining

    events = in_virtual_time(work())

    committed = [event.item for event in events if isinstance(event, Committed)]
    assert len(committed) == 2
    assert [event.item for event in events if isinstance(event, TranscriptCompleted)] == committed
    assert kinds(events).count(SpeechStarted) == 3


# ── The model is made ready while somebody speaks ────────────────────────────


@pytest.mark.parametrize("turns", [TurnSettings(), None])
def test_a_model_that_is_away_is_sent_for_as_soon_as_somebody_speaks(turns):
    """Once, and not before; the transcript would need it anyway."""

    async def work():
        async with Live(turns=turns) as live:
            live.runner.away.add("ears")
            await live.say(speech(1))
            before = live.runner.switched[:]
            live.runner.gate.clear()
            await live.say(speech(0, 2))
            return before, live.runner.switched

    assert in_virtual_time(work()) == ([], ["ears"])


def test_a_model_that_is_ready_is_not_sent_for():
    async def work():
        async with Live() as live:
            await live.say(speech(0.5, 1, 1))
            return live.runner.switched

    assert in_virtual_time(work()) == []


@pytest.mark.parametrize("end", ["clear", "aclose"])
def test_sending_for_the_model_ends_with_its_reason(end):
    """No engine is loaded for speech that is cleared, or whose client has left."""

    async def work():
        async with Live() as live:
            await loading(live)
            running = not live.runner.cancelled.is_set()
            await getattr(live.session, end)()
            await asyncio.sleep(0)
            return running, live.runner.cancelled.is_set()

    assert in_virtual_time(work()) == (True, True)


def test_a_model_that_cannot_be_made_ready_is_no_error_yet():
    """The commit tells what is wrong, if it still is."""

    async def work():
        async with Live(partials=False) as live:
            live.runner.away.add("ears")
            live.runner.error = QueueFullError("full")
            await live.say(speech(0.5, 1))
            live.runner.error = None
            await live.say(speech(0, 0, 1))
            return await live.done(), live.runner.switched

    events, switched = in_virtual_time(work())

    assert switched == ["ears"]
    assert isinstance(events[-1], TranscriptCompleted)


# ── Memory ───────────────────────────────────────────────────────────────────


def test_the_voice_detector_is_given_back_after_half_a_minute_without_audio(monkeypatch):
    """It takes 3 MB, and is made for the first audio; speech after the pause is found where it is."""
    made = weakref.WeakSet()

    class Counted(speech_buffer.VoiceDetector):
        def __init__(self, rate):
            super().__init__(rate)
            made.add(self)

    monkeypatch.setattr(speech_buffer, "VoiceDetector", Counted)

    async def work():
        async with Live() as live:
            counts = [len(made)]
            await live.say(speech(0.5, 1, 1))
            counts.append(len(made))
            await asyncio.sleep(29)
            counts.append(len(made))
            await asyncio.sleep(2)
            counts.append(len(made))
            await live.say(speech(1, 1, 1))
            counts.append(len(made))
            return await live.done(), counts

    events, counts = in_virtual_time(work())

    assert counts == [0, 1, 1, 0, 1]
    started = [event.at_ms for event in events if isinstance(event, SpeechStarted)]
    assert started == pytest.approx([200, 3200], abs=100)


def test_tiny_pieces_take_no_more_memory_than_large_ones():
    """Each would else be an object a hundred times its size."""

    async def work():
        async with Live(turns=None) as live:
            for sample in speech(0, 2).reshape(-1, 2):
                await live.session.append(sample)
            blocks = len(live.session._buffer._tape.blocks())
            await live.session.commit()
            return await live.done(), blocks

    events, blocks = in_virtual_time(work())

    assert events[-1].duration_s == 2
    assert blocks <= 2000 / 32


def test_long_audio_of_all_sessions_is_accounted_for():
    """A session that finds no room is told to commit; its transcript makes room again."""

    async def work():
        account, minute = Account(memory_bytes=6 * 1024**2), np.zeros(60 * 16_000, np.int16)
        async with Live(turns=None, account=account) as one, Live(turns=None, account=account) as two:
            for _ in range(4):
                await one.session.append(minute)
                await two.session.append(minute)
            full = account.held("memory")
            await one.session.commit()
            await asyncio.sleep(1)
            await two.session.append(minute)
            await two.session.clear()
            freed = account.held("memory")
            for _ in range(4):
                await one.session.append(minute)
            return full, freed, account, one.events, two.events

    full, freed, account, one, two = in_virtual_time(work())

    assert 3 * 1024**2 < full <= 6 * 1024**2
    assert kinds(one) == [Committed, TranscriptCompleted]
    assert kinds(two) == [BufferFull, Cleared]
    assert freed == account.held("memory") == 0


# ── Anything at all ──────────────────────────────────────────────────────────

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("speech"), st.integers(1, 30)),
        st.tuples(st.just("silence"), st.integers(1, 15)),
        st.sampled_from(["commit", "clear", "manual", "turns", "slow", "rate", "fail"]).map(
            lambda it: (it, 0)
        ),
    ),
    max_size=14,
)


async def act(live, action, tenths):
    """Do what a client, or an engine, may do."""
    rate, runner = live.settings.sample_rate, live.runner
    match action:
        case "speech" | "silence":
            turns = (0, tenths / 10) if action == "speech" else (tenths / 10,)
            await live.say(speech(*turns, rate=rate), 0.1)
        case "commit":
            with suppress(BufferTooSmallError):
                await live.session.commit()
        case "clear":
            await live.session.clear()
        case "manual" | "turns":
            live.update(turns=TurnSettings(silence_ms=300) if action == "turns" else None)
        case "rate":
            live.update(sample_rate=16_000 if rate == 24_000 else 24_000)
        case "slow":
            runner.takes_s = 1.5 - runner.takes_s
        case "fail":
            runner.error = None if runner.error else QueueFullError("full")


@settings(max_examples=examples(40))
@given(actions=ACTIONS, model=st.sampled_from(["ears", "short-ears", "live-ears", "streaming-ears"]))
def test_whatever_happens_the_events_make_sense(actions, model):
    """Each started item is stopped, committed or cleared; times never go back; each commit has its end."""

    async def work():
        async with Live(model=model) as live:
            live.runner.hear = counting
            for action in actions:
                await act(live, *action)
            now_ms = live.session.now_ms
            return await live.done(), now_ms

    events, now_ms = in_virtual_time(work())

    at_ms, open_, previous, waiting, out = 0, None, None, [], {}
    for event in events:
        match event:
            case SpeechStarted():
                assert open_ is None or ("rate", 0) in actions, "another rate drops it without a word"
                assert at_ms <= event.at_ms <= now_ms
                at_ms, open_ = event.at_ms, event.item
            case SpeechStopped():
                assert event.item == open_
                assert at_ms < event.at_ms <= now_ms
                at_ms = event.at_ms
            case Committed():
                assert open_ in (None, event.item) or ("rate", 0) in actions
                assert event.previous == previous
                open_, previous = None, event.item
                waiting.append(event.item)
            case Cleared():
                open_ = None
            case TranscriptDelta():
                assert event.item in (open_, *waiting)
                out[event.item] = out.get(event.item, "") + event.text
            case TranscriptCompleted() | TranscriptFailed():
                assert event.item == waiting.pop(0)
    assert waiting == []


@pytest.mark.parametrize("over", [False, True])
def test_events_without_a_reader_hold_the_client_back(over):
    """Any number could be made while a client reads nothing; a session that ends lets the client go on."""

    async def work():
        async with Live() as live:
            live.reader.cancel()
            await asyncio.sleep(0)
            cleared = asyncio.create_task(clear_all(live.session))
            await asyncio.sleep(1)
            waited = not cleared.done()
            if not over:
                live.reader = asyncio.create_task(live._read())
                await cleared
            done = await live.done() if not over else await live.session.aclose()
            await asyncio.gather(live.reader, return_exceptions=True)
            live.reader = asyncio.create_task(asyncio.sleep(0))
            await asyncio.wait_for(cleared, 1)
            return waited, done

    waited, done = in_virtual_time(work())

    assert waited
    assert over or kinds(done) == [Cleared] * 1500


async def clear_all(session):
    for _ in range(1500):
        await session.clear()
