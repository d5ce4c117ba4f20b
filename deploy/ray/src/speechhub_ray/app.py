"""The Serve application, for ``speechhub-ray serve`` and for config files: ``speechhub_ray.app:app``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ray import serve
from ray.serve.config import RequestRouterConfig

from speechhub.settings import read_settings
from speechhub_ray.deployment import HubReplica
from speechhub_ray.options import ROUTER, Options, options_of

NAME: Final = "speechhub"
"""Of the application and, with a capital, of its only deployment."""
MOST_ONGOING: Final = 10_000
"""Requests and sockets that Serve gives one replica: more than any hub takes, so that the hub's own queue,
limits and 503 decide."""
STATS_PERIOD_S: Final = 1.0
STATS_TIMEOUT_S: Final = 2.0
HEALTH_PERIOD_S: Final = 5.0
HEALTH_TIMEOUT_S: Final = 10.0
"""How long a replica may take to say how it is; after three answers that do not come, Ray replaces it."""
TRIES: Final = 3
"""How often Ray tries to put a hub together; what is wrong in the settings stays wrong."""
LINGER_S: Final = 10.0
"""What a replica has beyond the hub's ``shutdown_timeout_s`` before Ray kills it."""


def app(args: Mapping[str, Any]) -> serve.Application:
    """Build the application from the arguments of a config file.

    Raises:
        ConfigurationError: An argument or a setting is wrong.
    """
    return build(options_of(args))


def build(options: Options) -> serve.Application:
    """Build the application.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    settings = read_settings(
        config_file=Path(options.config) if options.config else None, overrides=dict(options.settings)
    ).settings
    router = RequestRouterConfig(
        request_router_class=options.router,
        request_router_kwargs={"settle_s": options.settle_s} if options.router == ROUTER else {},
        request_routing_stats_period_s=STATS_PERIOD_S,
        request_routing_stats_timeout_s=STATS_TIMEOUT_S,
    )
    deployment = serve.deployment(
        name=NAME.capitalize(),
        num_replicas=options.replicas,
        ray_actor_options={"num_cpus": options.cpus_per_replica, "num_gpus": options.gpus_per_replica},
        max_ongoing_requests=MOST_ONGOING,
        max_queued_requests=-1,
        graceful_shutdown_timeout_s=settings.shutdown_timeout_s + LINGER_S,
        graceful_shutdown_wait_loop_s=0.2,
        health_check_period_s=HEALTH_PERIOD_S,
        health_check_timeout_s=HEALTH_TIMEOUT_S,
        request_router_config=router,
        max_surge_percent=0,
        max_constructor_retry_count=TRIES,
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    )(serve.ingress()(HubReplica))
    return deployment.bind(options.config, dict(options.settings))
