"""A record of every request and of how it ended, from the clients' side."""

import threading
import time
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """How a request can end."""

    ANSWERED = "answered"
    """A whole answer was read."""
    LEFT = "left"
    """The client went away, as it meant to."""
    BROKE = "broke"
    """The connection ended before the answer did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request that ended."""

    name: str
    """Its ``X-Request-ID``, and so its name in the server's log."""
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
    """Of an error, also of one that came as the last event of a stream."""
    in_stream: bool = False
    """Whether the error came as an event, behind a status of 200."""
    retry_after: bool = False
    detail: str = ""

    @property
    def became(self) -> str:
        """The end in a few words."""
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
        """Write down that a request begins; return the time."""
        with self._lock:
            if name in self._open or name in self._closed:
                self.errors.append(f"{name} began twice")
            self._open[name] = time.monotonic()
            return self._open[name]

    def close(self, entry: Entry) -> None:
        """Write down how a request ended."""
        with self._lock:
            if self._open.pop(entry.name, None) is None:
                self.errors.append(f"{entry.name} ended without having begun, or twice: {entry.became}")
            self._closed[entry.name] = entry

    def unfinished(self) -> list[str]:
        """Return the names of the requests that have not ended."""
        with self._lock:
            return sorted(self._open)

    def entries(self) -> list[Entry]:
        """Return what ended so far, in the order in which it ended."""
        with self._lock:
            return list(self._closed.values())
