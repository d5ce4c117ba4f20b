"""Cuts speech to what a frame carries.

Standard library and numpy only: the worker imports this module, in any Python environment.
"""

from collections.abc import Iterator
from typing import Final

from speechhub.domain.audio import Audio
from speechhub.errors import EngineError

MAX_CHUNK_SAMPLES: Final = 4 * 1024**2
"""Longer audio (16 MiB) crosses in several chunks, far below the limit of a frame."""


def split(audio: Audio) -> Iterator[Audio]:
    """Yield *audio* in pieces that a frame can carry; at least one.

    Raises:
        EngineError: It is something else: engines yield what they like.
    """
    if not isinstance(audio, Audio):
        raise EngineError(f"The engine yielded a {type(audio).__name__} where Audio belongs.")
    if audio.sample_rate < 1:
        raise EngineError(f"The engine yielded audio with a sample rate of {audio.sample_rate!r} Hz.")
    for first in range(0, max(len(audio.samples), 1), MAX_CHUNK_SAMPLES):
        yield Audio(samples=audio.samples[first : first + MAX_CHUNK_SAMPLES], sample_rate=audio.sample_rate)
