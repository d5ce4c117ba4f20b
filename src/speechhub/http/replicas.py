"""The query's ``replica``: which of the hubs at one address a request is meant for."""

from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import QueryParameter

from speechhub.errors import ReplicaNeededError, ReplicaNotFoundError
from speechhub.http.context import HUB
from speechhub.services.replicas import Replicas

PARAMETER: Final = QueryParameter(
    annotation=str | None,
    required=False,
    description="Name of the replica that is meant, where several answer at this address, as in `/health`.",
)
PARAMETERS: Final = {"replica": PARAMETER}
"""For the `parameters` of a controller whose routes have the guard `replica_named`."""


async def replica_named(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse to change a random replica, or to answer for another one: a guard of operators' routes."""
    changes = isinstance(handler, HTTPRouteHandler) and "GET" not in handler.http_methods
    name = connection.query_params.get("replica")
    await check_replica(name, connection.app.state[HUB].replicas, required=changes)


async def check_replica(name: str | None, replicas: Replicas, *, required: bool = False) -> None:
    """Check that a request that names a replica, or none, is meant for this hub; one that is alone takes all.

    Raises:
        ReplicaNeededError: It names no replica, and it is *required* to.
        ReplicaNotFoundError: It names another replica, which would have got it if it answered.
    """
    if replicas.name is None or name == replicas.name or not (name or required):
        return
    names = await replicas.names()
    raise ReplicaNotFoundError(name, names) if name else ReplicaNeededError(names)
