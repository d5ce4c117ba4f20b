"""Operators' routes: GET /v1/engines, and POST below it."""

import asyncio
from typing import Any

from litestar import Router, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from speechhub.errors import OperatorKeyRequiredError
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import while_connected
from speechhub.http.health import model_health
from speechhub.http.ignored import note_ignored, unknown_fields
from speechhub.http.openapi.document import OWN
from speechhub.http.routes.story import get_story
from speechhub.http.schemas.health import EngineList, EngineWanted, ModelHealth
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.observation import Observation
from speechhub.services.catalog import Catalog


async def operators_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse clients that may not operate the server; a plain function would run in a thread."""
    if not context_of(connection).operator:
        raise OperatorKeyRequiredError


@get("/", summary="List the engines' states", tags=[OWN])
async def list_engines(
    manager: NamedDependency[Manager], observation: NamedDependency[Observation]
) -> EngineList:
    """List all models and what goes on around them."""
    return EngineList(data=[_shown(state.model, manager, observation) for state in manager.states()])


@post("/load", status_code=200, summary="Load a model", tags=[OWN])
async def load_engine(
    request: HttpRequest,
    data: JSONBody[EngineWanted],
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    observation: NamedDependency[Observation],
) -> ModelHealth:
    """Make a model ready, and switch its device to it if another one is there; answer when it is."""
    target = await _target(request, data, catalog)
    await while_connected(request, manager.switch_to(target))
    return _shown(target, manager, observation)


@post("/unload", status_code=200, summary="Unload a model", tags=[OWN])
async def unload_engine(
    request: HttpRequest,
    data: JSONBody[EngineWanted],
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    observation: NamedDependency[Observation],
) -> ModelHealth:
    """End a model's worker once its running work is done; answer when its process is gone."""
    target = await _target(request, data, catalog)
    await while_connected(request, manager.unload(target))
    return _shown(target, manager, observation)


@post("/pin", status_code=200, summary="Keep a model on its device", tags=[OWN])
async def pin_engine(
    request: HttpRequest,
    data: JSONBody[EngineWanted],
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    observation: NamedDependency[Observation],
) -> ModelHealth:
    """Let a model keep its device: nothing pushes it out, and it is not unloaded when idle."""
    target = await _target(request, data, catalog)
    manager.pin(target)
    return _shown(target, manager, observation)


@post("/unpin", status_code=200, summary="Let a model leave its device again", tags=[OWN])
async def unpin_engine(
    request: HttpRequest,
    data: JSONBody[EngineWanted],
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    observation: NamedDependency[Observation],
) -> ModelHealth:
    """End a model's pin, if it has one."""
    target = await _target(request, data, catalog)
    manager.unpin(target)
    return _shown(target, manager, observation)


def engines_router() -> Router:
    """Return the routes, all of them for operators only."""
    handlers = [list_engines, get_story, load_engine, unload_engine, pin_engine, unpin_engine]
    return Router(path="/engines", guards=[operators_only], route_handlers=handlers)


async def _target(request: HttpRequest, data: EngineWanted, catalog: Catalog) -> str:
    note_ignored(request.scope, unknown_fields(await request.body(), EngineWanted.__struct_fields__))
    return catalog.find(data.model).placement.model.id


def _shown(target: str, manager: Manager, observation: Observation) -> ModelHealth:
    now = asyncio.get_running_loop().time()
    waited_s = observation.oldest_wait_s(target)
    return model_health(manager.state(target), manager, waited_s, now)
