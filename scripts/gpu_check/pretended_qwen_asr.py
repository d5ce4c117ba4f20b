"""Qwen3-ASR on a pretended card; the factory that a worker imports."""

import os
from typing import Any
from unittest.mock import patch

from gpu_check.pretended import NO_WORK, on_pretended_card
from speechhub.engine import LoadContext
from speechhub_qwen_asr.engine import QwenAsrEngine
from speechhub_qwen_asr.recognizer import Recognizer


class PretendedEngine(on_pretended_card(QwenAsrEngine)):  # type: ignore[misc]  # made at run time
    """Warms up only where the card is not there to be timed."""

    def load(self, context: LoadContext) -> None:
        """Load; a full-size network would warm up for long on a CPU, which says nothing of a card."""
        if os.environ.get(NO_WORK):
            with patch.object(Recognizer, "hear", _say_nothing):
                super().load(context)
        else:
            super().load(context)


def _say_nothing(*_: Any) -> list[Any]:
    return []
