"""Partial results: what goes out while somebody speaks, and that it costs other requests nothing."""

import asyncio

import pytest

from speechhub.engine import Segment, Transcript
from speechhub.errors import EngineCrashedError, EngineOutOfMemoryError, QueueFullError
from speechhub.services.live import (
    Committed,
    SpeechStarted,
    SpeechStopped,
    TranscriptCompleted,
    TranscriptDelta,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.services.live import WORDS, Live, counting, kinds, speech


def deltas(events):
    return [event.text for event in events if isinstance(event, TranscriptDelta)]


def transcripts(events):
    return [event.transcript.text for event in events if isinstance(event, TranscriptCompleted)]


# ── Engines that transcribe recordings ───────────────────────────────────────


def test_text_goes_out_while_somebody_speaks():
    """Every second, as soon as two hypotheses agree; the transcript completes it."""

    async def work():
        async with Live() as live:
            live.runner.hear = counting
            await live.say(speech(0.5, 5, 1))
            return await live.done(), live

    events, live = in_virtual_time(work())

    stopped = next(place for place, event in enumerate(events) if isinstance(event, SpeechStopped))
    assert kinds(events[:stopped]) == [SpeechStarted] + [TranscriptDelta] * 3
    assert "".join(deltas(events)) == transcripts(events)[0] == "one two three four five"
    assert live.session.partials_made == 5
    assert live.session.partials_skipped == 0
    lengths_s = [request.audio.duration_s for (_, request) in live.runner.requests]
    assert lengths_s == sorted(lengths_s)
    assert live.runner.spare == [True] * 5 + [False]


def test_an_engine_that_is_slow_is_asked_less_often():
    """Twice the time of the last hypothesis passes before the next: it is not busy with them alone."""

    async def work():
        async with Live() as live:
            live.runner.takes_s = 1.5
            await live.say(speech(0.5, 12, 1))
            await live.done()
            return live

    live = in_virtual_time(work())

    assert live.session.partials_made == 3, "1.0-2.5, 5.5-7.0, 10.0-11.5"


@pytest.mark.parametrize("state", ["away", "busy"])
def test_no_hypothesis_is_worth_a_switch_or_a_wait(state):
    """Another model is on the device, or another request is with the engine or waits for it."""

    async def work():
        async with Live() as live:
            getattr(live.runner, state).add("ears")
            await live.say(speech(0.5, 3))
            asked = live.runner.requests[:]
            getattr(live.runner, state).clear()
            await live.say(speech(0, 3, 1))
            return await live.done(), asked, live

    events, asked, live = in_virtual_time(work())

    assert asked == []
    assert live.session.partials_skipped == 2
    assert live.session.partials_made == 4
    text = live.metrics.text().decode()
    assert 'speechhub_live_partials_total{outcome="skipped"} 2.0' in text
    assert 'speechhub_live_partials_total{outcome="made"} 4.0' in text
    assert len(transcripts(events)) == 1


def test_transcripts_go_before_hypotheses_of_what_is_said_next():
    """While an utterance of the session waits for its transcript, no later text goes out."""

    async def work():
        async with Live() as live:
            live.runner.hear = counting
            await live.say(speech(0.5, 1, 0.5))
            live.runner.gate.clear()
            await live.say(speech(0, 2, 0.5))
            await live.say(speech(0, 3))
            live.runner.gate.set()
            await live.say(speech(0, 2, 1))
            return await live.done()

    events = in_virtual_time(work())

    for item in {event.item for event in events}:
        mine = [place for place, event in enumerate(events) if event.item == item]
        others = [
            event
            for event in events[mine[0] : mine[-1]]
            if event.item != item and isinstance(event, (TranscriptDelta, TranscriptCompleted))
        ]
        assert len({event.item for event in others}) <= 1
    completed = [event.item for event in events if isinstance(event, TranscriptCompleted)]
    assert completed == [event.item for event in events if isinstance(event, Committed)]


def test_a_hypothesis_under_way_is_not_cancelled_by_the_commit():
    """An engine that does not notice would be killed; the transcript waits, and is asked for once."""

    async def work():
        async with Live() as live:
            live.runner.takes_s = 3
            await live.say(speech(0.5, 1.5, 1))
            spare = live.runner.spare[:]
            await live.session.drain()
            return spare, live

    spare, live = in_virtual_time(work())

    assert spare == [True], "the transcript waits for it"
    assert live.runner.spare == [True, False]
    assert not live.runner.cancelled.is_set()
    assert live.session.partials_made == 1


def test_there_is_one_hypothesis_at_a_time():
    """Even if the utterance of the last one was cleared meanwhile, and that one says nothing any more."""

    async def work():
        async with Live() as live:
            live.runner.hear = counting
            await live.say(speech(0.5, 2.7))
            live.runner.takes_s = 4
            await live.say(speech(0, 0.5))
            await live.session.clear()
            before = len(live.events)
            await live.say(speech(0.2, 2))
            return live.runner.most, live.events[before:], live.session.partials_skipped

    most, events, skipped = in_virtual_time(work())

    assert most == 1
    assert skipped == 1
    assert deltas(events) == []


def test_nothing_new_is_not_heard_again():
    """The client has stopped to append; nothing is skipped either."""

    async def work():
        async with Live() as live:
            await live.say(speech(0.5, 1.5))
            await asyncio.sleep(20)
            return live.session

    session = in_virtual_time(work())

    assert session.partials_made == 2
    assert session.partials_skipped == 0


def test_a_hypothesis_that_contradicts_what_is_out_silences_the_deltas():
    """The transcript has the last word."""

    async def work():
        async with Live() as live:
            heard = iter(["I have to go", "I have to go", "I had to go home", "I had to go home", "I had"])
            live.runner.hear = lambda request: Transcript(
                text=next(heard), duration_s=request.audio.duration_s
            )
            await live.say(speech(0.5, 4.2, 1))
            return await live.done()

    events = in_virtual_time(work())

    assert deltas(events) == ["I have to"]
    assert transcripts(events) == ["I had"]


@pytest.mark.parametrize(
    "error", [EngineCrashedError("gone"), EngineOutOfMemoryError("full"), ValueError("bug")]
)
def test_an_engine_that_fails_at_a_hypothesis_is_asked_for_no_more_of_that_utterance(error):
    """The transcript is asked for as if there had been none, and the next utterance is heard again."""

    async def work():
        async with Live() as live:
            live.runner.error = error
            await live.say(speech(0.5, 3))
            asked = len(live.runner.requests)
            live.runner.error = None
            await live.say(speech(0, 1, 1))
            await live.say(speech(0, 2, 1))
            return await live.done(), asked, live.runner.spare

    events, asked, spare = in_virtual_time(work())

    assert asked == 1
    assert len(transcripts(events)) == 2
    assert spare[:3] == [True, False, True]


def test_no_partial_results_where_the_operator_wants_none():
    async def work():
        async with Live(partials=False) as live:
            await live.say(speech(0.5, 3, 1))
            await live.done()
            return live.runner.spare

    assert in_virtual_time(work()) == [False]


def test_a_long_utterance_is_decoded_from_its_last_sentence_on():
    """What comes before is the prompt, and joins to the hypotheses."""

    def sentences(request):
        """Hear a sentence of one word in each 4 s."""
        before = len((request.prompt or "").split()) - 1
        count = int(request.audio.duration_s / 4)
        segments = tuple(
            Segment(text=f" {word}.", start_s=4.0 * place, end_s=4.0 * (place + 1))
            for place, word in enumerate(WORDS[max(0, before) :][:count])
        )
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            segments=segments,
            duration_s=request.audio.duration_s,
        )

    async def work():
        async with Live(prompt="Numbers:") as live:
            live.runner.hear = sentences
            await live.say(speech(0.5, 26))
            return live.events, live.runner.requests

    events, requests = in_virtual_time(work())

    lengths_s = [request.audio.duration_s for _, request in requests]
    assert max(lengths_s) < 17
    assert requests[3][1].prompt == "Numbers:"
    assert requests[-1][1].prompt.startswith("Numbers: one. two. three.")
    out = "".join(deltas(events))
    assert "one. two. three. four. five. six.".startswith(out)
    assert out.startswith("one. two. three. four.")


