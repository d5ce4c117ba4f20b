"""Ray Serve's request router around the policy: sends each request where its engine already is.

Ray calls its interface for routers alpha; what is used of it is in this module, and ``ray`` is pinned to the
release that it was tested with.
"""

import logging
import pickle
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica

from speechhub_ray.direction import wish_of
from speechhub_ray.policy import Dispatcher, Wish

log = logging.getLogger("ray.serve")  # which Ray writes to the log of this proxy

ANYWHERE: Final = Wish(slot=None, holds_engine=False)
MOST_OPEN: Final = 100_000
"""Requests that are remembered until they end; Ray reports each end, so that more of them would be a leak."""


class HomesRouter(RequestRouter):  # type: ignore[misc]  # Ray has no types here
    """Ranks the replicas for each request by `Dispatcher`; one for each proxy and each handle."""

    def initialize_state(self, settle_s: float) -> None:
        """Take the deployment's ``request_router_kwargs``.

        Args:
            settle_s: As for `Dispatcher`.
        """
        self._dispatcher = Dispatcher(settle_s=settle_s)
        self._known: dict[str, Any] = {}
        """Replica → the statistics that the dispatcher has seen."""
        self._open: OrderedDict[str, tuple[str, Wish, object]] = OrderedDict()
        """Internal id of a request → its replica, what it asks for, and the dispatcher's token."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Return the replicas for a request, the best first, each in a rank of its own."""
        if pending_request is None:
            return [candidate_replicas]
        try:
            return self._ranked(candidate_replicas, pending_request)
        except Exception:  # Ray would leave the request waiting for ever
            log.exception("a request could not be ranked; any replica may answer it")
            return [candidate_replicas]

    async def _choose_replica_for_request(
        self, pending_request: PendingRequest, *, is_retry: bool = False
    ) -> RunningReplica:
        """Let Ray choose, and count the request where it goes, or not at all if it is given up before.

        Of requests that their clients give up before they were sent, Ray reports no end.
        """
        number = pending_request.metadata.internal_request_id
        try:
            chosen = await super()._choose_replica_for_request(pending_request, is_retry=is_retry)
        except BaseException:
            self._forget(number, time.monotonic())
            raise
        finally:
            # Ray's own index of models; only its mixin for multiplexing, which is not used here, empties it.
            self._pending_requests_by_model_id.clear()
        counted, name = self._open.get(number), chosen.replica_id.unique_id
        if counted is not None and counted[0] != name:
            self._count(number, name, counted[1], time.monotonic())
        return chosen

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """Count a request no more; it may be on its way to another replica, after this one was lost."""
        counted = self._open.get(internal_request_id)
        if counted is not None and counted[0] == replica_id.unique_id:
            self._forget(internal_request_id, time.monotonic())

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Take in what Ray says of the replicas, when it says it: a report that is late must look late."""
        super().update_replicas(replicas)
        try:
            self._take_in(replicas, time.monotonic())
        except Exception:
            log.exception("a report could not be read")

    def _ranked(
        self, replicas: list[RunningReplica], pending_request: PendingRequest
    ) -> list[list[RunningReplica]]:
        now = time.monotonic()
        self._take_in(replicas, now)
        wish = wish_of_request(pending_request)
        by_name = {replica.replica_id.unique_id: replica for replica in replicas}
        ranked = [name for name in self._dispatcher.rank(wish, now) if name in by_name]
        if ranked and not pending_request.future.done():
            # Counted at once: other requests are ranked before Ray has sent this one.
            self._count(pending_request.metadata.internal_request_id, ranked[0], wish, now)
        return [[by_name[name]] for name in ranked] or [replicas]

    def _forget(self, number: str, now: float) -> None:
        if (counted := self._open.pop(number, None)) is not None:
            self._dispatcher.done(counted[2], now)

    def _count(self, number: str, replica: str, wish: Wish, now: float) -> None:
        self._forget(number, now)
        if len(self._open) >= MOST_OPEN:
            self._forget(next(iter(self._open)), now)
        self._open[number] = (replica, wish, self._dispatcher.sent(replica, wish, now))

    def _take_in(self, replicas: Sequence[RunningReplica], now: float) -> None:
        names = [replica.replica_id.unique_id for replica in replicas]
        if names != list(self._known):
            self._dispatcher.replicas(names, now)
            self._known = {name: self._known.get(name) for name in names}
        for replica in replicas:
            stats, name = replica.routing_stats, replica.replica_id.unique_id
            if stats and stats != self._known[name]:
                self._known[name] = stats
                self._dispatcher.report(name, stats, now)


def wish_of_request(request: PendingRequest) -> Wish:
    """Return what a request from a proxy asks for; calls of a handle's methods may go anywhere."""
    if not request.metadata.is_http_request or not request.args:
        return ANYWHERE
    head = request.args[0]
    scope = pickle.loads(head).asgi_scope if isinstance(head, bytes) else head.asgi_scope  # noqa: S301 - the proxy's
    return wish_of(
        scope["path"],
        scope.get("query_string", b""),
        scope.get("headers", ()),
        method=scope.get("method", ""),
        socket=scope["type"] == "websocket",
    )
