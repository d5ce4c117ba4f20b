"""GET /metrics."""

from litestar import Response, get
from litestar.di import NamedDependency

from speechhub.http.openapi.document import OWN
from speechhub.lifecycle.observation import Observation

PROMETHEUS = "text/plain; version=0.0.4"
"""The framework adds the charset, as it does to every text."""


@get("/metrics", media_type="text/plain", summary="Tell the metrics, for Prometheus", tags=[OWN])
async def get_metrics(observation: NamedDependency[Observation]) -> Response[bytes]:
    """Tell all metrics in Prometheus' text format."""
    return Response(observation.metrics.text(), media_type=PROMETHEUS)
