"""Stretching: another tempo, the same pitch."""

import numpy as np
import pytest
from recordings import tone

from speechhub.codecs.stretch import Stretcher

RATE = 24_000


def stretch(samples, speed, parts=23):
    stretcher = Stretcher(speed, RATE)
    return np.concatenate(
        [*(stretcher.process(part) for part in np.array_split(samples, parts)), stretcher.finish()]
    )


@pytest.mark.mission("10.7")
@pytest.mark.parametrize("speed", [0.25, 0.4, 0.5, 0.9, 1.0, 1.25, 2.0, 3.0, 4.0])
def test_speed_changes_the_length_and_not_the_pitch(speed):
    stretched = stretch(tone(4, RATE), speed)

    spectrum = np.abs(np.fft.rfft(stretched * np.hanning(len(stretched))))
    assert len(stretched) / RATE == pytest.approx(4 / speed, abs=0.08)
    assert np.argmax(spectrum) * RATE / len(stretched) == pytest.approx(440, abs=3)
    assert np.abs(stretched).max() == pytest.approx(0.5, abs=0.05)
    assert stretched.dtype == np.float32


def test_natural_speed_changes_nothing():
    samples = tone(1, RATE)

    assert np.array_equal(stretch(samples, 1.0), samples)


def test_samples_flow_while_speech_does():
    stretcher = Stretcher(1.5, RATE)

    assert sum(len(stretcher.process(tone(0.1, RATE))) for _ in range(10)) > 0.5 * RATE


@pytest.mark.parametrize("speed", [0, 0.2, 4.1, float("nan")])
def test_speeds_out_of_range_are_refused(speed):
    with pytest.raises(ValueError, match="between"):
        Stretcher(speed, RATE)


def test_nothing_in_nothing_out():
    stretcher = Stretcher(2.0, RATE)

    assert len(stretcher.process(np.empty(0, np.float32))) == 0
    assert len(stretcher.finish()) == 0
