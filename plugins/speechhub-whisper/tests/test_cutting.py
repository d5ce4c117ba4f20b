"""Clips and times, without a model."""

import numpy as np
import pytest

from speechhub.engine import Segment, Word
from speechhub_whisper import clips
from speechhub_whisper.clips import BLOCK_S, CLIP_S, Clip, find_clips
from speechhub_whisper.timeline import Timeline

RATE = 16_000


@pytest.fixture
def speech(monkeypatch):
    """Replace the detector: sample value 1 is speech."""

    def spans(samples, options):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], samples > 0.5, [0]]).astype(int)))
        return [{"start": int(a), "end": int(b)} for a, b in zip(edges[::2], edges[1::2], strict=True)]

    monkeypatch.setattr(clips, "get_speech_timestamps", spans)


def recording(length_s, *spans):
    samples = np.zeros(int(length_s * RATE), np.float32)
    for start_s, end_s in spans:
        samples[int(start_s * RATE) : int(end_s * RATE)] = 1
    return samples


def seconds(samples):
    return [(round(c.start_s, 2), round(c.end_s, 2)) for c in find_clips(samples, 0.5)]


def test_near_stretches_make_one_clip(speech):
    """Stretches that fit into one window together are one clip, the silence between them included."""
    assert seconds(recording(60, (1, 10), (12, 20), (25, 40))) == [(1.0, 20.0), (25.0, 40.0)]


def test_no_speech_no_clips(speech):
    """Silence has no clips, however long."""
    assert seconds(recording(2 * BLOCK_S)) == []


def test_speech_across_blocks_is_cut_only_at_silences(speech):
    """Where the search goes on in a new block, no stretch of speech is cut, lost or doubled."""
    spans = [(start, start + 9.5) for start in range(0, 3 * BLOCK_S, 10)]

    found = seconds(recording(3 * BLOCK_S, *spans))

    starts, ends = {a for a, _ in spans}, {b for _, b in spans}
    assert all(a in starts and b in ends and b - a <= CLIP_S for a, b in found)
    assert [a for a, _ in found][1:] == [b + 0.5 for _, b in found][:-1]
    assert (found[0][0], found[-1][1]) == (0, 3 * BLOCK_S - 0.5)


def test_a_late_word_is_found(speech):
    """Speech after a block of silence, at its very edge, is found."""
    assert seconds(recording(2 * BLOCK_S, (BLOCK_S - 0.5, BLOCK_S + 2)))[-1][1] == BLOCK_S + 2


def test_times_are_put_in_order():
    """Overlaps, steps back and ends beyond the recording are repaired."""
    timeline = Timeline(10.0)

    first = timeline.place(Segment(text=" a", start_s=-1, end_s=5))
    second = timeline.place(
        Segment(
            text=" b c",
            start_s=4,
            end_s=30,
            words=(Word(text=" b", start_s=4, end_s=6), Word(text=" c", start_s=5, end_s=30)),
        )
    )
    third = timeline.place(Segment(text=" d", start_s=40, end_s=20))

    assert (first.start_s, first.end_s) == (0, 5)
    assert (second.start_s, second.end_s) == (5, 10)
    assert [(word.start_s, word.end_s) for word in second.words] == [(5, 6), (6, 10)]
    assert (third.start_s, third.end_s) == (10, 10)


def test_words_keep_out_of_pauses():
    """A word that begins or ends in a pause is cut to the speech."""
    clip = Clip(start_s=0, end_s=20, speech=((0, 5), (10, 15), (18, 20)))

    assert clip.snap(6, 10.5) == (10, 10.5)
    assert clip.snap(4, 7) == (4, 5)
    assert clip.snap(16, 18.5) == (18, 18.5)
    assert clip.snap(4, 11) == (4, 11), "a segment may span a pause"
    assert clip.snap(6, 7) == (6, 7), "the detector may be wrong"
