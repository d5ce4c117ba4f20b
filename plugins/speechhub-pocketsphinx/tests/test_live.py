"""The engine behind the real server: what a client of the Realtime API reads while a person speaks."""

from itertools import accumulate, pairwise

import numpy as np
import pytest

from speechhub_pocketsphinx import EN_US
from tests.e2e.live import metric
from tests.e2e.realtime import COMPLETED, DELTA, STARTED, STOPPED, ready
from tests.e2e.server import serving

from .test_engine import SAID

RATE = 16_000
WORDS = set(SAID["amiable"].split())
"""Of the clip; the model hears most of them."""
AUDIO = {
    "input": {
        "format": {"type": "audio/pcm", "rate": RATE},
        "transcription": {"model": EN_US.id, "language": "en"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 1_000},
    }
}

pytestmark = pytest.mark.e2e


async def test_text_grows_while_a_person_speaks(tmp_path, clip):
    """Deltas come before the end of the speech, and add to each other; the transcript may correct them."""
    speech = clip("amiable").samples
    with serving(tmp_path, SPEECHHUB_STT_MODEL=EN_US.id, SPEECHHUB_OFFLINE="true") as server:
        async with ready(server.url) as session:
            await session.update(audio=AUDIO)
            await session.append(np.concatenate([speech, np.zeros(2 * RATE, np.float32)]))
            await session.until(COMPLETED)  # the engine is loaded now, whatever that took

            await session.play(np.concatenate([speech, np.zeros(2 * RATE, np.float32)]), rate=RATE)
            done = await session.until(COMPLETED, 2)

        item = {"item_id": done["item_id"]}
        [stopped] = session.all(STOPPED, **item)
        deltas = session.all(DELTA, **item)
        early = deltas[: sum(delta.at_s < stopped.at_s for delta in deltas)]
        grown = list(accumulate(delta["delta"] for delta in early))
        assert session.all(STARTED, **item)
        assert len(grown) >= 2
        assert all(len(later) > len(text) for text, later in pairwise(grown))
        told, heard = grown[-1].split(), done["transcript"].split()
        assert len(told) >= len(heard) // 3
        assert len(set(told) & WORDS) >= len(set(told)) // 2
        assert len(set(heard) & WORDS) >= len(WORDS) // 2
        assert metric(server, "speechhub_live_partials_total", outcome="made") >= 2
