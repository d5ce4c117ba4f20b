"""GET /health, /health/live and /health/ready."""

from typing import Annotated, Final

from litestar import Controller, get
from litestar.di import NamedDependency

from speechhub.errors import ShuttingDownError
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.facts import FACTS, RouteFacts
from speechhub.http.health import server_health
from speechhub.http.openapi.content import health_content
from speechhub.http.openapi.described import DESCRIBED, OWN, Described
from speechhub.http.replicas import PARAMETER, check_replica
from speechhub.http.schemas.health import Health, Status
from speechhub.hub import Hub

PROBE: Final = RouteFacts(is_open=True, is_probe=True, is_quiet=True)


class HealthController(Controller):
    """Signs of life, for probes and for people."""

    path = "/health"
    tags = (OWN,)

    @get(
        summary="Report what the server is doing",
        opt={FACTS: PROBE, DESCRIBED: Described(errors=("400", "404"), content=health_content)},
    )
    async def get_health(
        self,
        request: HttpRequest,
        hub: NamedDependency[Hub],
        replica: Annotated[str | None, PARAMETER] = None,
    ) -> Health | Status:
        """Report what the server is doing, at once, whatever the engines do.

        Where the server has API keys, a request without one gets only the status. Only operators get
        warnings, and the paths in error messages.
        """
        context = context_of(request)
        if not context.trusted:
            return Status(status="degraded" if hub.observation.stalled() else "ok")
        await check_replica(replica, hub.replicas)
        return server_health(hub, await hub.replicas.names(), operator=context.operator)

    @get("/live", summary="Report that the process is alive", opt={FACTS: PROBE})
    async def get_live(self) -> Status:
        """Report that the process is alive; needs no API key."""
        return Status()

    @get(
        "/ready",
        summary="Report whether the server accepts work",
        opt={FACTS: PROBE, DESCRIBED: Described(errors=("503",))},
    )
    async def get_ready(self, hub: NamedDependency[Hub]) -> Status:
        """Report whether the server accepts work: 503 once it was asked to stop; needs no API key."""
        if hub.stopping:
            raise ShuttingDownError
        return Status()
