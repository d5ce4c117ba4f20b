"""Client secrets: short-lived keys that a program with a real key makes for a page or an app of its users.

Only digests are kept, in memory: a restart of the server makes all of them invalid. A secret opens WebSockets
and nothing else, and carries the configuration of the session that it is for.
"""

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from speechhub.errors import RateLimitedError

PREFIX: Final = "ek_"
"""What a secret begins with, as OpenAI's do."""
SHORTEST_S: Final = 10
LONGEST_S: Final = 7200
DEFAULT_S: Final = 600
"""How long a secret may be valid. Source: OpenAI's openapi.yaml, RealtimeCreateClientSecretRequest."""
AT_A_TIME: Final = 10_000
"""Valid secrets that are kept."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""What the sessions of all valid secrets may take, as JSON; most take a few hundred bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """What is known of one secret."""

    session: object
    """What the socket's session starts with."""
    key: int | None
    """Number of the API key that made it."""
    expires_at: float
    """In seconds since 1970."""
    size_bytes: int
    """Of the session, as JSON."""


class ClientSecrets:
    """The valid client secrets; one for the life of the application."""

    def __init__(self, *, clock: Callable[[], float] = time.time, at_a_time: int = AT_A_TIME) -> None:
        self._clock = clock
        self._at_a_time = at_a_time
        self._known: dict[bytes, StoredSecret] = {}

    def __len__(self) -> int:
        return len(self._known)

    def create(self, session: object, seconds: int = DEFAULT_S, *, key: int | None = None) -> tuple[str, int]:
        """Make a secret; return it, and when it expires, in seconds since 1970.

        Args:
            session: What its session starts with.
            seconds: How long it is valid: `SHORTEST_S` to `LONGEST_S`; the caller has checked that.
            key: Number of the API key that asks for it, whose limits its sessions count for.

        Raises:
            RateLimitedError: Too many secrets are valid, or their sessions take too much memory.
        """
        now = self._clock()
        size_bytes = len(msgspec.json.encode(session))
        if self._is_full(size_bytes):
            self._known = {digest: it for digest, it in self._known.items() if it.expires_at > now}
        if self._is_full(size_bytes):
            first = min(it.expires_at for it in self._known.values())
            raise RateLimitedError(
                f"{len(self._known)} client secrets are valid, and there is no room for another. Wait until "
                "the first expires.",
                retry_after_s=first - now,
            )
        value, expires_at = PREFIX + secrets.token_hex(16), math.ceil(now) + seconds
        self._known[_digest(value.encode())] = StoredSecret(
            session=session, key=key, expires_at=expires_at, size_bytes=size_bytes
        )
        return value, expires_at

    def _is_full(self, more_bytes: int) -> bool:
        """Return whether another session, of so many bytes, would be too much."""
        taken_bytes = sum(it.size_bytes for it in self._known.values())
        return len(self._known) >= self._at_a_time or taken_bytes + more_bytes > MOST_BYTES

    def find(self, value: bytes) -> StoredSecret | None:
        """Return what is known of a secret; None if it is wrong or has expired."""
        digest = _digest(value)
        found = self._known.get(digest)
        if found is not None and found.expires_at <= self._clock():
            del self._known[digest]
            return None
        return found


def _digest(value: bytes) -> bytes:
    return sha256(value).digest()
