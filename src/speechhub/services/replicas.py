"""Replicas: the hubs that answer at one address, and what one of them tells the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecret:
    """What is known of one client secret, which all replicas accept."""

    digest: bytes
    """Of the secret, which is not kept and is never sent from one replica to another."""
    session: object
    """What a socket's session starts with; it can be pickled."""
    key: int | None
    """Number of the API key that made it; all replicas have the same keys."""
    expires_at: int
    """In seconds since 1970."""
    size_bytes: int
    """Of the session, as JSON."""


class Replicas(Protocol):
    """The hubs that answer at one address, this one among them; a client reaches any of them."""

    @property
    def name(self) -> str | None:
        """This hub's name among them; None for a hub that is alone."""
        ...

    async def names(self) -> Sequence[str]:
        """Return the names of all that answer now, without delay; none for a hub that is alone."""
        ...

    async def metrics(self, own: bytes) -> bytes:
        """Return all their metrics, with the label replica; *own* is this hub's, in Prometheus' format."""
        ...

    async def share(self, secret: SharedSecret) -> None:
        """Tell the others of a client secret; return when they know it.

        Raises:
            RateLimitedError: One of them has no room for it.
        """
        ...


class Alone:
    """A hub that answers at its address by itself."""

    name: str | None = None

    async def names(self) -> Sequence[str]:
        """Return none."""
        return ()

    async def metrics(self, own: bytes) -> bytes:
        """Return this hub's metrics as they are."""
        return own

    async def share(self, secret: SharedSecret) -> None:
        """Do nothing: no other hub needs to know."""
