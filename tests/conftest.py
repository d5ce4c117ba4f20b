"""Hooks and fixtures of all tests: every module has a category, and coroutines run on asyncio."""

import logging
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
HERE = Path(__file__).parent


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> None:
    """Refuse a test module that lies outside the category folders."""
    if file_path.name.startswith("test_") and file_path.suffix == ".py":
        category = file_path.relative_to(HERE).parts[0]
        if category not in CATEGORIES:
            raise pytest.UsageError(f"{file_path} has no category; move it to one of {CATEGORIES}")


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
