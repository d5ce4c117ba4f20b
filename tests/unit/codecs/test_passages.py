"""Recordings become passages, and every passage is what stands at its place."""

import itertools

import numpy as np
import pytest

from speechhub.codecs import passages
from speechhub.codecs.damage import AudioDamage
from speechhub.codecs.passages import PassageReader
from speechhub.errors import CorruptAudioError, RequestCancelledError
from tests.fakes.babble import RATE, babble, talk

SENTENCE = babble(3)


def blocks_of(samples, length=RATE * 2):
    yield from (samples[at : at + length] for at in range(0, len(samples), length))


def reader_of(samples, longest_s, rate=RATE, **kwargs):
    return PassageReader(blocks_of(samples, **kwargs), sample_rate=rate, longest_s=longest_s)


def read_all(reader):
    return list(itertools.chain.from_iterable(iter(lambda: reader.read(1, 1e9), [])))


@pytest.mark.parametrize("duration_s", [0.1, 2.0, 4.0, 5.0])
def test_a_short_recording_is_one_passage(monkeypatch, duration_s):
    """It is the recording itself, and no voice detector is asked."""
    monkeypatch.setattr(passages, "VoiceDetector", None)
    samples = talk(0, duration_s)
    reader = reader_of(samples, 5)

    [passage] = reader.read(9, 1e9)

    assert np.array_equal(passage.audio.samples, samples)
    assert passage.start_s == 0
    assert reader.ended
    assert reader.duration_s == duration_s


def test_a_recording_of_one_block_is_not_copied():
    samples = talk(0, 2)

    [passage] = PassageReader(iter([samples]), sample_rate=RATE, longest_s=5).read(1, 9)

    assert np.shares_memory(passage.audio.samples, samples)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000])
def test_a_long_recording_is_cut_in_its_silences(rate):
    """Every passage fits, and holds the samples that stand at its place; what is left out is silent."""
    samples = talk(0, 1, 3, 1, 3, 1, 3, 8, 2, 1, rate=rate)
    reader = reader_of(samples, 8, rate)

    found = read_all(reader)

    assert len(found) == 3
    covered = np.zeros(len(samples), bool)
    for passage in found:
        assert passage.audio.sample_rate == rate
        assert passage.audio.duration_s <= 8
        first = round(passage.start_s * rate)
        assert passage.start_s * rate == pytest.approx(first, abs=1e-6)
        end = first + len(passage.audio.samples)
        assert np.array_equal(passage.audio.samples, samples[first:end])
        assert not covered[first:end].any()
        covered[first:end] = True
    assert np.abs(samples[~covered]).max() == 0
    assert reader.duration_s == len(samples) / rate


@pytest.mark.parametrize(("rate", "longest_s"), [(16_000, 6), (22_050, 1.12), (22_050, 1.344), (44_100, 2)])
def test_speech_without_silence_is_cut_without_loss(rate, longest_s):
    """Passages of continuous speech follow each other sample by sample."""
    samples = babble(20, rate)

    found = read_all(reader_of(samples, longest_s, rate))

    assert len(found) >= 4
    assert all(passage.audio.duration_s <= longest_s for passage in found)
    assert np.array_equal(np.concatenate([passage.audio.samples for passage in found]), samples)


def test_silence_has_no_passages():
    reader = reader_of(np.zeros(RATE * 20, np.float32), 5)

    assert reader.read(9, 1e9) == []
    assert reader.ended
    assert reader.duration_s == 20


def test_reads_no_further_than_it_must():
    """A passage is there before the rest of the recording is read, and old blocks are let go."""
    read = []

    def blocks():
        for number in range(1000):
            read.append(number)
            yield np.concatenate([SENTENCE, np.zeros(RATE, np.float32)])

    reader = PassageReader(blocks(), sample_rate=RATE, longest_s=10)

    for _ in range(5):
        [passage] = reader.read(1, 1e9)
        assert len(read) * 4 - passage.start_s <= 10 + 2 * 4
        assert len(reader._tape.blocks()) <= 5
    reader.close()
    assert len(read) < 20


def test_reads_as_much_as_is_asked_for():
    """Number and length limit what one call returns, and one passage is always allowed."""
    samples = np.concatenate([talk(3, 6)] * 6)
    reader = reader_of(samples, 5)

    assert len(reader.read(2, 1e9)) == 2
    assert len(reader.read(9, 0.1)) == 1
    assert len(reader.read(9, 4.0)) == 2
    assert len(reader.read(9, 1e9)) == 1
    assert reader.read(9, 1e9) == []


def test_what_is_wrong_further_on_shows_then():
    """A recording that breaks off with an error gives its first passages."""

    def blocks():
        yield from blocks_of(talk(3, 6, 3, 6))
        raise CorruptAudioError("broken")

    reader = PassageReader(blocks(), sample_rate=RATE, longest_s=5)

    assert len(reader.read(1, 1e9)) == 1
    assert len(reader.read(1, 1e9)) == 1
    with pytest.raises(CorruptAudioError):
        reader.read(1, 1e9)


def test_stops_between_blocks_that_are_there():
    """Who leaves does not have to wait until all that was decoded has been listened to."""
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > 2

    reader = PassageReader(blocks_of(babble(30)), sample_rate=RATE, longest_s=20, cancelled=cancelled)

    with pytest.raises(RequestCancelledError):
        reader.read(1, 1e9)
    assert len(asked) == 3


@pytest.mark.parametrize(("gap_s", "passages_found"), [(29, 1), (30, 2), (100, 2)])
def test_no_engine_listens_to_a_long_gap(gap_s, passages_found):
    """Where nothing was recorded, the recording is cut, however short it is; times count the gap."""
    damage = AudioDamage()

    def blocks():
        yield talk(0, 1, 3)
        damage.longest_gap_s = float(gap_s)
        yield talk(0, gap_s)
        yield talk(0, 1, 3)

    reader = PassageReader(blocks(), sample_rate=RATE, longest_s=300, damage=damage)

    found = read_all(reader)

    assert len(found) == passages_found
    assert reader.duration_s == 8 + gap_s
    assert found[-1].start_s + found[-1].audio.duration_s == pytest.approx(8 + gap_s, abs=0.1)
    assert all(passage.audio.duration_s < 5 for passage in found) is (passages_found == 2)
