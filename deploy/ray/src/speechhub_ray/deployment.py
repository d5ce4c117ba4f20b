"""The deployment: one hub in each replica, served by Ray Serve's proxies."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
import structlog
from msgspec.structs import replace
from ray import serve

from speechhub.hub import Hub
from speechhub.log import configure_logging
from speechhub.services.replicas import SharedSecret
from speechhub.settings import Settings, read_settings
from speechhub_ray.application import ReplicaApplication
from speechhub_ray.fellows import Fellows
from speechhub_ray.reporting import WorkMeter, report_of

log = structlog.get_logger()


class HubReplica:
    """One hub; Ray makes one in each replica's process, and calls its methods there."""

    def __init__(self, config: str | None = None, overrides: Mapping[str, Any] | None = None) -> None:
        """Put the hub together; nothing is started.

        Args:
            config: File or folder with settings, as for ``speechhub --config``; the same on every node.
            overrides: Settings that win over all others, by name.

        Raises:
            ConfigurationError: A setting is wrong; Ray shows the message and gives up after a few tries.
        """
        self._name: str = serve.get_replica_context().replica_tag
        reading = read_settings(config_file=Path(config) if config else None, overrides=overrides)
        settings = as_replica(reading.settings, cpus=_own_cpus(), node_cpus=os.cpu_count() or 1)
        configure_logging(settings.log_level, settings.log_format, labels={"replica": self._name})
        self._hub = Hub.assemble(settings, hub_named=reading.hub_named)
        self._hub.check()
        log.info("replica", pid=os.getpid())
        fellows = self._hub.replicas = Fellows(self._name)
        self._meter = WorkMeter(self._hub)
        self._application = ReplicaApplication(
            self._hub, self._name, is_ending=_is_ending, known_secrets=fellows.secrets
        )

    def __serve_build_asgi_app__(self) -> ReplicaApplication:
        """Return the application."""
        return self._application

    # ── What Ray asks ────────────────────────────────────────────────────────

    async def check_health(self) -> None:
        """Raise if the hub has stalled: Ray then replaces this replica.

        Raises:
            RuntimeError: Requests wait for an engine that does not move.
        """
        if stalled := self._hub.observation.stalled():
            raise RuntimeError(f"requests for {', '.join(stalled)} do not move any more")

    async def record_routing_stats(self) -> dict[str, Any]:
        """Return the report for the routers."""
        return report_of(self._hub, self._meter, self._name, draining=self._application.draining)

    # ── What other replicas ask ──────────────────────────────────────────────

    async def named(self) -> str:
        """Return the name."""
        return self._name

    async def metrics(self) -> tuple[str, bytes]:
        """Return the name, and the hub's metrics."""
        return self._name, self._hub.observation.metrics.text()

    async def learn(self, secret: SharedSecret) -> None:
        """Take in a client secret that another replica has made.

        Raises:
            RateLimitedError: There is no room for it.
        """
        self._application.learn(secret)

    async def secrets(self) -> list[SharedSecret]:
        """Return the client secrets that are valid."""
        return self._application.secrets()


def as_replica(settings: Settings, *, cpus: float, node_cpus: int) -> Settings:
    """Return the settings for a hub that shares its machine with others.

    Home Assistant's port is closed, because replicas of one machine would all want it. Engines get the
    threads, and the share of the memory, that go with the replica's cores.

    Args:
        settings: The operator's.
        cpus: What Ray has reserved for the replica.
        node_cpus: Those of its machine.
    """
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    share_bytes = int(memory_bytes * 0.75 * min(1.0, cpus / node_cpus))
    return replace(
        settings,
        wyoming_port=0,
        threads=settings.threads or max(1, int(cpus)),
        cpu_memory_bytes=settings.cpu_memory_bytes or share_bytes,
    )


def _own_cpus() -> float:
    return float(ray.get_runtime_context().get_assigned_resources().get("CPU", 1.0))


def _is_ending() -> bool:
    """Return whether Ray has begun to end this replica; nothing public in Ray 2.60 tells."""
    worker = ray._private.worker.global_worker  # noqa: SLF001
    actor = worker.actors.get(worker.actor_id)
    return bool(actor is not None and actor._replica_impl._shutting_down)  # noqa: SLF001
