"""Measures how long engines work, without the time that the listener takes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

from speechhub.metrics import Metrics

T = TypeVar("T")


async def timed(
    pieces: AsyncGenerator[T, None], metrics: Metrics, model: str, audio_s: Callable[[T], float]
) -> AsyncGenerator[T, None]:
    """Yield *pieces*; once they have ended well, record how long they took for how much audio.

    Args:
        pieces: What an engine yields; closed with this generator.
        metrics: Takes the record; also that the client left before the end.
        model: Its id.
        audio_s: Seconds of audio that a piece stands for.
    """
    took_s = heard_s = 0.0
    ended = False
    try:
        async with aclosing(pieces):
            while True:
                began = time.perf_counter()
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    ended = True
                    break
                finally:
                    took_s += time.perf_counter() - began
                heard_s += audio_s(piece)
                yield piece
    except (asyncio.CancelledError, GeneratorExit):
        if not ended:
            metrics.cancelled("running")
        raise
    metrics.ran(model, audio_s=heard_s, took_s=took_s)
