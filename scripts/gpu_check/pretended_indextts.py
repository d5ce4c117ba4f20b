"""IndexTTS on a pretended card; the factory that a worker imports."""

import os

from gpu_check.pretended import NO_WORK, on_pretended_card
from speechhub_indextts.engine import IndexTtsEngine


class PretendedEngine(on_pretended_card(IndexTtsEngine)):  # type: ignore[misc]  # made at run time
    """Warms up only where the card is not there to be timed."""

    def warm_up(self) -> None:
        """Speak once; a full-size network would do so for long on a CPU, which says nothing of a card."""
        if not os.environ.get(NO_WORK):
            super().warm_up()
