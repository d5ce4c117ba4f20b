"""Files that would keep a thread busy are given up; long recordings are not."""

import io
import time

import pytest

from speechhub.codecs import budget as budgets
from speechhub.codecs.budget import PER_AUDIO_S, START_S, Budget
from speechhub.codecs.comments import MOST
from speechhub.codecs.decode import decode
from speechhub.errors import AudioError, AudioTooCostlyError
from tests.fuzz.recordings import good_recordings
from tests.unit.codecs import costly
from tests.unit.codecs.recordings import record, tone

pytestmark = pytest.mark.lengthy

LONGEST_S = 6.0
"""CPU time, in seconds, for a file that takes minutes or hours without limits; a slow machine's."""


class Clock:
    """A thread's CPU time."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def read(data):
    """Decode; return the error, if there is one, and the CPU time that it took."""
    began = time.thread_time()
    error = None
    try:
        decode(io.BytesIO(data), sample_rate=16_000, max_duration_s=7200)
    except AudioError as raised:
        error = raised
    return error, time.thread_time() - began


def test_two_hours_on_a_machine_ten_times_slower_are_read(clock):
    """What counts is the time for each second of audio; 0.01 s is the most that was measured here."""
    budget = Budget(clock)

    for second in range(7200):
        budget.audio_s = second
        clock.now += 0.095
        budget.check()


def test_what_never_becomes_audio_is_given_up(clock):
    """After a few seconds, whatever its size."""
    budget = Budget(clock)
    clock.now += START_S
    budget.check()

    clock.now += 0.01
    with pytest.raises(AudioTooCostlyError, match="more work"):
        budget.check()


def test_time_between_parts_is_not_the_decoders(clock):
    """What is done with the audio takes its own time, in whatever thread."""
    budget = Budget(clock)

    for _ in budget.apart(range(5)):
        clock.now += 1000
    clock.now = 0.0  # another thread
    for _ in budget.apart(range(1)):
        clock.now += 1000

    budget.check()


def test_audio_buys_time(clock):
    """Each second of it."""
    budget = Budget(clock)
    budget.audio_s = 100
    clock.now += START_S + 100 * PER_AUDIO_S - 0.01
    assert not budget.is_spent

    clock.now += 0.02
    assert budget.is_spent


@pytest.mark.scenario("costly-file")
@pytest.mark.parametrize("kind", costly.COMMENTED)
def test_too_many_comments_are_refused_before_anything_reads_them(kind):
    """Forty thousand take FFmpeg five seconds, a hundred times as many take hours that nothing can end."""
    error, took_s = read(costly.COMMENTED[kind](40_000))

    assert isinstance(error, AudioTooCostlyError)
    assert took_s < LONGEST_S


@pytest.mark.parametrize("kind", costly.COMMENTED)
def test_many_comments_are_read_over(kind):
    """More than any honest file has."""
    error, _ = read(costly.COMMENTED[kind](MOST // 10))

    assert error is None


@pytest.mark.scenario("costly-file")
@pytest.mark.parametrize("what", costly.COSTLY)
def test_costly_files_end_soon(what, monkeypatch):
    """They are read as far as they go, or refused, with a limit of half a second in place of five."""
    monkeypatch.setattr(budgets, "START_S", 0.5)

    error, took_s = read(costly.COSTLY[what]())

    assert took_s < LONGEST_S
    assert error is None or error.message


def test_the_budget_ends_what_is_no_audio(monkeypatch):
    """Four megabytes of empty chunks take half a second of CPU; a limit below that is noticed in between."""
    monkeypatch.setattr(budgets, "START_S", 0.02)

    error, _ = read(costly.empty_chunks(4 * 2**20))

    assert isinstance(error, AudioTooCostlyError)


@pytest.mark.scenario("costly-file")
@pytest.mark.parametrize("make", [costly.alternating_mp3, costly.rate_changing_aac])
def test_changing_channels_and_rates(make):
    """A stream that changes with every frame is refused, and says what to do."""
    error, took_s = read(make(20))

    assert isinstance(error, AudioTooCostlyError)
    assert "ffmpeg" in error.message
    assert took_s < LONGEST_S


def test_joined_clips_of_different_kinds_are_heard():
    """A few changes are nothing; even one a second is not, as where clips of a second were joined."""
    clips = [
        record("adts", "aac", rate=rate, layout=layout, samples=tone(1, rate))
        for rate, layout in ((16_000, "mono"), (44_100, "stereo"))
    ]

    error, _ = read(b"".join(clips) * 60)

    assert error is None


@pytest.mark.parametrize("copies", [1, 5, 900])
def test_tags_before_the_audio_are_skipped(copies):
    """However many texts they hold, and however often they repeat; nothing of them is read."""
    error, took_s = read(costly.id3(20, copies=copies) + record("mp3", "libmp3lame", samples=tone(0.5)))

    assert error is None
    assert took_s < LONGEST_S


def test_good_recordings_are_far_from_the_limit(monkeypatch):
    """A hundredth of the time would do for the recordings that everybody has."""
    monkeypatch.setattr(budgets, "START_S", 1.0)

    assert {name: read(data)[0] for name, data in good_recordings().items()} == dict.fromkeys(
        good_recordings()
    )
