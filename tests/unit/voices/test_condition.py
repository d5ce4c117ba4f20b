"""What makes a recording a worse example of a voice is told, and silence before it is cut off."""

import numpy as np
import pytest

from speechhub.voices.condition import flaws, without_lead
from speechhub.voices.recording import RATE, Recording

from .conftest import tone


def made(*parts):
    samples = np.clip(np.concatenate(parts), -1, 1)
    return Recording(pcm16=np.rint(samples * 32767).astype("<i2").tobytes())


def silence(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def test_a_good_recording_has_no_flaws():
    """Quiet at its ends, loud between, with a pause."""
    assert flaws(made(silence(0.1), tone(2.0), silence(0.5), tone(2.0), silence(0.1))) == ()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((silence(0.1), tone(2.0, level=1.5), silence(0.1)), "at full scale"),
        ((silence(0.1), tone(2.0, level=0.03), silence(0.1)), "at -30 dBFS"),
        ((silence(0.1), tone(1.0), silence(1.0), tone(0.2), silence(0.1)), "% of the recording is silent"),
        ((tone(2.0), silence(0.1)), "begins in the middle"),
        ((silence(0.1), tone(2.0)), "ends in the middle"),
    ],
)
def test_each_flaw_is_told_alone(parts, said):
    """With what to do about it."""
    (flaw,) = flaws(made(*parts))

    assert said in flaw
    assert "; " in flaw
    assert flaw.isascii()


def test_flaws_add_up():
    """Each has a sentence."""
    assert len(flaws(made(tone(2.0, level=0.01)))) == 3


def test_a_noise_at_the_edge_is_no_speech():
    """Breath, 30 dB below the voice, may run into it."""
    breath = tone(0.2, level=0.005)

    assert flaws(made(breath, tone(2.0, level=0.3), breath)) == ()


def test_silence_before_the_first_sound_is_cut_off():
    """But for a tenth of a second; what is short stays a recording."""
    cut = without_lead(made(silence(3.0), tone(2.0), silence(1.0)))

    assert cut.duration_s == pytest.approx(3.1, abs=0.021)
    assert without_lead(cut) == cut
    assert without_lead(made(silence(2.0), tone(0.5))).duration_s == pytest.approx(1.0, abs=0.001)
    sudden = made(tone(2.0))
    assert without_lead(sudden) is sudden
    empty = made(silence(2.0))
    assert without_lead(empty) is empty


def test_a_stored_voice_knows_its_flaws(library):
    """Also when it is read again; its recording begins with sound."""
    voice = library.add("Anna", made(silence(2.0), tone(2.0)))

    assert len(voice.warnings) == 1
    assert library.find("Anna") == voice
    assert library.recording(voice).duration_s == voice.duration_s == pytest.approx(2.1, abs=0.021)
    assert library.add("Anna", made(silence(2.0), tone(2.0))) == voice
