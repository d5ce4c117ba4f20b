"""GET /health, /health/live, /health/ready and /."""

import time

from litestar import MediaType, Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency

from speechhub import __version__
from speechhub.errors import ShuttingDownError
from speechhub.http.openapi import OWN
from speechhub.http.schemas import DeviceHealth, Health, ModelHealth, PluginHealth, Status
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.states import PublicState


@get("/health", summary="Tell what the server is doing", tags=[OWN])
async def get_health(
    request: Request[None, None, State], manager: NamedDependency[Manager], state: State
) -> Health | Status:
    """Tell what the server is doing; answers at once, whatever the engines do.

    Where the server has API keys, a request without one is told that it runs, and nothing about it.
    """
    if not request.scope["state"]["trusted"]:
        return Status()
    states = manager.public_states()
    devices = {placement.device for placement in manager.placements.values()}
    return Health(
        version=__version__,
        uptime_s=round(time.monotonic() - state.started_monotonic, 1),
        devices=[
            DeviceHealth(
                name=device.name,
                exclusive=device.exclusive,
                state=states.get(device.name, PublicState.NONE),
                current_model=manager.current_model(device.name),
            )
            for device in sorted(devices, key=lambda device: device.name)
        ],
        models=[
            ModelHealth(
                id=it.target,
                state=it.phase.value if it.phase else "fetching" if it.fetching else "unloaded",
                waiting=it.waiting,
                busy=it.busy,
            )
            for it in manager.states()
        ],
        broken_plugins=[
            PluginHealth(plugin=plugin.distribution, error=plugin.error) for plugin in state.broken_plugins
        ],
    )


@get("/health/live", summary="Tell that the process answers", tags=[OWN])
async def get_live() -> Status:
    """Answer as long as the process can answer; needs no API key."""
    return Status()


@get("/health/ready", summary="Tell whether the server takes work", tags=[OWN])
async def get_ready(state: State) -> Status:
    """Tell whether the server takes work: 503 from the moment it is asked to stop; needs no API key."""
    if state.stopping:
        raise ShuttingDownError
    return Status()


@get("/", media_type=MediaType.TEXT, summary="Say what this is", tags=[OWN])
async def get_root() -> str:
    """Say what this is, to people and to probes."""
    return f"speechhub {__version__}: an OpenAI-compatible speech server. GET /v1/models lists its models.\n"