# ── Engines that hear while somebody speaks ──────────────────────────────────


def test_a_live_engine_hears_each_piece_once():
    """Its stable text goes out at once, and its session gives the transcript."""

    async def work():
        async with Live(model="live-ears") as live:
            await live.say(speech(0.5, 3, 1))
            return await live.done(), live

    events, live = in_virtual_time(work())

    asked = [request for _, request in live.runner.listened]
    assert live.runner.requests == []
    assert [request.first for request in asked] == [True] + [False] * (len(asked) - 1)
    assert [request.last for request in asked] == [False] * (len(asked) - 1) + [True]
    assert len({request.session for request in asked}) == 1
    assert 8 <= len(asked) <= 12
    completed = events[-1]
    assert transcripts(events) == ["Good morning, dear world."]
    assert sum(request.audio.duration_s for request in asked) == pytest.approx(completed.duration_s, abs=0.2)
    stopped = next(place for place, event in enumerate(events) if isinstance(event, SpeechStopped))
    assert "".join(deltas(events[:stopped])) == "Good morning, dear"
    assert "".join(deltas(events)) == "Good morning, dear world."
    assert live.runner.sessions == {}


@pytest.mark.parametrize("rate", [8000, 24_000])
def test_a_live_engine_gets_the_same_samples_as_in_one_piece(rate):
    """No piece is lost while the engine is not idle, and none comes twice."""

    async def work():
        async with Live(model="live-ears", sample_rate=rate) as live:
            samples = speech(0.5, 3, 1, rate=rate)
            await live.say(samples[: 2 * rate])
            live.runner.busy.add("live-ears")
            await live.say(samples[2 * rate : 3 * rate])
            live.runner.busy.clear()
            await live.say(samples[3 * rate :])
            return await live.done(), live

    events, live = in_virtual_time(work())

    heard_s = sum(request.audio.duration_s for _, request in live.runner.listened)
    assert heard_s == pytest.approx(events[-1].duration_s, abs=0.05)
    assert live.session.partials_skipped >= 3


