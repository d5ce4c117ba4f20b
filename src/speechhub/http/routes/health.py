"""GET /health, /health/live and /health/ready."""

from typing import Final

from litestar import Controller, get
from litestar.di import NamedDependency

from speechhub.errors import ShuttingDownError
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.facts import FACTS, RouteFacts
from speechhub.http.health import server_health
from speechhub.http.openapi.content import health_content
from speechhub.http.openapi.described import DESCRIBED, OWN, Described
from speechhub.http.schemas.health import Health, Status
from speechhub.hub import Hub

PROBE: Final = RouteFacts(is_open=True, is_probe=True, is_quiet=True)


class HealthController(Controller):
    """Signs of life, for probes and for people."""

    path = "/health"
    tags = (OWN,)

    @get(
        summary="Tell what the server is doing",
        opt={FACTS: PROBE, DESCRIBED: Described(content=health_content)},
    )
    async def get_health(self, request: HttpRequest, hub: NamedDependency[Hub]) -> Health | Status:
        """Tell what the server is doing; answers at once, whatever the engines do.

        Where the server has API keys, a request without one is told its status, and nothing else. Warnings,
        and the paths in what failed, are for operators.
        """
        context = context_of(request)
        if not context.trusted:
            return Status(status="degraded" if hub.observation.stalled() else "ok")
        return server_health(hub, operator=context.operator)

    @get("/live", summary="Tell that the process answers", opt={FACTS: PROBE})
    async def get_live(self) -> Status:
        """Answer as long as the process can answer; needs no API key."""
        return Status()

    @get(
        "/ready",
        summary="Tell whether the server takes work",
        opt={FACTS: PROBE, DESCRIBED: Described(errors=("503",))},
    )
    async def get_ready(self, hub: NamedDependency[Hub]) -> Status:
        """Tell whether the server takes work: 503 from the moment it is asked to stop; needs no API key."""
        if hub.stopping:
            raise ShuttingDownError
        return Status()
