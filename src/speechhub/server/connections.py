"""The server's connections: how many may be open at a time, and a line in the log when no more can be.

Each is a descriptor of the process, of which the system grants a number. A process that has none left cannot
accept, read a file or start a worker, so that the connections leave some for the rest.
"""

import asyncio
import resource
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

log = structlog.get_logger()

RESERVED: Final = 64
"""Descriptors for all but clients: the log, workers, models, the event loop."""
PER_CLIENT: Final = 1.5
"""Descriptors for each connection: its own, and every second one's upload may be a temporary file."""
PAUSE_S: Final = 2.0
"""How often the descriptors are counted."""
_DESCRIPTORS: Final = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Descriptors of this process, at one moment."""

    open: int
    limit: int


def granted(wanted: int) -> int:
    """Return how many connections may be open, after asking the system for as many as *wanted* need.

    The soft limit is raised up to the hard one, as Go's runtime does: it is low for programs that use
    select(2), which this one does not. Workers start with the same.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = RESERVED + int(wanted * PER_CLIENT) + 1
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if (connections := allowed(wanted)) < wanted:
        log.warning(
            "fewer connections than connection_limit",
            connections=connections,
            connection_limit=wanted,
            descriptors=soft,
            hint="Raise the limit of open files: LimitNOFILE= in systemd, --ulimit nofile= in containers.",
        )
    return connections


def allowed(wanted: int) -> int:
    """Return how many connections may be open under the soft limit as it is."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, int((soft - RESERVED) / PER_CLIENT)))


def descriptors() -> Descriptors:
    """Return how many descriptors are open, and how many may be."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        found = sum(1 for _ in _DESCRIPTORS.iterdir())
    except OSError:  # not even for this one
        found = limit
    return Descriptors(open=found, limit=limit)


def families(wanted: int) -> Iterable[Metric]:
    """Yield what /metrics tells of connections, where the settings want so many."""
    now, limit = descriptors(), allowed(wanted)
    yield GaugeMetricFamily("speechhub_open_files", "Open files and connections.", value=now.open)
    yield GaugeMetricFamily("speechhub_open_files_limit", "How many the system allows.", value=now.limit)
    yield GaugeMetricFamily("speechhub_connection_limit", "How many connections may be open.", value=limit)


async def watch(limit: int) -> None:
    """Say in the log when connections reach the limit, and when they no longer do; never returns.

    Granian accepts no more than *limit* and says nothing: clients beyond wait in the kernel's queue.
    """
    besides = descriptors().open
    full = False
    while True:
        now = descriptors()
        reached = now.open - besides >= limit or now.open >= now.limit - 1
        if reached and not full:
            log.warning(
                "connection limit reached: further clients wait",
                connection_limit=limit,
                descriptors=now.open,
                descriptor_limit=now.limit,
            )
        elif full and not reached:
            log.info("connections are below their limit again", descriptors=now.open)
        full = reached
        await asyncio.sleep(PAUSE_S)
