"""Limits for each caller: requests per minute, and requests at a time.

A caller is an API key or, where the server has none, a network address. Only work counts: speech,
transcripts and translations, not lists and probes. Uploads of voices count among the requests at a time.
"""

import ipaddress
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from speechhub.errors import RateLimitedError
from speechhub.http.context import context_of
from speechhub.http.facts import RouteTable, Workload

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


def limited(app: ASGIApp, routes: RouteTable, *, per_minute: int, at_a_time: int) -> ASGIApp:
    """Wrap *app*: refuse work from callers beyond their limits, before their body is read.

    Args:
        app: What does the work.
        routes: Which of its routes are work, and which are uploads; of both, POST alone counts. A WebSocket
            counts as one request at a time, for as long as it is open. What is asked over it counts in the
            minute, by the context's ``take``; one too many is let in with the context's ``refusal``, because
            only a message tells its client why.
        per_minute: Requests in a minute for each caller; 0 for no limit.
        at_a_time: Requests at a time for each caller; 0 for no limit.

    Raises:
        RateLimitedError: From the wrapped application.
    """
    rate = RateLimiter(per_minute) if per_minute else None
    slots = ConcurrencyLimiter(at_a_time) if at_a_time else None
    is_busy = routes.where("POST", lambda facts: facts.workload is not Workload.LIGHT)
    is_work = routes.where("POST", lambda facts: facts.workload is Workload.ENGINE)

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        opens_socket = scope["type"] == ScopeType.WEBSOCKET
        if not (opens_socket or _posts(scope, is_busy)):
            await app(scope, receive, send)
            return
        caller, context = caller_of(scope), context_of(scope)
        if opens_socket and rate:
            context.take = lambda: _take(rate, caller_of(scope), scope)
        if slots and not slots.enter(caller):
            refusal = RateLimitedError(
                f"You already have {slots.limit} requests running, which is the limit. Wait for one to end."
            )
            if not opens_socket:
                raise refusal
            context.refusal = refusal
            await app(scope, receive, send)
            return
        try:
            if rate and _posts(scope, is_work):
                _take(rate, caller, scope)
            await app(scope, receive, send)
        finally:
            if slots:
                slots.leave(caller)

    return wrapped


def _take(rate: RateLimiter, caller: str, scope: Scope) -> None:
    quota = rate.take(caller)
    context_of(scope).headers |= quota.headers()
    if quota.retry_after_s:
        raise RateLimitedError(
            f"Rate limit reached: {quota.limit} requests per minute. "
            f"Try again in {duration_text(quota.retry_after_s)}.",
            retry_after_s=quota.retry_after_s,
        )


def caller_of(scope: Scope) -> str:
    """Return the caller: the number of its API key, or else its network."""
    number = context_of(scope).key
    return f"key {number}" if number else network_of(scope)


def network_of(scope: Scope) -> str:
    """Return where a request comes from: an address, for IPv6 the network around it."""
    client = scope.get("client")
    return _network(client[0]) if client else "unknown"


@lru_cache
def _network(host: str) -> str:
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


def _posts(scope: Scope, wanted: Callable[[str], bool]) -> bool:
    return scope["type"] == ScopeType.HTTP and scope["method"] == "POST" and wanted(scope["path"])
