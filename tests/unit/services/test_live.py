"""Live transcription: the buffer's states, what each of them does, and what becomes of what was said."""

import asyncio
import re

import numpy as np
import pytest

from speechhub.engine import SttCapabilities
from speechhub.errors import BufferTooSmallError, EngineCrashedError, InvalidValueError, ModelNotFoundError
from speechhub.services.live import (
    BufferFull,
    Cleared,
    Committed,
    LiveSettings,
    SpeechStarted,
    SpeechStopped,
    TranscriptCompleted,
    TranscriptDelta,
    TranscriptFailed,
    TurnSettings,
    finals,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.services.live import RATE, Live, kinds, speech

TURN = [SpeechStarted, SpeechStopped, Committed, TranscriptDelta, TranscriptCompleted]


def texts(events):
    return [event.transcript.text for event in events if isinstance(event, TranscriptCompleted)]


# ── The server finds the turns ───────────────────────────────────────────────


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 44_100])
@pytest.mark.parametrize("step_s", [0.001, 0.02, 1.3])
def test_each_turn_of_the_speaker_is_an_item(rate, step_s):
    """Times fit the recording whatever its rate, and the engine hears the speech with a little around it."""

    async def work():
        async with Live(sample_rate=rate) as live:
            await live.say(speech(1, 2, 1, 1.5, 1, rate=rate), step_s)
            return await live.done(), live

    events, live = in_virtual_time(work())

    first, second = (event.item for event in events if isinstance(event, SpeechStarted))
    for item, before in ((first, None), (second, first)):
        mine = [event for event in events if getattr(event, "item", None) == item]
        assert kinds(mine) == TURN
        assert mine[2].previous == before
        assert mine[4].duration_s == (mine[1].at_ms - mine[0].at_ms) / 1000
    assert re.fullmatch("item_[0-9a-f]{20}", first)
    assert first != second
    times = [event.at_ms for event in events if isinstance(event, (SpeechStarted, SpeechStopped))]
    for time, near in zip(times, (700, 3200, 3700, 5700), strict=True):
        assert abs(time - near) < 150, times
    assert [request.audio.sample_rate for request in live.finals()] == [RATE] * 2
    assert [round(request.audio.duration_s, 1) for request in live.finals()] == [2.5, 2.0]
    assert live.session.utterances == 2
    assert live.session.audio_s == pytest.approx(6.5)


def test_silence_between_turns_is_forgotten():
    """What is kept is the prefix of the next turn, and a second."""

    async def work():
        async with Live() as live:
            await live.say(speech(20))
            return live.kept_s(), await live.done()

    kept_s, events = in_virtual_time(work())

    assert 1.2 < kept_s < 1.5
    assert events == []


def test_a_turn_that_is_longer_than_the_engine_takes_is_cut():
    """The next item begins at once, where the last one ends; the engine gets all of it."""

    async def work():
        async with Live(model="short-ears") as live:
            await live.say(speech(0.5, 8, 1))
            return await live.done(), live

    events, live = in_virtual_time(work())

    started = [event.at_ms for event in events if isinstance(event, SpeechStarted)]
    stopped = [event.at_ms for event in events if isinstance(event, SpeechStopped)]
    assert len(started) == len(stopped) == 4
    assert started[1:] == stopped[:-1]
    told = [event for event in events if not isinstance(event, (TranscriptDelta, TranscriptCompleted))]
    assert kinds(told) == [SpeechStarted, SpeechStopped, Committed] * 4
    assert all(request.audio.duration_s <= 3.04 for request in live.finals())
    assert sum(request.audio.duration_s for request in live.finals()) > 8


