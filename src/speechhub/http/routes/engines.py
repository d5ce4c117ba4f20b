"""Operators' routes: GET /v1/engines, and POST below it."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from litestar import Controller, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, JSONBody

from speechhub.engine import Slot
from speechhub.errors import InvalidValueError, MissingValueError, OperatorKeyRequiredError
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import while_connected
from speechhub.http.health import model_health
from speechhub.http.ignored import note_ignored, unknown_fields
from speechhub.http.openapi.content import unload_content
from speechhub.http.openapi.described import DESCRIBED, OWN, Described
from speechhub.http.replicas import PARAMETERS, replica_named
from speechhub.http.schemas.health import EngineList, EngineSwitch, EngineUnload, EngineWanted, ModelHealth
from speechhub.http.schemas.story import EngineStory
from speechhub.http.story import engine_story
from speechhub.hub import Hub


async def operators_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse clients that may not operate the server; a plain function would run in a thread."""
    if not context_of(connection).operator:
        raise OperatorKeyRequiredError


ERRORS: Final = ("400", "401", "403", "404")


class EnginesController(Controller):
    """What operators do with engines."""

    path = "/v1/engines"
    tags = (OWN,)
    guards = (operators_only, replica_named)
    parameters = PARAMETERS

    @get(
        summary="List the state of every model's engine",
        opt={DESCRIBED: Described(errors=("400", "401", "403", "404"))},
    )
    async def list_engines(self, hub: NamedDependency[Hub]) -> EngineList:
        """List all models, with the state of their engines and queues."""
        return _listed([state.model for state in hub.control.states()], hub)

    @get(
        "/story",
        summary="Explain why requests wait",
        opt={DESCRIBED: Described(errors=("400", "401", "403", "404"))},
    )
    async def get_story(self, hub: NamedDependency[Hub], model: FromQuery[str | None] = None) -> EngineStory:
        """Show the last events, what the scheduler made of them, and why requests wait now.

        With *model*, an id or an alias, show what concerns that model's device.
        """
        device = None
        if model is not None:
            device = hub.control.placements[hub.catalog.find(model).placement.model.id].device.name
        return engine_story(hub.observation.journal.story, device, asyncio.get_running_loop().time())

    @post(
        "/load",
        status_code=200,
        summary="Load a model",
        opt={DESCRIBED: Described(errors=(*ERRORS, "500", "503"))},
    )
    async def load_engine(
        self, request: HttpRequest, data: JSONBody[EngineWanted], hub: NamedDependency[Hub]
    ) -> ModelHealth:
        """Make a model ready, replacing another one on its device if necessary; respond when it is ready."""
        model = await _named(request, data, hub)
        await while_connected(request, hub.control.switch_to(model))
        return model_health(hub, model)

    @post(
        "/switch",
        status_code=200,
        summary="Switch a slot to a model",
        opt={DESCRIBED: Described(errors=(*ERRORS, "500", "503"))},
    )
    async def switch_engine(
        self, request: HttpRequest, data: JSONBody[EngineSwitch], hub: NamedDependency[Hub]
    ) -> ModelHealth:
        """Make a model of a slot ready, by default the slot's default model; respond when it is ready."""
        await _tell_ignored(request, data)
        slot = Slot(data.slot)
        wanted = hub.catalog.model(data.model, slot).model.id if data.model else None
        return model_health(hub, await while_connected(request, hub.control.switch_slot(slot, wanted)))

    @post(
        "/unload",
        status_code=200,
        summary="Unload a model, or all models of a slot",
        opt={DESCRIBED: Described(errors=ERRORS, content=unload_content)},
    )
    async def unload_engine(
        self, request: HttpRequest, data: JSONBody[EngineUnload], hub: NamedDependency[Hub]
    ) -> ModelHealth | EngineList:
        """End the workers of a model or a slot after their running work; respond when they have ended."""
        await _tell_ignored(request, data)
        if data.slot is None:
            model = _model_to_unload(data, hub)
            await while_connected(request, hub.control.unload(model))
            return model_health(hub, model)
        if data.model is not None:
            raise InvalidValueError("Name either a model or a slot, not both.", param="slot")
        slot = Slot(data.slot)
        await while_connected(request, hub.control.unload_slot(slot))
        return _listed(_of_slot(slot, hub), hub)

    @post(
        "/pin",
        status_code=200,
        summary="Keep a model on its device",
        opt={DESCRIBED: Described(errors=ERRORS)},
    )
    async def pin_engine(
        self, request: HttpRequest, data: JSONBody[EngineWanted], hub: NamedDependency[Hub]
    ) -> ModelHealth:
        """Keep a model on its device: no other model replaces it, and it is not unloaded when idle."""
        model = await _named(request, data, hub)
        hub.control.pin(model)
        return model_health(hub, model)

    @post(
        "/unpin",
        status_code=200,
        summary="End a model's pin",
        opt={DESCRIBED: Described(errors=ERRORS)},
    )
    async def unpin_engine(
        self, request: HttpRequest, data: JSONBody[EngineWanted], hub: NamedDependency[Hub]
    ) -> ModelHealth:
        """Let other models replace a model on its device again, and unload it when idle."""
        model = await _named(request, data, hub)
        hub.control.unpin(model)
        return model_health(hub, model)


async def _named(request: HttpRequest, data: EngineWanted, hub: Hub) -> str:
    """Return the id of the model that a body names."""
    await _tell_ignored(request, data)
    return hub.catalog.find(data.model).placement.model.id


async def _tell_ignored(request: HttpRequest, data: msgspec.Struct) -> None:
    note_ignored(request.scope, unknown_fields(await request.body(), data.__struct_fields__))


def _model_to_unload(data: EngineUnload, hub: Hub) -> str:
    if data.model is None:
        raise MissingValueError("model", 'To unload all models of a slot, send "slot" instead.')
    return hub.catalog.find(data.model).placement.model.id


def _listed(models: Iterable[str], hub: Hub) -> EngineList:
    return EngineList(replica=hub.replicas.name, data=[model_health(hub, model) for model in models])


def _of_slot(slot: Slot, hub: Hub) -> list[str]:
    return [model for model, placement in hub.control.placements.items() if placement.slot is slot]
