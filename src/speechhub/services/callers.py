"""Callers, and what each of them may do: requests per minute, and requests at a time.

A caller is an API key or, where the server has none, a network address. Only work counts: speech,
transcripts and translations, not lists and probes. Uploads of voices count among the requests at a time.
"""

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from speechhub.errors import RateLimitedError

MINUTE_S: Final = 60.0
MAX_CALLERS: Final = 10_000
"""Callers that are remembered at a time: some 2 MB, however many addresses there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a caller has left after a request."""

    limit: int
    """Requests in a minute."""
    remaining: int
    """Requests that it may still make at once."""
    reset_s: float
    """Until it may make *limit* requests at once again."""
    retry_after_s: float = 0.0
    """Until it may ask again; 0 if this request is let in."""

    def headers(self) -> dict[str, str]:
        """Return what OpenAI's clients read."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": duration_text(self.reset_s),
        }


class RateLimiter:
    """Lets each caller make so many requests a minute, at once or spread; lives as long as the application.

    One number for each caller, the time at which its bucket will be full again. Source: the generic cell
    rate algorithm, ITU-T I.371, annex A.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_callers: int = MAX_CALLERS,
    ) -> None:
        self._limit = per_minute
        self._clock = clock
        self._max_callers = max_callers
        self._full_at: dict[str, float] = {}

    def take(self, caller: str) -> Quota:
        """Take one request from the caller's bucket, if it has one."""
        now, step_s = self._clock(), MINUTE_S / self._limit
        wait_s = max(now, self._full_at.get(caller, now)) + step_s - now
        if wait_s > MINUTE_S + 1e-9:
            return Quota(
                limit=self._limit, remaining=0, reset_s=wait_s - step_s, retry_after_s=wait_s - MINUTE_S
            )
        if caller not in self._full_at and len(self._full_at) >= self._max_callers:
            self._forget(now)
        self._full_at[caller] = now + wait_s
        remaining = int((MINUTE_S - wait_s) / step_s + 1e-9)
        return Quota(limit=self._limit, remaining=remaining, reset_s=wait_s)

    def _forget(self, now: float) -> None:
        """Forget full buckets, and then the fullest of the rest; rarely needed, so it may be slow."""
        busy = sorted(((at, caller) for caller, at in self._full_at.items() if at > now), reverse=True)
        self._full_at = {caller: at for at, caller in busy[: self._max_callers // 2]}


class ConcurrencyLimiter:
    """Lets each caller have so many requests at a time; it remembers only callers that have some."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._running: Counter[str] = Counter()

    def enter(self, caller: str) -> bool:
        """Take a slot; return whether one was free. A caller that got one must `leave`."""
        if self._running[caller] >= self.limit:
            return False
        self._running[caller] += 1
        return True

    def leave(self, caller: str) -> None:
        """Give the slot back."""
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]


class Callers:
    """The limits of all callers, over every protocol; one object for the life of the server."""

    def __init__(self, *, per_minute: int, at_a_time: int) -> None:
        """Begin without callers.

        Args:
            per_minute: Requests in a minute for each caller; 0 for no limit.
            at_a_time: Requests at a time for each caller; 0 for no limit.
        """
        self._rate = RateLimiter(per_minute) if per_minute else None
        self._slots = ConcurrencyLimiter(at_a_time) if at_a_time else None

    def take(self, caller: str, *, note: Callable[[Quota], None] = lambda _: None) -> None:
        """Count one request of a caller in its minute.

        Args:
            caller: A key's number, or what `caller_at` returns.
            note: Told what the caller has left, where there is a limit.

        Raises:
            RateLimitedError: It made too many.
        """
        if self._rate is None:
            return
        quota = self._rate.take(caller)
        note(quota)
        if quota.retry_after_s:
            raise RateLimitedError(
                f"Rate limit reached: {quota.limit} requests per minute. "
                f"Try again in {duration_text(quota.retry_after_s)}.",
                retry_after_s=quota.retry_after_s,
            )

    @contextmanager
    def running(self, caller: str) -> Iterator[None]:
        """Count a request of a caller among those that run, while the block lasts.

        Raises:
            RateLimitedError: Too many of them run.
        """
        if self._slots is None:
            yield
            return
        if not self._slots.enter(caller):
            raise RateLimitedError(
                f"You already have {self._slots.limit} requests running, which is the limit. "
                "Wait for one to end."
            )
        try:
            yield
        finally:
            self._slots.leave(caller)


@lru_cache
def caller_at(host: str) -> str:
    """Return the caller at an address; one of IPv6 stands for the network around it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:  # noqa: PLR2004
        return str(address)
    # One subscriber has a whole /64 and could change the address with every request.
    return str(ipaddress.ip_network((address, 64), strict=False))


def duration_text(duration_s: float) -> str:
    """Return a duration as OpenAI writes it: ``6ms``, ``1s``, ``6m0s``; never shorter than it is."""
    milliseconds = math.ceil(round(duration_s * 1000, 6))
    if milliseconds < 1000:  # noqa: PLR2004
        return f"{milliseconds}ms"
    minutes, seconds = divmod(math.ceil(milliseconds / 1000), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
