"""Whom the kernel kills first."""

from pathlib import Path

from speechhub.worker.victim import FIRST, be_first_victim, be_like_others


def test_what_was_is_put_back(tmp_path):
    """A container's own wish is respected once the worker has work."""
    file = tmp_path / "oom_score_adj"
    file.write_text("-500\n")

    before = be_first_victim(file)
    assert file.read_text() == FIRST
    be_like_others(before, file)

    assert file.read_text() == "-500\n"


def test_system_without_the_file_is_left_alone(tmp_path):
    file = tmp_path / "nowhere" / "oom_score_adj"

    be_like_others(be_first_victim(file), file)

    assert not file.parent.exists()


def test_this_system_takes_the_worst():
    """What is written is what the kernel means: 1000 is the most."""
    ours = Path("/proc/self/oom_score_adj")
    before = be_first_victim()
    try:
        assert ours.read_text().strip() == "1000"
    finally:
        be_like_others(before)
    assert ours.read_text() == before
