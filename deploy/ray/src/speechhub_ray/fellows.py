"""The replicas of a deployment, as one of their hubs asks them."""

import asyncio
import math
from collections.abc import Sequence
from contextvars import Context
from typing import Any, Final

import structlog
from ray import serve

from speechhub.errors import RateLimitedError
from speechhub.services.replicas import SharedSecret
from speechhub_ray.exposition import gathered

log = structlog.get_logger()

NAMES_S: Final = 2.0
"""How long the replicas' names are taken to be right."""
FRESH_S: Final = 0.5
"""How long a request waits for fresh names."""
ANSWER_S: Final = 2.0
"""How long the others may take to answer."""


class Fellows:
    """Implements the hub's `Replicas` by calls of Ray's to every replica."""

    def __init__(self, name: str) -> None:
        """Ask nothing yet.

        Args:
            name: That of the replica in this process.
        """
        self.name: str | None = name
        self._handle: Any = None
        self._names: list[str] = []
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = -math.inf

    async def names(self) -> Sequence[str]:
        """Return the names of all replicas that answer, in order.

        They are up to `NAMES_S` old; older, if not all answer within `FRESH_S`: a replica that hangs must not
        hold up the health of the others.
        """
        now = asyncio.get_running_loop().time()
        if (self._looking is None or self._looking.done()) and now - self._looked_at >= NAMES_S:
            self._looked_at = now
            # In a context of its own: its lines in the log are not those of the request that asked first.
            self._looking = asyncio.create_task(self._look(), context=Context())
        if self._looking is not None and not self._looking.done():
            await asyncio.wait({self._looking}, timeout=FRESH_S if self._names else None)
        return self._names

    async def _look(self) -> None:
        answered, _ = await self._ask("named")
        self._names = sorted({str(self.name), *answered})

    async def metrics(self, own: bytes) -> bytes:
        """Return the metrics of all replicas that answer; those of this one are *own*."""
        answered, _ = await self._ask("metrics")
        return gathered(dict(sorted([*answered, (str(self.name), own)])))

    async def secrets(self) -> list[SharedSecret]:
        """Return the client secrets that any of the others knows; for a replica that joins them."""
        answered, _ = await self._ask("secrets")
        return [secret for secrets in answered for secret in secrets]

    async def share(self, secret: SharedSecret) -> None:
        """Tell all replicas of a client secret; one that does not answer will not know it.

        Raises:
            RateLimitedError: One of them has no room for it.
        """
        _, failed = await self._ask("learn", secret)
        for error in failed:
            if isinstance(error, RateLimitedError):
                raise error

    async def _ask(self, method: str, *arguments: object) -> tuple[list[Any], list[BaseException]]:
        """Call a method of all replicas; return the answers that come in time, and the errors of others."""
        if self._handle is None:
            context = serve.get_replica_context()
            self._handle = serve.get_deployment_handle(context.deployment, context.app_name)
        # Not `results_async`: one replica that hangs would cost the answers of all others.
        found = self._handle.broadcast(method, *arguments)._fetch_replica_results_async()  # noqa: SLF001
        try:
            calls = await asyncio.wait_for(found, ANSWER_S)
        except TimeoutError:  # none serves yet
            return [], []
        asked = [asyncio.ensure_future(call.get_async()) for call in calls]
        if not asked:
            return [], []
        done, late = await asyncio.wait(asked, timeout=ANSWER_S)
        for call in late:
            call.cancel()
        failed = [error for call in done if (error := call.exception()) is not None]
        if late or failed:
            problem = str(failed[0]) if failed else f"no answer within {ANSWER_S:g} s"
            log.warning(
                "replicas did not answer", asked=method, missing=len(late) + len(failed), error=problem
            )
        return [call.result() for call in done if call.exception() is None], failed
