"""GET /v1/models and /v1/models/{id}, and DELETE, which is refused."""

from dataclasses import asdict

from litestar import delete, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from speechhub.errors import ModelNotDeletableError
from speechhub.http.openapi import OPENAI
from speechhub.http.schemas import Model, ModelList
from speechhub.lifecycle.manager import Manager
from speechhub.services.catalog import Catalog, Listing


@get("/models", summary="List the models", tags=[OPENAI])
async def list_models(
    catalog: NamedDependency[Catalog], manager: NamedDependency[Manager], state: State
) -> ModelList:
    """List all models, then the names that stand for them."""
    return ModelList(
        data=[_model(catalog, listing, manager, state.started_at) for listing in catalog.listings()]
    )


@get("/models/{model_id:path}", summary="Describe a model", tags=[OPENAI])
async def retrieve_model(
    model_id: FromPath[str],
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    state: State,
) -> Model:
    """Describe one model or alias; ids may hold slashes."""
    return _model(catalog, catalog.find(model_id.removeprefix("/")), manager, state.started_at)


@delete(
    "/models/{model_id:path}",
    status_code=200,
    summary="Refuse to delete a model",
    tags=[OPENAI],
)
async def delete_model(model_id: FromPath[str], catalog: NamedDependency[Catalog]) -> None:
    """Refuse to delete a model: its files belong to the operator."""
    raise ModelNotDeletableError(catalog.find(model_id.removeprefix("/")).name)


def _model(catalog: Catalog, listing: Listing, manager: Manager, started_at: int) -> Model:
    placement = listing.placement
    phase = manager.state(placement.target).phase
    return Model(
        id=listing.name,
        created=started_at,
        owned_by=placement.engine.spec.name,
        task=placement.slot.value,
        alias_of=listing.alias_of,
        languages=placement.model.languages,
        device=placement.device.name,
        state=phase.value if phase else "unloaded",
        capabilities=asdict(placement.capabilities) | dict.fromkeys(catalog.lacks(placement), False),
        voices=tuple(voice.id for voice in manager.voices(placement.target)),
    )
