"""Time stamps: which of them silence stands for, and which say nothing."""

import numpy as np
import pytest

from speechhub.codecs.damage import MOST, AudioDamage
from speechhub.codecs.timeline import Silence, Timeline

FRAME_S = 0.02


def laid_out(stamps, *, zero_s=0.0, limit_s=7200.0):
    """Lay out frames of 20 ms with these stamps; return gaps, frames' places, and the warnings."""
    damage = AudioDamage()
    line = Timeline(limit_s, damage)
    line.begin(zero_s)
    items = [item for number, stamp in enumerate(stamps) for item in line.add(number, FRAME_S, stamp)]
    items += line.end()
    gaps = [(round(it.start_s, 3), round(it.end_s, 3)) for it in items if isinstance(it, Silence)]
    frames = [it for it in items if not isinstance(it, Silence)]
    assert frames == list(range(len(stamps))), "a frame got lost, or changed places"
    return gaps, round(line.now_s, 3), damage.warnings


def steady(seconds=3.0):
    return np.arange(0, seconds, FRAME_S)


def test_steady_stamps_change_nothing():
    assert laid_out(steady()) == ([], 3.0, ())


@pytest.mark.parametrize("late_s", [0.06, 0.5, 4.0, 3600.0])
def test_a_gap_is_silence_of_its_length(late_s):
    """From frame to frame, however long."""
    stamps = steady()
    stamps[75:] += late_s

    gaps, end_s, warnings = laid_out(stamps)

    assert gaps == [(1.5, round(1.5 + late_s, 3))]
    assert end_s == pytest.approx(3 + late_s)
    assert warnings == ()


def test_a_late_start_is_silence():
    """The recording begins where its container does, be that a picture."""
    assert laid_out(steady() + 94.0, zero_s=90.0) == ([(0.0, 4.0)], 7.0, ())


def test_a_codecs_own_delay_is_no_late_start():
    assert laid_out(steady() + 0.064) == ([], 3.0, ())


def test_without_a_start_the_first_stamp_is_zero():
    assert laid_out(steady() + 90_000, zero_s=None) == ([], 3.0, ())


def test_small_losses_add_up():
    """Single packets that got lost are made up for as soon as they are more than jitter."""
    stamps = [stamp for number, stamp in enumerate(steady(10)) if number % 10 or number > 400]

    gaps, end_s, _ = laid_out(stamps)

    assert end_s == pytest.approx(10, abs=0.05)
    assert all(end - start == pytest.approx(0.06, abs=0.001) for start, end in gaps)


@pytest.mark.parametrize("seed", range(5))
def test_jitter_changes_nothing(seed):
    """Networks deliver late, and never early: no click for that."""
    jitter = np.random.default_rng(seed).uniform(0, 0.12, 150)

    assert laid_out(steady() + jitter) == ([], 3.0, ())


def test_a_burst_after_a_stall_changes_nothing():
    """What was late together and is on time again was only late."""
    stamps = steady()
    stamps[50:70] = 1.4 + 0.0001 * np.arange(20)

    assert laid_out(stamps) == ([], 3.0, ())


@pytest.mark.parametrize("place", [1, 75, 148])
@pytest.mark.parametrize("stamp", [0.0, 3600.0, 36_000.0, -50.0, 1e9])
def test_one_stamp_of_nonsense_changes_nothing(place, stamp):
    stamps = steady()
    stamps[place] = stamp

    gaps, end_s, _ = laid_out(stamps)

    assert (gaps, end_s) == ([], 3.0)


@pytest.mark.parametrize("place", [0, 149])
def test_a_first_or_last_stamp_of_nonsense_changes_nothing(place):
    """Nothing comes before it, or after it, that could tell."""
    stamps = steady()
    stamps[place] += 3600

    gaps, end_s, _ = laid_out(stamps)

    assert (gaps, end_s) == ([], 3.0)


def test_stamps_that_begin_anew_lose_nothing():
    """The second clip goes on behind the first, and its own gap counts."""
    stamps = np.concatenate([steady(), steady()])
    stamps[250:] += 1

    gaps, end_s, warnings = laid_out(stamps)

    assert gaps == [(5.0, 6.0)]
    assert end_s == 7.0
    assert warnings == (
        "The time stamps jump back by 3.00 s at 3.00 s: the sound continues there without a gap.",
    )


def test_an_overlap_is_made_up_for_by_the_next_gap():
    """All that sounds is kept, and the times are right again as soon as there is room."""
    stamps = steady()
    stamps[50:] -= 0.3
    stamps[100:] += 1

    gaps, end_s, warnings = laid_out(stamps)

    assert gaps == [(2.0, 2.7)]
    assert end_s == 3.7
    assert warnings == ()


def test_a_gap_beyond_the_limit_is_told_and_left_out():
    """No file has the server write silence for ever."""
    stamps = steady()
    stamps[75:] += 36_000

    assert laid_out(stamps) == (
        [],
        3.0,
        ("The time stamps jump ahead by 36000.00 s at 1.50 s: the sound continues there without a gap.",),
    )


def test_many_gaps_stay_within_the_limit():
    stamps = steady(10) + 50 * np.floor(steady(10) / 1.5)

    gaps, end_s, warnings = laid_out(stamps, limit_s=120)

    assert [end - start for start, end in gaps] == pytest.approx([50, 50])
    assert end_s == pytest.approx(110)
    assert len(warnings) == 4


@pytest.mark.parametrize(
    "make", [lambda n: 0.0, lambda n: 100.0 - n * FRAME_S, lambda n: (n * 7919 % 150) / 5]
)
def test_senseless_stamps_lose_nothing(make):
    """All alike, backwards, or in disorder: the frames follow each other, and silence is bounded."""
    gaps, end_s, warnings = laid_out([make(number) for number in range(150)], limit_s=60)

    assert end_s <= 60
    assert sum(end - start for start, end in gaps) == pytest.approx(end_s - 3, abs=0.01)
    assert len(warnings) <= MOST + 1


def test_frames_of_a_sample_are_not_compared_without_end():
    """Found by the fuzzer: eight thousand frames that all jump took twenty seconds."""
    damage = AudioDamage()
    line = Timeline(7200.0, damage)
    line.begin(0.0)
    looks = []

    class Stamp(float):
        def __sub__(self, other):
            looks.append(1)
            return float(self) - other

    for number in range(2000):
        list(line.add(number, 1 / 8000, Stamp(number * 134_217.0)))
    rest = list(line.end())

    assert len(rest) <= 200
    assert len(looks) < 2000 * 500


def test_warnings_are_bounded():
    """And damage that is close together is one place."""
    damage = AudioDamage()
    for place in range(100):
        damage.undecodable(place * 10, place * 10 + 0.5)
        damage.undecodable(place * 10 + 0.7, place * 10 + 1)

    assert damage.warnings[0] == "The recording is damaged from 0.00 s to 1.00 s."
    assert damage.warnings[MOST:] == ("90 more places are damaged.",)
    assert "".join(damage.warnings).isascii()


def test_a_gap_that_damage_left_belongs_to_it():
    """What is told ends where sound begins again; a gap for itself is no damage."""
    damage = AudioDamage()
    damage.gap(1.0, 2.0)
    damage.undecodable(5.0, 5.1)
    damage.gap(5.0, 6.0)
    damage.gap(8.0, 9.0)

    assert damage.warnings == ("The recording is damaged from 5.00 s to 6.00 s.",)
