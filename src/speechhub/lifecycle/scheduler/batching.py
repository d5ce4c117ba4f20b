"""Selection of the requests that share a call of an engine. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from speechhub.lifecycle.scheduler.served_model import Ticket

MAX_RATIO: Final = 4.0
"""How much longer the longest recording of a call may be than the shortest: engines pad all of them."""


def batch_size(queue: Sequence[Ticket], *, most_recordings: int, audio_s: float) -> int:
    """Return how many tickets, from the head of a queue, share a call; at least the first.

    No ticket is skipped, and the call does not wait for tickets that may still come.

    Args:
        queue: Tickets that wait, in the order in which they will be served; not empty.
        most_recordings: How many recordings one call may carry.
        audio_s: How much audio several tickets may bring together, in seconds.
    """
    lengths_s: list[float] = []
    for count, ticket in enumerate(queue):
        together_s = [*lengths_s, *ticket.recordings_s]
        fits = (
            len(together_s) <= most_recordings
            and sum(together_s) <= audio_s
            and max(together_s, default=0.0) <= MAX_RATIO * min(together_s, default=0.0)
        )
        if count and not (fits and lengths_s and ticket.recordings_s):
            return count
        lengths_s = together_s
    return len(queue)


def calls(queue: Sequence[Ticket], *, most_recordings: int, audio_s: float) -> Iterator[Sequence[Ticket]]:
    """Yield the tickets of a queue as they will share calls, if none comes and none leaves.

    Args:
        queue: As for `batch_size`, without tickets that do not use the engine; may be empty.
        most_recordings: As for `batch_size`.
        audio_s: As for `batch_size`.
    """
    while queue:
        count = batch_size(queue, most_recordings=most_recordings, audio_s=audio_s)
        yield queue[:count]
        queue = queue[count:]