def test_a_lost_session_begins_anew_with_all_that_was_said():
    """The worker was replaced while somebody spoke."""

    async def work():
        async with Live(model="live-ears") as live:
            await live.say(speech(0.5, 2))
            live.runner.sessions.clear()
            await live.say(speech(0, 2, 1))
            return await live.done(), live.runner

    events, runner = in_virtual_time(work())

    first = [request for _, request in runner.listened if request.first]
    assert len(first) == 2
    assert first[1].audio.duration_s > 2
    assert first[0].session != first[1].session
    assert runner.requests == []
    assert transcripts(events) == ["Good morning, dear world."]


@pytest.mark.parametrize("lost", ["at the end", "never begun"])
def test_without_a_session_the_utterance_is_transcribed(lost):
    """As an upload would be."""

    async def work():
        async with Live(model="live-ears") as live:
            if lost == "never begun":
                live.runner.busy.add("live-ears")
            await live.say(speech(0.5, 2))
            if lost == "at the end":
                live.runner.sessions.clear()
                live.runner.busy.add("live-ears")
            await live.say(speech(0, 0, 1))
            return await live.done(), live

    events, live = in_virtual_time(work())

    assert transcripts(events) == ["2.5 seconds."]
    assert len(live.finals()) == 1


def test_a_session_of_other_settings_is_forgotten():
    """An item has the settings that hold when it is committed."""

    async def work():
        async with Live(model="live-ears") as live:
            await live.say(speech(0.5, 2))
            live.update(model="ears")
            await live.say(speech(0, 0, 1))
            return await live.done(), live

    events, live = in_virtual_time(work())

    assert transcripts(events) == ["2.5 seconds."]
    assert live.runner.listened[-1][1].abandon
    assert live.runner.sessions == {}


def test_a_session_that_heard_more_than_its_item_is_forgotten():
    """A turn that was too long is cut in the past; each item is transcribed from its own audio."""

    async def work():
        async with Live(model="short-live-ears") as live:
            await live.say(speech(0.5, 8, 1))
            return await live.done(), live

    events, live = in_virtual_time(work())

    heard_s = {}
    for _, request in live.runner.listened:
        heard_s[request.session] = heard_s.get(request.session, 0) + request.audio.duration_s
    assert max(heard_s.values()) <= 3
    assert len(transcripts(events)) == 4
    assert sum(request.audio.duration_s for request in live.finals()) > 5
    assert live.runner.sessions == {}


def test_what_is_cleared_is_forgotten_by_the_engine():
    """So is what is under way when the client leaves."""

    async def work():
        async with Live(model="live-ears") as live:
            await live.say(speech(0.5, 2))
            await live.session.clear()
            await asyncio.sleep(1)
            after_clear = dict(live.runner.sessions)
            await live.say(speech(0.5, 2))
            open_ = dict(live.runner.sessions)
            await live.session.aclose()
            return after_clear, open_, live.runner.sessions

    after_clear, open_, after_leaving = in_virtual_time(work())

    assert (after_clear, len(open_), after_leaving) == ({}, 1, {})


def test_a_session_whose_last_request_waits_too_long_fails():
    """The server has no time for it, and says so."""

    async def work():
        async with Live(model="live-ears") as live:
            await live.say(speech(0.5, 2))
            live.runner.error = QueueFullError("full")
            await live.say(speech(0, 0, 1))
            return await live.done()

    events = in_virtual_time(work())

    assert events[-1].error.code == "server_is_overloaded"
