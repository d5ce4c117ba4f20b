"""Hooks of all tests, those of the plugins included."""

import gc

import hypothesis  # noqa: F401 - it asks the collector which objects refer to its generators; frozen ones are missing there


def pytest_collection_finish() -> None:
    """Freeze what lasts: the collector would search thousands of test items again and again."""
    gc.collect()
    gc.freeze()
