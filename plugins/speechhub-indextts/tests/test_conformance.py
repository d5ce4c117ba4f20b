"""Both generations keep the promises of speechhub.engine."""

import pytest

from speechhub.engine.testing import check_tts_engine
from speechhub_indextts import ENGINE

from .conftest import QUICK


@pytest.mark.mission("6.1")
@pytest.mark.parametrize("generation", ["2", "2.5"])
def test_it_keeps_its_promises(checkpoints, generation, monkeypatch):
    """All checks of the kit pass, on the tiny checkpoints."""
    monkeypatch.setattr("speechhub_indextts.model.MAX_THREADS", 1)  # see conftest.py

    check_tts_engine(
        ENGINE,
        model=f"indextts-{generation}",
        model_dir=checkpoints(generation),
        options=QUICK | {"segment_tokens": 30 if generation == "2" else 60},
    )
