"""A segment that sounds wrong is noticed and spoken again, and silences are shortened."""

import random

import numpy as np
import pytest

from speechhub.engine import Call, RequestCancelledError, SynthesizeRequest
from speechhub_indextts.engine import IndexTtsEngine
from speechhub_indextts.generation import Line, Segment
from speechhub_indextts.quality import fault_s, silences, with_short_silences
from speechhub_indextts.settings import IndexTtsSettings

RATE = 22_050
FRAME = 441
"""20 ms."""


def sound(seconds):
    return np.sin(np.arange(round(seconds * RATE)) * 0.1).astype(np.float32) * np.float32(0.3)


def silence(seconds):
    """Near silence, as the vocoder makes it."""
    return np.resize(np.array([1e-4, -1e-4], np.float32), round(seconds * RATE))


def joined(*parts):
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("samples", "text", "wrong"),
    [
        (joined(sound(1.0), silence(1.4), sound(1.0)), "十个字十个字十个字十", 0.0),
        (joined(sound(1.0), silence(2.5), sound(1.0)), "十个字十个字十个字十", 1.0),
        (sound(0.3), "十个字十个字十个字十", 0.3),
        (sound(0.7), "十个字十个字十个字十", 0.0),
        (sound(6.9), "十个字十个字十个字十", 0.0),
        (sound(8.0), "十个字十个字十个字十", 1.0),
        (sound(8.0), "thirty letters, thirty letters", 1.0 + 0.6 * 4 / 3),
        (sound(0.5), "OK.", 0.0),
        (np.zeros(0, np.float32), "十个字十个字十个字十", 0.6),
        (sound(0.7), "<|SPECIAL_TOKEN_1|>HANG2<|SPECIAL_TOKEN_1|>", 0.0),
        (sound(7.5), "\uff21" * 10, 0.5),
        (sound(3.0), "。。。", 2.0),
        (sound(2.5), "<|SPECIAL_TOKEN_1|>HANG2<|SPECIAL_TOKEN_1|>", 0.5),
    ],
)
def test_how_wrong_speech_is_is_told_in_seconds(samples, text, wrong):
    """Silence beyond a pause, and too little or too much time for the text."""
    assert fault_s(samples, text, sample_rate=RATE) == pytest.approx(wrong, abs=0.03)


def test_fast_speech_is_not_wrong():
    """What was asked for counts."""
    assert fault_s(sound(0.4), "十个字十个字十个字十", sample_rate=RATE) > 0
    assert fault_s(sound(0.4), "十个字十个字十个字十", sample_rate=RATE, speed=2.0) == 0


def test_long_silences_are_shortened():
    """Inside to 0.4 s and at the ends to 0.1; shorter ones and all sound stay."""
    samples = joined(
        silence(0.6), sound(1.0), silence(0.9), sound(1.0), silence(3.0), sound(1.0), silence(0.5)
    )

    short = with_short_silences(samples, RATE, longest_s=1.0)

    assert [(stop - start) * 0.02 for start, stop in silences(short, RATE)] == pytest.approx(
        [0.1, 0.9, 0.4, 0.1], abs=0.021
    )
    assert len(short) == pytest.approx(RATE * 4.5, abs=4 * FRAME)
    assert with_short_silences(sound(1.0), RATE, longest_s=1.0) is not None
    kept = joined(silence(0.3), sound(1.0), silence(0.3))
    assert with_short_silences(kept, RATE, longest_s=1.0) is kept
    pauses = joined(silence(0.25), sound(1.0), silence(0.35), sound(1.0), silence(0.25))
    shorter = with_short_silences(pauses, RATE, longest_s=0.2)
    assert [(stop - start) * 0.02 for start, stop in silences(shorter, RATE)] == pytest.approx(
        [0.1, 0.2, 0.1], abs=0.021
    )
    fading = np.linspace(1e-4, 0, round(0.609 * RATE), dtype=np.float32)
    start, end = joined(silence(0.6), sound(1.0)), joined(sound(1.0), fading)
    np.testing.assert_array_equal(with_short_silences(start, RATE, longest_s=1.0), start[-len(sound(1.1)) :])
    np.testing.assert_array_equal(with_short_silences(end, RATE, longest_s=1.0), end[: len(sound(1.1))])
    dead = silence(3.0)
    assert with_short_silences(dead, RATE, longest_s=1.0) is dead
    assert with_short_silences(sound(0.001), RATE, longest_s=1.0).size == 22


