"""GET /v1/audio/voices and /v1/audio/models, as clients probe them."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from speechhub.engine import Slot
from speechhub.http.openapi import OWN
from speechhub.http.schemas import AudioModel, AudioModelList, VoiceItem, VoiceList
from speechhub.services.catalog import Catalog
from speechhub.services.speech import SpeechService


@get(
    ["/audio/voices", "/audio/speech/voices"],
    summary="List the voices of a model",
    tags=[OWN],
)
async def list_voices(
    catalog: NamedDependency[Catalog],
    speech: NamedDependency[SpeechService],
    model: FromQuery[str | None] = None,
) -> VoiceList:
    """List the voices of a TTS model, by default of the one that speaks for ``tts-1``."""
    if not model and catalog.defaults[Slot.TTS] is None:
        return VoiceList(voices=[])
    placement = catalog.model(model, Slot.TTS)
    return VoiceList(
        voices=[
            VoiceItem(
                id=voice.id,
                name=voice.name or voice.id,
                model=placement.target,
                languages=voice.languages or placement.model.languages,
            )
            for voice in await speech.voices(placement)
        ]
    )


@get("/audio/models", summary="List the models, as Open WebUI reads them", tags=[OWN])
async def list_audio_models(catalog: NamedDependency[Catalog]) -> AudioModelList:
    """List the models, and the names that stand for them, with what they do."""
    return AudioModelList(
        models=[
            AudioModel(id=listing.name, task=listing.placement.slot.value) for listing in catalog.listings()
        ]
    )
