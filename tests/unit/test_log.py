"""What is logged, and what never is."""

import logging

import pytest
import structlog

from speechhub.log import configure_logging


@pytest.fixture
def restored():
    """Logging as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(spoken):
    raise RuntimeError("a bug of ours")


@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_tracebacks_hold_no_local_variables(restored, capsys, style, by):
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