@pytest.mark.parametrize(
    ("speech", "level", "silent"),
    [(0.212, 0.0034, True), (0.212, 0.0053, False), (0.002, 0.0015, True), (0.002, 0.002, False)],
)
def test_silence_is_told_by_its_level(speech, level, silent):
    """34 dB below a voice, and -55 dBFS in any case; a voice may speak for a fifth of the time."""
    loud, soft = (np.resize(np.array([peak, -peak], np.float32), RATE) for peak in (speech, level))
    samples = joined(loud[: 10 * FRAME], soft[: 40 * FRAME])

    assert silences(samples, RATE) == ([(10, 50)] if silent else [])


def test_a_pause_counts_as_long_as_it_was_meant_to_be():
    """Before the speech is made slower again."""
    pausing = joined(sound(0.5), silence(1.4), sound(0.5))

    assert fault_s(pausing, "十个字十个字十个字十", sample_rate=RATE, speed=2.0) == pytest.approx(
        1.3, abs=0.05
    )


class Attempts:
    """A generation that says what it is told to, one after the other."""

    def __init__(self, *attempts, segments=1):
        self.attempts, self.count, self.on_step = list(attempts), segments, lambda: None
        self.rows = []

    def segments(self, line):
        return [Segment(text="十个字十个字十个字十")] * self.count

    def speak(self, line, segment):
        self.on_step()
        self.rows.append(random.random())  # as the packages choose a row of the emotions' tables
        said = self.attempts.pop(0)
        if isinstance(said, BaseException):
            raise said
        return said


BAD, WORSE, GOOD = sound(0.3), sound(0.1), sound(2.0)


def spoken(*attempts, segments=1, seed=None, **options):
    """Return the lengths of what comes out, in seconds, and what was not needed."""
    engine = IndexTtsEngine()
    engine._settings = IndexTtsSettings(**options)
    engine._generation = Attempts(*attempts, segments=segments)
    engine._placement = type("Here", (), {"device": "cpu"})
    line = Line(text="", language=None, speaker={}, key="", feeling={}, feeling_key="")
    engine._line = lambda _: line
    request = SynthesizeRequest(text="text", voice="", seed=seed, silence_interval_ms=0)
    lengths = [round(audio.duration_s, 1) for audio in engine.synthesize(request, Call())]
    assert len(set(engine._generation.rows)) == 1, "another emotion in the middle of a line"
    return lengths, len(engine._generation.attempts)


@pytest.mark.parametrize(
    ("attempts", "wish", "heard", "left"),
    [
        ((GOOD, BAD), {}, [2.0], 1),
        ((BAD, GOOD), {}, [2.0], 0),
        ((BAD, WORSE, GOOD), {}, [0.3], 1),
        ((WORSE, BAD, GOOD), {}, [0.3], 1),
        ((BAD, GOOD), {"seed": 5}, [0.3], 1),
        ((BAD, GOOD), {"retry": False}, [0.3], 1),
        ((BAD, GOOD, BAD, GOOD), {"segments": 2}, [2.0, 2.0], 0),
        ((np.zeros(0, np.float32), GOOD), {}, [2.0], 0),
    ],
)
def test_what_came_out_wrong_is_spoken_once_more(attempts, wish, heard, left):
    """Once, and the better one is heard; not with a seed, nor where the operator wants none of it."""
    assert spoken(*attempts, **wish) == (heard, left)


def test_an_operator_may_keep_silences():
    """The option is a length, and 0 is none."""
    pausing = joined(sound(1.0), silence(1.4), sound(1.0))

    assert spoken(pausing)[0] == [2.4]
    assert spoken(pausing, longest_silence_ms=0)[0] == [3.4]


def test_a_second_attempt_can_be_cancelled():
    """Its steps ask as those of the first do."""
    with pytest.raises(RequestCancelledError):
        spoken(BAD, RequestCancelledError())


def test_a_second_attempt_is_logged(caplog):
    """With how wrong the first was, and without the text."""
    spoken(BAD, GOOD)

    assert "speaking it again" in caplog.text
    assert "十" not in caplog.text
