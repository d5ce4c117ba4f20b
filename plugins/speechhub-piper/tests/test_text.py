"""Text and level, without a model."""
# ruff: noqa: RUF001  # characters that look like others are the point

import numpy as np
import pytest

from speechhub_piper.loudness import Loudness
from speechhub_piper.text import clean, is_speakable, pieces


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 25, 100])
def test_pieces_join_to_the_sentence(length):
    """No phoneme is lost, doubled or moved, and no piece is too long."""
    phonemes = [chr(97 + n % 26) for n in range(length)]

    parts = list(pieces(phonemes, limit=10))

    assert [phoneme for part in parts for phoneme in part] == phonemes
    assert all(0 < len(part) <= 10 for part in parts)


def test_pieces_end_where_one_breathes():
    """A comma is better than a space, and a space better than the middle of a word."""
    assert ["".join(part) for part in pieces(list("aaaaaaa, bb ccc dd"), limit=12)] == [
        "aaaaaaa,",
        " bb ccc dd",
    ]
    assert ["".join(part) for part in pieces(list("aaaaaaaaa bbbbbb"), limit=12)] == ["aaaaaaaaa ", "bbbbbb"]


def test_clean_keeps_letters():
    """Ordinary text of any script is not touched."""
    text = "Größe, 你好 «добрый» [день] 😀 a[0][1]"

    assert clean(text) == text


@pytest.mark.parametrize(("phonemes", "speaks"), [("həl", True), (".", False), ("", False), (" ,ˈ", False)])
def test_only_letters_are_speech(phonemes, speaks):
    """Punctuation alone is nothing to say."""
    assert is_speakable(list(phonemes)) is speaks


def test_a_speakers_gain_stays():
    """The first sentence sets the gain; a later, softer one stays softer."""
    loudness = Loudness(-20.0)
    tone = np.sin(np.arange(20_000) / 10).astype(np.float32)

    first, second = loudness.level(tone * 0.05, None), loudness.level(tone * 0.025, None)

    assert np.sqrt(np.mean(np.square(first))) == pytest.approx(0.1, rel=0.1)
    assert second.max() == pytest.approx(first.max() / 2, rel=0.01)


def test_peaks_are_bent_not_cut():
    """What would pass full scale comes out below it, in its order; what is soft is not touched."""
    ramp = np.linspace(-3, 3, 1001, dtype=np.float32)

    bent = Loudness(None).level(ramp, None)

    assert np.abs(bent).max() <= 1
    assert (np.diff(bent) >= 0).all()
    soft = np.abs(ramp) < 0.8
    assert (bent[soft] == ramp[soft]).all()


def test_silence_has_no_level():
    """Silence stays silence, and sets no absurd gain."""
    assert not Loudness(-20.0).level(np.zeros(100, np.float32), None).any()
