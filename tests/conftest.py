"""Hooks and fixtures of all tests: every module has a category, and coroutines run on asyncio."""

import logging
import socket
import sys
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.generated import WHOLE

settings.register_profile(
    "patient", deadline=None, max_examples=WHOLE
)  # a busy machine is slow: no test is timed
settings.register_profile("quick", deadline=None, max_examples=10)  # nox -s quick
settings.load_profile("patient")

CATEGORIES = ("unit", "http", "system", "worker", "e2e", "docs")
"""The folders of tests; the table in CONTRIBUTING.md says what each holds."""
ALONE = ("unit", "http")
"""Categories whose tests start no process and open no port."""
STARTS = ("subprocess.Popen", "os.fork", "os.posix_spawn")
"""Audit events of a process that starts. Source: Python's audit events table."""
HERE = Path(__file__).parent
running = ""
"""Category of the test that runs; empty between tests."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> None:
    """Refuse a test module that lies outside the category folders."""
    if file_path.name.startswith("test_") and file_path.suffix == ".py":
        category = file_path.relative_to(HERE).parts[0]
        if category not in CATEGORIES:
            raise pytest.UsageError(f"{file_path} has no category; move it to one of {CATEGORIES}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> object:
    """Note the category of the test that runs."""
    global running  # noqa: PLW0603 - an audit hook stays for the life of the process
    running = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
    try:
        return (yield)
    finally:
        running = ""


def refuse(event: str, arguments: tuple) -> None:
    """Fail a test that starts a process or opens a port in a category that has neither.

    `uname` is exempt: `platform` starts it once, for the headers of OpenAI's client.
    """
    if running not in ALONE:
        return
    if event in STARTS and arguments[:1] != ("uname",):
        pytest.fail(f"tests/{running} starts no processes ({event}); move this test to tests/system")
    if event == "socket.bind" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        pytest.fail(f"tests/{running} opens no ports; move this test to tests/system")


sys.addaudithook(refuse)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def logging_put_back():
    """Undo, at the end of the test, what a command in this process does to logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
