"""Hypothesis is as patient as in the hub's tests: a busy machine is slow, so no case is timed."""

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def anyio_backend():
    """Coroutines run on asyncio, as the hub does."""
    return "asyncio"