def test_a_commit_while_somebody_speaks_ends_the_item_without_a_stop():
    """The announced id is that of the item, and further speech is another one."""

    async def work():
        async with Live() as live:
            await live.say(speech(0.5, 2))
            await live.session.commit()
            now_ms = live.session.now_ms
            await live.say(speech(0, 2, 1))
            return await live.done(), now_ms

    events, now_ms = in_virtual_time(work())

    first = events[0].item
    mine = [event for event in events if event.item == first]
    assert kinds(mine) == [SpeechStarted, Committed, TranscriptDelta, TranscriptCompleted]
    again = next(event for event in events if event.item != first)
    assert isinstance(again, SpeechStarted)
    assert again.at_ms >= now_ms == 2500


def test_a_commit_of_silence_has_an_empty_transcript_and_asks_no_engine():
    """Engines hear words in silence, and clients commit what they have at the end."""

    async def work():
        async with Live() as live:
            await live.say(speech(0.5))
            await live.session.commit()
            await live.say(speech(0.1))
            await live.session.commit()
            return await live.done(), live.runner.requests

    events, requests = in_virtual_time(work())

    assert kinds(events) == [Committed, TranscriptCompleted] * 2
    assert texts(events) == ["", ""]
    assert events[1].duration_s == 0.5
    assert not requests


@pytest.mark.scenario("hardly-any-live-audio")
@pytest.mark.parametrize("turns", [TurnSettings(), None])
def test_less_than_a_tenth_of_a_second_cannot_be_committed(turns):
    """Nothing is said about it but the error, and the session goes on."""

    async def work():
        async with Live(turns=turns) as live:
            with pytest.raises(BufferTooSmallError, match=r"buffer only has 0\.00ms of audio") as none:
                await live.session.commit()
            await live.say(speech(0.09))
            with pytest.raises(BufferTooSmallError, match=r"buffer only has 90\.00ms of audio"):
                await live.session.commit()
            await live.say(speech(0.05))
            await live.session.commit()
            with pytest.raises(BufferTooSmallError):
                await live.session.commit()
            return await live.done(), none.value

    events, error = in_virtual_time(work())

    assert error.code == "input_audio_buffer_commit_empty"
    assert kinds(events) == [Committed, TranscriptCompleted]


def test_what_is_cleared_is_gone():
    """The item that speech began gets neither stop nor transcript; times go on."""

    async def work():
        async with Live() as live:
            await live.say(speech(0.5, 1))
            await live.session.clear()
            with pytest.raises(BufferTooSmallError):
                await live.session.commit()
            await live.session.clear()
            kept_s = live.kept_s()
            await live.say(speech(0.5, 1, 1))
            return await live.done(), kept_s

    events, kept_s = in_virtual_time(work())

    assert kinds(events) == [SpeechStarted, Cleared, Cleared, *TURN]
    assert kept_s == 0
    assert events[0].item != events[3].item
    assert events[3].at_ms >= 1500
    assert events[5].previous is None


# ── The client says what an utterance is ─────────────────────────────────────


def test_without_turns_only_the_client_commits():
    """The silence around the speech does not reach the engine."""

    async def work():
        async with Live(turns=None) as live:
            await live.say(speech(2, 1, 1, 1, 2))
            before = live.events[:]
            await live.session.commit()
            return before, await live.done(), live

    before, events, live = in_virtual_time(work())

    assert before == []
    assert kinds(events) == [Committed, TranscriptDelta, TranscriptCompleted]
    assert events[2].duration_s == 7
    [request] = live.finals()
    assert 3.4 < request.audio.duration_s < 3.7


def test_a_long_commit_is_transcribed_as_a_long_recording():
    """In passages that the engine takes."""

    async def work():
        async with Live(turns=None, model="short-ears") as live:
            await live.say(speech(0, 2, 1, 2, 1, 2))
            await live.session.commit()
            return await live.done(), live.finals()

    events, requests = in_virtual_time(work())

    assert len(requests) == 3
    assert texts(events) == [" ".join(f"{request.audio.duration_s:.1f} seconds." for request in requests)]


