"""A record of every request and how it ended, as the clients saw it."""

import threading
import time
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """How a request can end."""

    ANSWERED = "answered"
    """The whole answer was read."""
    LEFT = "left"
    """The client disconnected on purpose."""
    BROKE = "broke"
    """The connection ended before the answer did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request that ended."""

    name: str
    """Its ``X-Request-ID``, which is also its name in the server's log."""
    kind: str
    method: str
    path: str
    life: int
    """Number of the server's process that it was sent to."""
    began_s: float
    ended_s: float
    end: End
    status: int = 0
    type: str | None = None
    code: str | None = None
    """Code of an error, also of one that came as the last event of a stream."""
    in_stream: bool = False
    """Whether the error came as an event, after a status of 200."""
    retry_after: bool = False
    detail: str = ""

    @property
    def became(self) -> str:
        """The outcome in a few words."""
        if self.end is not End.ANSWERED:
            return f"{self.end}: {self.detail}" if self.detail else str(self.end)
        said = f"{self.status} {self.code or ''}".strip()
        return f"event {said}" if self.in_stream else said


class Ledger:
    """All requests of a run; used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, float] = {}
        self._closed: dict[str, Entry] = {}
        self.errors: list[str] = []
        """Requests that began twice, ended twice or ended without having begun."""

    def open(self, name: str) -> float:
        """Record that a request begins; return the time."""
        with self._lock:
            if name in self._open or name in self._closed:
                self.errors.append(f"{name} began twice")
            self._open[name] = time.monotonic()
            return self._open[name]

    def close(self, entry: Entry) -> None:
        """Record how a request ended."""
        with self._lock:
            if self._open.pop(entry.name, None) is None:
                self.errors.append(f"{entry.name} ended without having begun, or twice: {entry.became}")
            self._closed[entry.name] = entry

    def unfinished(self) -> list[str]:
        """Return the names of the requests that have not ended."""
        with self._lock:
            return sorted(self._open)

    def entries(self) -> list[Entry]:
        """Return the requests that have ended, in the order in which they ended."""
        with self._lock:
            return list(self._closed.values())
