"""The server's connections: how many may be open at a time, and a line in the log when the limit is reached.

Each connection uses a file descriptor, which the system limits. A process that has none left cannot accept
connections, read a file or start a worker, so connections leave some for everything else.
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
"""Descriptors for everything except clients: the log, workers, models, the event loop."""
PER_CLIENT: Final = 1.5
"""Descriptors per connection: its own, and a temporary file for the upload of every second one."""
PAUSE_S: Final = 2.0
"""How often the descriptors are counted."""
_DESCRIPTORS: Final = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Descriptors:
    """File descriptors of this process at one moment."""

    open: int
    limit: int


def granted(wanted: int, *, besides: int = 0) -> int:
    """Raise the limit of open files as far as *wanted* connections need; return how many may then be open.

    The soft limit is raised up to the hard limit, as Go's runtime does: it is low only for programs that use
    select(2), which this one does not. Workers inherit it.

    Args:
        wanted: Connections of the HTTP port.
        besides: Descriptors that other ports may use.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = RESERVED + besides + int(wanted * PER_CLIENT) + 1
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if (connections := allowed(wanted, besides=besides)) < wanted:
        log.warning(
            "fewer connections than connection_limit",
            connections=connections,
            connection_limit=wanted,
            descriptors=soft,
            hint="Raise the limit of open files: LimitNOFILE= in systemd, --ulimit nofile= in containers.",
        )
    return connections


def allowed(wanted: int, *, besides: int = 0) -> int:
    """Return how many connections may be open under the current soft limit; the arguments are `granted`'s."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, int((soft - RESERVED - besides) / PER_CLIENT)))


def descriptors() -> Descriptors:
    """Return how many descriptors are open, and how many may be."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        found = sum(1 for _ in _DESCRIPTORS.iterdir())
    except OSError:  # no descriptor is left even for this
        found = limit
    return Descriptors(open=found, limit=limit)


def families(wanted: int, *, besides: int = 0) -> Iterable[Metric]:
    """Yield the metrics of connections; the arguments are `granted`'s."""
    now, limit = descriptors(), allowed(wanted, besides=besides)
    yield GaugeMetricFamily("speechhub_open_files", "Open files and connections.", value=now.open)
    yield GaugeMetricFamily("speechhub_open_files_limit", "How many the system allows.", value=now.limit)
    yield GaugeMetricFamily("speechhub_connection_limit", "How many connections may be open.", value=limit)


async def watch(limit: int) -> None:
    """Log when connections reach the limit, and when they are below it again; never returns.

    Granian silently accepts no more than *limit*: further clients wait in the kernel's queue.
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
