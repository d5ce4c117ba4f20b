"""What is logged, and what never is."""

import errno
import io
import json
import logging

import pytest
import structlog

from speechhub.log import configure_logging


class Failing(io.StringIO):
    """A stream whose every operation fails with one error."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    def write(self, text):
        raise self._error

    def flush(self):
        raise self._error

    def isatty(self):
        raise self._error


UNWRITABLE = {
    "no reader": lambda: Failing(BrokenPipeError(errno.EPIPE, "Broken pipe")),
    "full": lambda: Failing(OSError(errno.ENOSPC, "No space left on device")),
    "gone": lambda: Failing(OSError(errno.EIO, "Input/output error")),
    "closed": lambda: Failing(ValueError("I/O operation on closed file")),
}


def fail(spoken):
    raise RuntimeError("a bug of ours")


@pytest.mark.mission("2.6")
@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_tracebacks_hold_no_local_variables(logging_put_back, capsys, style, by):
    """A bug is logged with its traceback, without what the functions on the way had in hand."""
    configure_logging("info", style)

    try:
        fail(spoken="my pin is 4711")
    except RuntimeError:
        if by == "structlog":
            structlog.get_logger().exception("unexpected error")
        else:
            logging.getLogger("library").exception("unexpected error")

    said = capsys.readouterr().err
    assert "unexpected error" in said
    assert "a bug of ours" in said
    assert "4711" not in said.replace('fail(spoken="my pin is 4711")', ""), "the source line alone may tell"


@pytest.mark.scenario("long-value")
@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_lines_are_bounded(logging_put_back, capsys, style, by):
    """Whatever a value is, its line can be read and kept."""
    configure_logging("info", style)
    long = "x" * 10_000_000

    if by == "structlog":
        nested = {"a": {"b": {"c": {"d": [long]}}}}
        structlog.get_logger().warning(
            "long", text=long, many=[long] * 1000, nested=nested, number=10**5000, raw=long.encode()
        )
    else:
        logging.getLogger("library").warning("long %s", long)

    said = capsys.readouterr().err
    assert "long" in said
    assert len(said) < 1_000_000
    assert "(10000000 characters)" in said or by == "logging"


@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.parametrize("lost", UNWRITABLE)
def test_a_line_that_cannot_be_written_is_lost(logging_put_back, monkeypatch, style, lost):
    """What is logged never fails the work that it tells of."""
    monkeypatch.setattr("sys.stderr", UNWRITABLE[lost]())
    configure_logging("info", style)

    structlog.get_logger().info("stopping")
    logging.getLogger("library").warning("stopping")


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_value_moves_no_cursor(logging_put_back, capsys, style):
    """A path with control characters is written out; it neither clears the terminal nor forges a line."""
    configure_logging("info", style)

    structlog.get_logger().info("request", path="/\x1b[2J\r\x07\u202e\nforged")

    said = capsys.readouterr().err
    assert not set("\x1b\r\x07\u202e") & set(said.replace("\x1b[0m", ""))
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_labels_are_on_every_line(logging_put_back, capsys, by):
    """One of several processes names itself in each line, also in those of libraries; a line's value wins."""
    configure_logging("info", "json", labels={"replica": "a", "model": "none"})

    if by == "structlog":
        structlog.get_logger().info("engine ready", model="ears")
    else:
        logging.getLogger("library").warning("late")

    said = json.loads(capsys.readouterr().err)
    assert said["replica"] == "a"
    assert said["model"] == ("ears" if by == "structlog" else "none")
