"""Live transcription: the buffer's states and what each of them does."""

from speechhub.services.live import (
    Committed,
    SpeechStarted,
    SpeechStopped,
    TranscriptCompleted,
    TranscriptDelta,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.unit.services.live import Live, speech


def test_each_turn_of_the_speaker_is_an_item():
    """Times fit the recording, and the engine hears the speech with a little silence around."""

    async def work():
        async with Live() as live:
            await live.say(speech(1, 2, 1, 1.5, 1))
            return await live.done(), live.finals()

    events, requests = in_virtual_time(work())

    kinds = [SpeechStarted, SpeechStopped, Committed, TranscriptDelta, TranscriptCompleted]
    assert list(map(type, events)) == kinds * 2
    first, second = events[0].item, events[5].item
    assert [event.item for event in events] == [first] * 5 + [second] * 5
    assert events[2].previous is None
    assert events[7].previous == first
    started, stopped, again = events[0].at_ms, events[1].at_ms, events[5].at_ms
    assert 600 < started < 1000
    assert 3000 < stopped < 3400 < again < 4000
    assert events[4].duration_s == (stopped - started) / 1000
    assert 2.2 < requests[0].audio.duration_s <= events[4].duration_s