@pytest.mark.scenario("live-buffer-full")
def test_ten_minutes_wait_for_a_commit_and_no_more():
    """What comes then is dropped, and said to be; after the commit there is room again."""

    async def work():
        async with Live(turns=None) as live:
            for _ in range(10):
                await live.session.append(np.zeros(60 * RATE, np.int16))
            await live.session.append(np.ones(RATE, np.int16))
            await live.session.append(np.ones(RATE, np.int16))
            now_ms = live.session.now_ms
            await live.session.commit()
            await live.session.append(np.zeros(RATE, np.int16))
            return await live.done(), now_ms

    events, now_ms = in_virtual_time(work())

    assert kinds(events) == [BufferFull, BufferFull, Committed, TranscriptCompleted]
    assert events[3].duration_s == 600
    assert now_ms == 600_000


# ── Changes of the settings ──────────────────────────────────────────────────


def test_another_rate_drops_what_is_not_committed():
    """Time goes on from where it was."""

    async def work():
        async with Live() as live:
            await live.say(speech(0.5, 1))
            live.update(sample_rate=8000)
            now_ms = live.session.now_ms
            await live.say(speech(0.5, 1, 1, rate=8000))
            return await live.done(), now_ms

    events, now_ms = in_virtual_time(work())

    assert now_ms == 1500
    assert kinds(events) == [SpeechStarted, *TURN]
    assert events[1].at_ms >= 1500


def test_an_item_outlives_the_end_of_turn_detection():
    """The client commits it; once turns are found again, speech that goes on is still the same item."""

    async def work():
        async with Live() as live:
            await live.say(speech(0.5, 1))
            live.update(turns=None)
            await live.say(speech(1, 1))
            await live.session.commit()
            live.update(turns=TurnSettings())
            await live.say(speech(0.5, 1))
            live.update(turns=None)
            live.update(turns=TurnSettings(silence_ms=500))
            await live.say(speech(0, 1, 1))
            return await live.done()

    events = in_virtual_time(work())

    told = [event for event in events if not isinstance(event, (TranscriptDelta, TranscriptCompleted))]
    assert kinds(told) == [SpeechStarted, Committed, SpeechStarted, SpeechStopped, Committed]
    assert told[0].item == told[1].item
    assert len({event.item for event in told[2:]}) == 1
    assert texts(events)[0] == "3.3 seconds."


def test_settings_are_checked_without_loading_anything():
    """The error names the field; what can be done is done like an upload."""

    async def work():
        async with Live() as live:
            for settings, error, param in [
                ({"model": "nothing"}, ModelNotFoundError, "model"),
                ({"model": "ears", "language": "klingon"}, InvalidValueError, "language"),
                ({"model": "ears", "language": "fr"}, InvalidValueError, "language"),
                ({"model": "ears", "sample_rate": 4000}, InvalidValueError, "sample_rate"),
            ]:
                with pytest.raises(error) as caught:
                    live.service.check(LiveSettings(**settings))
                assert caught.value.param == param
                with pytest.raises(error):
                    live.service.open(LiveSettings(**settings))
            live.service.check(LiveSettings())
            live.update(language="de", prompt="Words.", hotwords=("this",))
            await live.say(speech(0.5, 1, 1))
            await live.done()
            return live

    live = in_virtual_time(work())

    assert not live.runner.switched
    [request] = live.finals()
    assert (request.language, request.prompt, request.hotwords) == ("de", "Words.", ("this",))


# ── Transcripts ──────────────────────────────────────────────────────────────


