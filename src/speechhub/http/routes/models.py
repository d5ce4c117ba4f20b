"""GET /v1/models and /v1/models/{id}, and DELETE, which is refused."""

from dataclasses import asdict

from litestar import delete, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from speechhub.errors import ModelNotDeletableError
from speechhub.errors.places import without_places
from speechhub.http.health import model_state
from speechhub.http.openapi.document import OPENAI
from speechhub.http.schemas.audio import Model, ModelList, ModelVoice
from speechhub.lifecycle.manager import Manager
from speechhub.services.catalog import Catalog, ListedModel
from speechhub.store import Licences


@get("/models", summary="List the models", tags=[OPENAI])
async def list_models(
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    licences: NamedDependency[Licences],
    state: State,
) -> ModelList:
    """List all models, then the names that stand for them."""
    return ModelList(
        data=[_model(catalog, it, manager, licences, state.started_at) for it in catalog.listings()]
    )


@get("/models/{model_id:path}", summary="Describe a model", tags=[OPENAI])
async def retrieve_model(
    model_id: FromPath[str],
    catalog: NamedDependency[Catalog],
    manager: NamedDependency[Manager],
    licences: NamedDependency[Licences],
    state: State,
) -> Model:
    """Describe one model or alias; ids may hold slashes."""
    listing = catalog.find(model_id.removeprefix("/"))
    return _model(catalog, listing, manager, licences, state.started_at)


@delete(
    "/models/{model_id:path}",
    status_code=200,
    summary="Refuse to delete a model",
    tags=[OPENAI],
)
async def delete_model(model_id: FromPath[str], catalog: NamedDependency[Catalog]) -> None:
    """Refuse to delete a model: its files belong to the operator."""
    raise ModelNotDeletableError(catalog.find(model_id.removeprefix("/")).name)


def _model(
    catalog: Catalog, listing: ListedModel, manager: Manager, licences: Licences, started_at: int
) -> Model:
    placement = manager.placements[listing.placement.model.id]  # where it is now
    model = placement.model
    phase = manager.state(placement.model.id).phase
    return Model(
        id=listing.name,
        created=started_at,
        owned_by=placement.engine.spec.name,
        task=placement.slot.value,
        alias_of=listing.alias_of,
        languages=model.languages,
        device=placement.device.name,
        device_note=without_places(manager.device_note(placement.model.id)),
        state=model_state(phase),
        capabilities=asdict(placement.capabilities) | dict.fromkeys(catalog.lacks(placement), False),
        voices=tuple(
            ModelVoice(id=voice.id, name=voice.name or voice.id)
            for voice in manager.voices(placement.model.id)
        ),
        licence=model.licence,
        licence_url=model.licence_url,
        licence_accepted=licences.allow(model),
    )
