"""The engine keeps the promises of speechhub.engine."""

import pytest

from speechhub.engine.testing import check_stt_engine
from speechhub_qwen_asr import ENGINE

from .conftest import tone


@pytest.mark.mission("5.2")
def test_it_keeps_its_promises(checkpoints):
    """All checks of the kit pass, on the tiny checkpoints."""
    options = {"dtype": "float32", "aligner": str(checkpoints("aligner"))}

    check_stt_engine(ENGINE, model_dir=checkpoints("script"), audio=tone(), options=options)
