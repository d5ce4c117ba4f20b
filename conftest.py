"""What the hub's tests and those of the plugins share."""

import gc

import hypothesis  # noqa: F401 - it looks for who holds its generators, and would not find what is frozen


def pytest_collection_finish() -> None:
    """Keep the collector out of what lasts: it would look through thousands of tests again and again."""
    gc.collect()
    gc.freeze()
