"""Client secrets: short-lived keys that a program with a real key makes for a page or an app of its users.

Only digests are kept, in memory: a restart of the server makes all of them invalid. A secret opens WebSockets
and nothing else, and carries the configuration of the session that it is for. Where several hubs answer at
one address, each learns what another made, because the socket may reach any of them.
"""

import math
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec

from speechhub.errors import RateLimitedError
from speechhub.services.replicas import SharedSecret

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


class ClientSecrets:
    """The valid client secrets; one for the life of the application."""

    def __init__(self, *, clock: Callable[[], float] = time.time, at_a_time: int = AT_A_TIME) -> None:
        self._clock = clock
        self._at_a_time = at_a_time
        self._known: dict[bytes, SharedSecret] = {}

    def __len__(self) -> int:
        return len(self._known)

    def create(
        self, session: object, seconds: int = DEFAULT_S, *, key: int | None = None
    ) -> tuple[str, SharedSecret]:
        """Make a secret; return it, and what the other hubs at this address need to `learn` of it.

        Args:
            session: What its session starts with.
            seconds: How long it is valid: `SHORTEST_S` to `LONGEST_S`; the caller has checked that.
            key: Number of the API key that asks for it, whose limits its sessions count for.

        Raises:
            RateLimitedError: Too many secrets are valid, or their sessions take too much memory.
        """
        value = PREFIX + secrets.token_hex(16)
        made = SharedSecret(
            digest=_digest(value.encode()),
            session=session,
            key=key,
            expires_at=math.ceil(self._clock()) + seconds,
            size_bytes=len(msgspec.json.encode(session)),
        )
        self.learn(made)
        return value, made

    def learn(self, secret: SharedSecret) -> None:
        """Accept a secret from now on, which perhaps another hub made; one that is known stays as it is.

        Raises:
            RateLimitedError: Too many secrets are valid, or their sessions take too much memory.
        """
        if secret.digest in self._known:
            return
        now = self._clock()
        if self._is_full(secret.size_bytes):
            self._known = {digest: it for digest, it in self._known.items() if it.expires_at > now}
        if self._is_full(secret.size_bytes):
            first = min(it.expires_at for it in self._known.values())
            raise RateLimitedError(
                f"{len(self._known)} client secrets are valid, and there is no room for another. Wait until "
                "the first expires.",
                retry_after_s=first - now,
            )
        self._known[secret.digest] = secret

    def valid(self) -> list[SharedSecret]:
        """Return all that have not expired, for a hub that has just come to this address."""
        now = self._clock()
        return [it for it in self._known.values() if it.expires_at > now]

    def _is_full(self, more_bytes: int) -> bool:
        """Return whether another session, of so many bytes, would be too much."""
        taken_bytes = sum(it.size_bytes for it in self._known.values())
        return len(self._known) >= self._at_a_time or taken_bytes + more_bytes > MOST_BYTES

    def find(self, value: bytes) -> SharedSecret | None:
        """Return what is known of a secret; None if it is wrong or has expired."""
        digest = _digest(value)
        found = self._known.get(digest)
        if found is not None and found.expires_at <= self._clock():
            del self._known[digest]
            return None
        return found


def _digest(value: bytes) -> bytes:
    return sha256(value).digest()
