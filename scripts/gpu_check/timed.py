"""Duration of an engine's warm-up, which is part of its load; workers record it for the program."""

import os
import time
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from speechhub.engine import LoadContext

NO_WORK: Final = "PRETENDED_CARD_NO_WORK"
"""Environment variable: engines leave out their warm-up, which a network of full size does for long on a CPU;
that says nothing of a card."""
_NAME: Final = "warm-up-s"
"""Of the file in a model's working directory."""


def timed(kind: Any, owner: Any) -> Any:
    """Return an engine's class as one that writes down how long `warm_up` of *owner* takes in a load."""
    warm_up = owner.warm_up

    class Timed(kind):  # type: ignore[misc]  # known when it is made
        def load(self, context: LoadContext) -> None:
            took_s: list[float] = []

            def watched(this: Any) -> None:
                began = time.monotonic()
                try:
                    warm_up(this)
                finally:
                    took_s.append(time.monotonic() - began)

            with patch.object(owner, "warm_up", _nothing if os.environ.get(NO_WORK) else watched):
                super().load(context)
            if took_s and context.work_dir:
                (context.work_dir / _NAME).write_text(str(sum(took_s)))

    Timed.__name__ = Timed.__qualname__ = f"Timed{kind.__name__}"
    return Timed


def warm_up_s(folder: Path) -> float | None:
    """Return how long the last warm-up took, in seconds, and forget it; None if there was none."""
    file = folder / _NAME
    try:
        return float(file.read_text())
    except FileNotFoundError:
        return None
    finally:
        file.unlink(missing_ok=True)


def _nothing(_: Any) -> None:
    pass