@pytest.mark.scenario("live-transcription-fails")
def test_a_transcription_that_fails_is_an_event_and_the_session_goes_on():
    """A bug is one, too; it says nothing of what it was."""

    async def work():
        async with Live(partials=False) as live:
            live.runner.error = EngineCrashedError("worker gone")
            await live.say(speech(0.5, 1, 1))
            live.runner.error = ZeroDivisionError("secret")
            await live.say(speech(0, 1, 1))
            live.runner.error = None
            await live.say(speech(0, 1, 1))
            return await live.done(), live.metrics.text().decode()

    events, metrics = in_virtual_time(work())

    assert kinds(events) == [*TURN[:3], TranscriptFailed] * 2 + TURN
    failed = [event.error for event in events if isinstance(event, TranscriptFailed)]
    assert [error.code for error in failed] == ["engine_crashed", None]
    assert "secret" not in failed[1].message
    assert 'speechhub_live_utterances_total{outcome="failed"} 2.0' in metrics
    assert 'speechhub_live_utterances_total{outcome="completed"} 1.0' in metrics
    assert "speechhub_live_final_seconds_count 1.0" in metrics
    [audio_s] = re.findall(r"^speechhub_live_audio_seconds_total (.*)$", metrics, re.MULTILINE)
    assert float(audio_s) == pytest.approx(6.5)


def test_transcripts_come_in_the_order_of_their_commits():
    """Whichever the engine has first; several are with the engine at the same time."""

    async def work():
        async with Live(partials=False) as live:
            live.runner.gate.clear()
            for _ in range(6):
                await live.say(speech(0, 1, 1))
            running = live.runner.running
            live.runner.gate.set()
            return await live.done(), running

    events, running = in_virtual_time(work())

    committed = [event.item for event in events if isinstance(event, Committed)]
    assert [event.item for event in events if isinstance(event, TranscriptCompleted)] == committed
    assert len(committed) == 6
    assert running == 4


def test_an_utterance_has_no_more_time_than_a_request():
    """It counts from the commit."""

    async def work():
        async with Live(partials=False) as live:
            live.runner.gate.clear()
            await live.say(speech(0, 1, 1))
            await asyncio.sleep(700)
            live.runner.gate.set()
            return await live.done()

    events = in_virtual_time(work())

    assert kinds(events) == [*TURN[:3], TranscriptFailed]
    assert events[3].error.code == "request_timeout"


@pytest.mark.parametrize("others", [0, 1])
def test_text_flows_from_engines_that_stream_unless_others_wait(others):
    """With others it is one call for all of them."""

    async def work():
        async with Live(model="streaming-ears", partials=False) as live, Live() as other:
            other.service, live.runner.hear = live.service, live.words
            if others:
                other.session = live.service.open(other.settings)
                live.runner.gate.clear()
                await other.say(speech(0, 1, 1))
            await live.say(speech(0, 1, 1))
            live.runner.gate.set()
            events = await live.done()
            await other.session.aclose()
            return events

    events = in_virtual_time(work())

    deltas = [event.text for event in events if isinstance(event, TranscriptDelta)]
    assert deltas == (["one two three four"] if others else ["one", " two", " three", " four"])
    assert texts(events) == ["one two three four"]


def test_audio_waits_while_too_much_has_no_transcript(monkeypatch):
    """Memory is bounded whatever a client sends, and however fast."""
    monkeypatch.setattr(finals, "AHEAD_S", 5.0)

    async def work():
        async with Live(turns=None, partials=False) as live:
            live.runner.gate.clear()
            for _ in range(3):
                await live.session.append(speech(0, 2))
                await live.session.commit()
            more = asyncio.create_task(live.session.append(speech(0, 2)))
            await asyncio.sleep(5)
            waits = not more.done()
            live.runner.gate.set()
            await more
            await live.session.commit()
            return waits, await live.done()

    waits, events = in_virtual_time(work())

    assert waits
    assert len(texts(events)) == 4


def test_an_engine_with_a_rate_of_its_own_gets_that():
    """As for uploads."""
    assert SttCapabilities().sample_rate == RATE

    async def work():
        async with Live(model="low-ears") as live:
            await live.say(speech(0.5, 1, 1))
            await live.done()
            return live.finals()

    [request] = in_virtual_time(work())

    assert request.audio.sample_rate == 8000
    assert 1.4 < request.audio.duration_s < 1.6
