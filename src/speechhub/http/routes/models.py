"""GET /v1/models and /v1/models/{id}, and DELETE, which is refused."""

from dataclasses import asdict

from litestar import Controller, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from speechhub.errors import ModelNotDeletableError
from speechhub.errors.places import without_places
from speechhub.http.health import model_state
from speechhub.http.openapi.described import DESCRIBED, OPENAI, Described
from speechhub.http.openapi.examples import MODEL
from speechhub.http.schemas.models import Model, ModelList, ModelVoice
from speechhub.hub import Hub
from speechhub.services.catalog import ListedModel


class ModelsController(Controller):
    """The models that this server has, and the names that stand for them."""

    path = "/v1/models"
    tags = (OPENAI,)

    @get(
        summary="List the models",
        opt={
            DESCRIBED: Described(
                errors=("401",), answers={"list": {"value": {"object": "list", "data": [MODEL]}}}
            )
        },
    )
    async def list_models(self, hub: NamedDependency[Hub]) -> ModelList:
        """List all models, then their aliases."""
        return ModelList(data=[_model(hub, listing) for listing in hub.catalog.listings()])

    @get(
        "/{model_id:path}",
        summary="Describe a model",
        opt={DESCRIBED: Described(errors=("400", "401", "404"), answers={"alias": {"value": MODEL}})},
    )
    async def retrieve_model(self, model_id: FromPath[str], hub: NamedDependency[Hub]) -> Model:
        """Return one model or alias; ids may contain slashes."""
        return _model(hub, hub.catalog.find(model_id.removeprefix("/")))

    @delete(
        "/{model_id:path}",
        status_code=200,
        summary="Refuse to delete a model",
        opt={DESCRIBED: Described(errors=("400", "401", "403", "404"), succeeds=False)},
    )
    async def delete_model(self, model_id: FromPath[str], hub: NamedDependency[Hub]) -> None:
        """Refuse: only the operator can delete models."""
        raise ModelNotDeletableError(hub.catalog.find(model_id.removeprefix("/")).name)


def _model(hub: Hub, listing: ListedModel) -> Model:
    engines = hub.control
    placement = engines.placements[listing.placement.model.id]  # where it is now
    model = placement.model
    phase = engines.state(model.id).phase
    return Model(
        id=listing.name,
        created=hub.started_at,
        owned_by=placement.engine.spec.name,
        task=placement.slot.value,
        alias_of=listing.alias_of,
        languages=model.languages,
        device=placement.device.name,
        device_note=without_places(engines.device_note(model.id)),
        state=model_state(phase),
        capabilities=asdict(placement.capabilities) | dict.fromkeys(hub.catalog.lacks(placement), False),
        voices=tuple(
            ModelVoice(id=voice.id, name=voice.name or voice.id) for voice in engines.voices(model.id)
        ),
        licence=model.licence,
        licence_url=model.licence_url,
        licence_accepted=hub.licences.allow(model),
    )
