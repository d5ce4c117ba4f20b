"""Progress where there is no terminal: lines, not too many, each with bytes, total and speed."""

import pytest

from speechhub.cli._progress import ProgressLines, progress

MB = 1_000_000


class Clock:
    """Seconds that pass when they are told to."""

    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(clock):
    return ProgressLines("model", clock)


def after(lines, clock, seconds, done_mb, total_mb=1000, fetched_mb=None):
    clock.now_s += seconds
    total = None if total_mb is None else total_mb * MB
    fetched = done_mb if fetched_mb is None else fetched_mb
    return lines.advance(done_mb * MB, total, fetched_bytes=fetched * MB)


@pytest.mark.mission("14.7")
def test_a_line_every_five_seconds(lines, clock):
    """However slow it is; with what is left at this speed."""
    assert after(lines, clock, 4.9, 10) is None
    assert after(lines, clock, 0.1, 20) == "model: 20 MB of 1.0 GB, 2%, 4.0 MB/s, 4 min left"
    assert after(lines, clock, 4.9, 30) is None
    assert after(lines, clock, 0.1, 40) == "model: 40 MB of 1.0 GB, 4%, 4.0 MB/s, 4 min left"


def test_a_line_for_each_tenth(lines, clock):
    """Of a fast download, a second apart at least."""
    assert after(lines, clock, 1, 99) is None
    assert after(lines, clock, 0.5, 100) == "model: 100 MB of 1.0 GB, 10%, 67 MB/s, 14 s left"
    assert after(lines, clock, 0.9, 300) is None
    assert after(lines, clock, 0.1, 300) == "model: 300 MB of 1.0 GB, 30%, 200 MB/s, 4 s left"


def test_without_a_total(lines, clock):
    """What is there and how fast it comes."""
    assert after(lines, clock, 2, 500, None) is None
    assert after(lines, clock, 3, 600, None) == "model: 600 MB, 120 MB/s"


def test_what_an_earlier_pull_brought_is_no_speed(lines, clock):
    """It counts as done, and not as fetched."""
    assert after(lines, clock, 5, 510, fetched_mb=10) == "model: 510 MB of 1.0 GB, 51%, 2.0 MB/s, 4 min left"


def test_nothing_comes(lines, clock):
    """A stalled download is told as such."""
    assert after(lines, clock, 5, 0) == "model: 0 B of 1.0 GB, 0%, 0 B/s"


def test_the_end(lines, clock):
    """The last line has the mean speed; what was there already ends without one."""
    assert lines.end() is None
    after(lines, clock, 4, 1000)
    assert lines.end() == "model: 1.0 GB of 1.0 GB, 100%, 250 MB/s"


def test_a_pipe_gets_lines(capsys):
    """On standard error, with what is waited for among them."""
    with progress("model") as show:
        show(0, 2000, fetched_bytes=0, waiting="the hub is busy")
        show(2000, 2000, fetched_bytes=2000)

    told = capsys.readouterr()
    first, last = told.err.splitlines()
    assert first == "model: the hub is busy"
    assert last.startswith("model: 2.0 kB of 2.0 kB, 100%, ")
    assert told.out == ""
