"""Judges whether the end of each request is documented, and explained by what happened."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos.hub import Life
from benchmarks.chaos.ledger import End, Entry

Refusal = tuple[int, str | None]
"""Status and code."""
BUG: Refusal = (500, None)
LATE_S = 65.0
"""Longest time until an engine that could not load is tried again: a fault explains refusals until then."""
GRACE_S = 15.0
"""How long a fault has effects: a stopped worker that continues, a call that is retried, a slow restart."""

WORKERS = frozenset({"worker killed", "worker stopped", "descriptors", "disk full"})
"""Faults that can end a worker, or keep one from loading."""
EXPLAINED_BY: dict[Refusal, tuple[frozenset[str], float]] = {
    (500, "engine_crashed"): (WORKERS, GRACE_S),
    (500, "engine_load_failed"): (WORKERS, GRACE_S),
    (503, "engine_failing"): (WORKERS, LATE_S),
    (503, "engine_switch_timeout"): (WORKERS, GRACE_S),
    (503, "disk_full"): (frozenset({"disk full"}), 0.0),
    (503, "storage_unavailable"): (frozenset({"descriptors", "disk full"}), 0.0),
    (503, "model_files_unavailable"): (frozenset({"disk full", "descriptors"}), GRACE_S),
}
"""Refusals of a server in trouble → the faults that explain them, and for how long after their end."""
TIMEOUT: Refusal = (503, "request_timeout")
ANY_TIME: frozenset[Refusal] = frozenset({(503, "server_is_overloaded"), TIMEOUT, (503, "engine_pinned")})
"""Refusals that a full queue, a slow machine or an operator can cause at any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges entries by the documentation and by what happened meanwhile."""

    documented: set[tuple[int, str, str | None]]
    schema: dict[str, Any]
    """The server's OpenAPI description."""
    during: Callable[[float, float], set[str]]
    lives: Sequence[Life]
    request_timeout_s: float
    """The server's setting: it may not give up a request sooner, unless the request asked for that."""

    def fault(self, entry: Entry, will_do: tuple[Refusal, ...]) -> str | None:
        """Return what is wrong with how a request ended, or None."""
        life = self.lives[entry.life]
        ending = life.ending_s is not None and life.ending_s <= entry.ended_s
        if entry.end is End.LEFT:
            return None
        if entry.end is End.BROKE:
            if entry.detail.startswith("TimeoutError"):
                return "it hung: no data arrived for longer than the server's own limits"
            if ending or self._felt(entry, WORKERS, GRACE_S):
                return None
            return f"nothing explains that it broke off: {entry.detail}"
        if entry.status < 400:
            return None if entry.status == 200 else f"status {entry.status}"
        return self._refusal_fault(entry, will_do, ending=ending)

    def _refusal_fault(self, entry: Entry, will_do: tuple[Refusal, ...], *, ending: bool) -> str | None:
        refusal = entry.status, entry.code
        statuses = self._statuses(entry.method, entry.path)
        wrong = None
        if (entry.status, entry.type, entry.code) not in self.documented or refusal == BUG:
            wrong = f"not documented: {entry.status} {entry.type} {entry.code}"
        elif entry.in_stream:
            wrong = None
        elif statuses is not None and str(entry.status) not in statuses:
            wrong = f"the OpenAPI description lacks {entry.status} for {entry.method} {entry.path}"
        elif entry.status == 503 and entry.code != "model_files_unavailable" and not entry.retry_after:
            wrong = f"without Retry-After: {entry.became}"
        return wrong or self._unexplained(entry, will_do, ending=ending)

    def _unexplained(self, entry: Entry, will_do: tuple[Refusal, ...], *, ending: bool) -> str | None:
        refusal = entry.status, entry.code
        took_s = entry.ended_s - entry.began_s
        if refusal == TIMEOUT and refusal not in will_do and took_s < self.request_timeout_s:
            return f"{entry.became} after {took_s:.1f} s, before its time limit"
        if refusal in will_do or refusal in ANY_TIME:
            return None
        if refusal == (503, "server_shutting_down"):
            return None if ending else f"nothing ended the server: {entry.became}"
        if refusal in EXPLAINED_BY:
            kinds, after_s = EXPLAINED_BY[refusal]
            return None if self._felt(entry, kinds, after_s) else f"nothing explains {entry.became}"
        return f"this request may not get {entry.became}"

    def _felt(self, entry: Entry, kinds: frozenset[str], after_s: float) -> bool:
        return bool(kinds & self.during(entry.began_s - after_s, entry.ended_s))

    def _statuses(self, method: str, path: str) -> set[str] | None:
        """Return the statuses that a route declares; None if it is not in the description."""
        path = path.partition("?")[0]
        for template, methods in self.schema["paths"].items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in methods:
                return set(methods[method.lower()]["responses"])
        return None
