"""GET /v1/engines/story; a route of the operators' router."""

import asyncio

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from speechhub.http.openapi.document import OWN
from speechhub.http.schemas.story import EngineStory
from speechhub.http.story import engine_story
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.observation import Observation
from speechhub.services.catalog import Catalog


@get("/story", summary="Explain why requests wait", tags=[OWN])
async def get_story(
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    observation: NamedDependency[Observation],
    model: FromQuery[str | None] = None,
) -> EngineStory:
    """Tell the last events with what the scheduler made of them, and why requests wait at present.

    With *model*, an id or an alias, show what concerns that model's device.
    """
    device = None
    if model is not None:
        device = manager.placements[catalog.find(model).placement.model.id].device.name
    return engine_story(observation.journal.story, device, asyncio.get_running_loop().time())
