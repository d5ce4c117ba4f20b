"""Parts of the comparison with other servers for Home Assistant that need no server."""

import numpy as np
import pytest

from benchmarks.wyoming_port import corpus, turns
from benchmarks.wyoming_port.client import Speech
from benchmarks.wyoming_port.idle import imported

pytestmark = pytest.mark.mission("17.12")


async def test_sides_take_turns_and_another_one_begins_each_time(monkeypatch):
    """Whatever disturbs the machine disturbs all sides alike."""
    asked = []
    monkeypatch.setattr(turns, "REST_S", 0)

    def side(name):
        async def ask():
            asked.append(name)
            return len(asked)

        return ask

    found = await turns.in_turns({name: side(name) for name in "ab"}, 2)

    assert "".join(asked) == "baabba", "the warm-up comes first"
    assert found == {"a": [3, 6], "b": [4, 5]}, "it does not count"


def test_a_line_has_each_side_and_what_the_first_takes_compared_with_the_others(capsys):
    """The ratio is that of each round, since rounds differ more than sides."""
    table = turns.Table(sides=["ours", "theirs"])
    table.head("seconds")
    table.line("speech", {"theirs": [0.1, 1.0, 0.2], "ours": [0.2, 1.0, 0.4]})

    assert capsys.readouterr().out.split("\n") == [
        "",
        "| seconds | ours | theirs | ÷ theirs (fastest quarter) |",
        "| --- | --- | --- | --- |",
        "| speech | 400 | 200 | 2.00 (2.00) |",
        "",
    ]


def test_first_audio_is_late_by_what_passes_after_the_first_sentence():
    """Before that, the writer is what it waits for."""
    speech = Speech(first_s=1.2, second_s=1.0, rate=24_000, pcm=bytearray(96_000))

    assert speech.late_s == pytest.approx(0.2)
    assert speech.audio_s == 2


def test_an_utterance_is_between_silences():
    """Samples beyond the range do not wrap around."""
    clip = corpus.clip("Hello.", "a test", np.array([2.0, -2.0], np.float32))

    samples = np.frombuffer(clip.pcm, "<i2")
    assert list(samples[samples != 0]) == [32767, -32767]
    assert len(samples) == 2 + 2 * round(corpus.SILENCE_S * 16_000)


def test_only_the_library_counts_as_imported():
    """The hub's own modules for it have another name, and so do other lines of the log."""
    lines = [
        "import time: self [us] | cumulative | imported package",
        "import time:       210 |       1301 |     wyoming",
        "import time:        90 |        120 |   wyoming.event",
        "import time:        90 |        120 |   speechhub.wyoming.wire",
        "import time:        90 |        120 |   wyomingx",
        "wyoming.event",
    ]

    assert imported(lines) == ["wyoming", "wyoming.event"]
