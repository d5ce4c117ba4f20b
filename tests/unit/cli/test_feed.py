"""What a slow reader gets is taken at once."""

import importlib
import os
import sys
from threading import Event, Thread

import pytest

from speechhub.cli import main
from speechhub.cli._feed import feeding

PIECES = [bytes([number]) * 100_000 for number in range(1, 4)]
"""More than a pipe takes."""
LIMIT_S = 20


@pytest.fixture
def pipe():
    """A pipe's ends: one to read from, one to write to."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb", buffering=0) as sink:
        yield source, sink


@pytest.fixture
def reading(pipe):
    """Read the pipe to its end, but only after an event; say whether that came, and what was read."""
    source, _ = pipe
    go, read = Event(), []
    thread = Thread(target=lambda: read.extend([go.wait(LIMIT_S), source.read(300_000)]))
    thread.start()

    def finished():
        thread.join(LIMIT_S)
        return read

    yield go, finished
    go.set()
    thread.join(LIMIT_S)


def test_nothing_waits_for_the_reader(pipe, reading):
    """All is taken before anything is read, and all of it arrives."""
    go, finished = reading

    with feeding(pipe[1]) as take:
        for piece in PIECES:
            take(piece)
        go.set()

    assert finished() == [True, b"".join(PIECES)]


def test_a_reader_that_left_is_told(pipe):
    """Where the bytes come from, so that no more are made."""
    source, sink = pipe
    source.close()

    def feed_on():
        with feeding(sink) as take:
            while True:
                take(b"1234")

    with pytest.raises(BrokenPipeError):
        feed_on()


def test_speech_on_standard_output_waits_for_nobody(pipe, reading, monkeypatch):
    """Time limits count while it is made, and a player at the other end takes as long as it sounds."""
    go, finished = reading

    def make(text, audio_format, fields, write, *, verbose):
        for piece in PIECES:
            write(piece)
        go.set()

    monkeypatch.setattr(importlib.import_module("speechhub.cli.speak"), "_here", make)
    with os.fdopen(os.dup(pipe[1].fileno()), "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as ended:
            main(["speak", "Hello.", "-o", "-"])
        monkeypatch.undo()

    assert ended.value.code == 0
    assert finished() == [True, b"".join(PIECES)]
