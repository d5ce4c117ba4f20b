"""GET /health, /health/live and /health/ready."""

import asyncio
import time
from collections.abc import Callable

from litestar import get
from litestar.di import NamedDependency

from speechhub import __version__
from speechhub.errors import ShuttingDownError
from speechhub.errors.places import without_places
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.health import device_health, gpu_health, model_health, switch_times
from speechhub.http.openapi.document import OWN
from speechhub.http.schemas.health import Health, PluginHealth, Status
from speechhub.http.story import stalled_story
from speechhub.hub import Hub
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.observation import Observation
from speechhub.placement import notes


@get("/health", summary="Tell what the server is doing", tags=[OWN])
async def get_health(
    request: HttpRequest,
    manager: NamedDependency[Manager],
    observation: NamedDependency[Observation],
    hub: NamedDependency[Hub],
) -> Health | Status:
    """Tell what the server is doing; answers at once, whatever the engines do.

    Where the server has API keys, a request without one is told its status, and nothing else. Warnings, and
    the paths in what failed, are for operators.
    """
    stalled = observation.stalled()
    context = context_of(request)
    if not context.trusted:
        return Status(status="degraded" if stalled else "ok")
    operator = context.operator
    shown: Callable[[str], str] = str if operator else without_places
    now = asyncio.get_running_loop().time()
    devices = {placement.device for placement in manager.placements.values()}
    return Health(
        status="degraded" if stalled else "ok",
        stalled=stalled,
        story=stalled_story(observation.journal.story, stalled, now, operator=operator),
        version=__version__,
        operator=operator,
        uptime_s=round(time.monotonic() - hub.started_monotonic, 1),
        devices=[
            device_health(device, manager, observation.last_switch(device.name))
            for device in sorted(devices, key=lambda device: device.name)
        ],
        models=[
            model_health(it, manager, observation.oldest_wait_s(it.model), now, operator=operator)
            for it in manager.states()
        ],
        switches=switch_times(manager.switches),
        gpus=[gpu_health(view) for view in observation.gpus()],
        gpu_problem=shown(observation.gpu_problem) if observation.gpu_problem else None,
        event_loop_lag_s=round(observation.lag_s, 4),
        broken_plugins=[
            PluginHealth(plugin=plugin.distribution, error=shown(plugin.error))
            for plugin in hub.broken_plugins
        ],
        warnings=[
            *(f"{finding.subject}: {finding.text}" for finding in hub.findings),
            *(f"engine {name}: {note}" for name, note in notes(manager.placements.values())),
            *(f"home: {damage.text}" for damage in hub.damages.found),
        ]
        if operator
        else [],
    )


@get("/health/live", summary="Tell that the process answers", tags=[OWN])
async def get_live() -> Status:
    """Answer as long as the process can answer; needs no API key."""
    return Status()


@get("/health/ready", summary="Tell whether the server takes work", tags=[OWN])
async def get_ready(hub: NamedDependency[Hub]) -> Status:
    """Tell whether the server takes work: 503 from the moment it is asked to stop; needs no API key."""
    if hub.stopping:
        raise ShuttingDownError
    return Status()
