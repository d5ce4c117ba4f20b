"""GET /metrics."""

from typing import Final

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from speechhub.http.facts import FACTS, RouteFacts
from speechhub.http.openapi.described import DESCRIBED, OWN, Described
from speechhub.hub import Hub

PROMETHEUS: Final = "text/plain; version=0.0.4"
"""The framework adds the charset, as it does to every text."""


class MetricsController(Controller):
    """What the server measures."""

    path = "/metrics"
    tags = (OWN,)

    @get(
        media_type="text/plain",
        summary="Report metrics, for Prometheus",
        opt={
            FACTS: RouteFacts(open_if=lambda settings: settings.metrics_open, is_quiet=True),
            DESCRIBED: Described(errors=("401",)),
        },
    )
    async def get_metrics(self, hub: NamedDependency[Hub]) -> Response[bytes]:
        """Report all metrics in Prometheus' text format."""
        text = await hub.replicas.metrics(hub.observation.metrics.text())
        return Response(text, media_type=PROMETHEUS)
