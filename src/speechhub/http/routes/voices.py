"""Voices of models and custom voices; and /v1/audio/models, as clients probe it."""

import io
from collections.abc import Collection
from functools import partial

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from speechhub.codecs.encode import OUTPUT_RATE
from speechhub.engine import Slot, Voice
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import while_connected
from speechhub.http.facts import FACTS, Body, RouteFacts, Workload
from speechhub.http.ignored import note_ignored
from speechhub.http.multipart import Form, read_form
from speechhub.http.openapi.content import VOICE_FORM, sample_form
from speechhub.http.openapi.described import DESCRIBED, OPENAI, OWN, Described, header
from speechhub.http.openapi.examples import AUDIO_MODELS, CREATED_VOICE, SPEECH_VOICE, VOICE, VOICES
from speechhub.http.render import WARNINGS_HEADER, recording_headers
from speechhub.http.schemas.models import AudioModel, AudioModelList
from speechhub.http.schemas.voices import (
    CreatedVoice,
    SpeechVoice,
    VoiceDeleted,
    VoiceItem,
    VoiceList,
    VoiceObject,
)
from speechhub.hub import Hub
from speechhub.services.models import TtsModel
from speechhub.services.voices import VoiceService
from speechhub.voices import CustomVoice


class VoicesController(Controller):
    """Voices of models, custom voices, and the models that have them."""

    path = "/v1/audio"

    @get(
        "/voices",
        summary="List the voices of a model, and the custom ones",
        tags=[OWN],
        opt={
            FACTS: RouteFacts(may_load=True),
            DESCRIBED: Described(
                errors=("400", "401", "404", "500", "503"), answers={"voices": {"value": VOICES}}
            ),
        },
    )
    async def list_voices(
        self,
        hub: NamedDependency[Hub],
        model: FromQuery[str | None] = None,
    ) -> VoiceList:
        """List the voices of a TTS model, by default of the one behind ``tts-1``, and the custom ones."""
        library = hub.voices.library
        custom, aliases = await hub.voices.pools.disk.run(lambda: (library.voices(), library.aliases()))
        items: list[VoiceItem] = []
        if model or hub.catalog.defaults[Slot.TTS] is not None:
            found = hub.catalog.tts(model)
            items = [_item(voice, found) for voice in await hub.speech.voices(found)]
        return VoiceList(voices=items, data=[_voice(voice, aliases) for voice in custom])

    @get(
        "/speech/voices",
        summary="List voices, as clients of speaches read them",
        tags=[OWN],
        opt={
            FACTS: RouteFacts(may_load=True),
            DESCRIBED: Described(
                errors=("400", "401", "404", "500", "503"), answers={"names": {"value": [SPEECH_VOICE]}}
            ),
        },
    )
    async def list_speech_voices(
        self,
        hub: NamedDependency[Hub],
        model_id: FromQuery[str | None] = None,
    ) -> list[SpeechVoice]:
        """List the voices of the TTS model ``model_id``, by default of the one behind ``tts-1``."""
        if not model_id and hub.catalog.defaults[Slot.TTS] is None:
            return []
        found = hub.catalog.tts(model_id)
        return [_speech_voice(voice, found, hub.started_at) for voice in await hub.speech.voices(found)]

    @post(
        "/voices",
        status_code=200,
        summary="Add a custom voice",
        tags=[OPENAI],
        opt={
            FACTS: RouteFacts(workload=Workload.UPLOAD, body=Body.SAMPLE),
            DESCRIBED: Described(
                errors=("400", "401", "404", "408", "409", "413", "415", "500", "503"),
                form=partial(sample_form, "audio_sample", VOICE_FORM),
                answers={"created": {"value": CREATED_VOICE}},
                headers={
                    WARNINGS_HEADER: header(
                        "What could be better about the recording; sentences are separated by ` | `."
                    )
                },
            ),
        },
    )
    async def create_voice(self, request: HttpRequest, hub: NamedDependency[Hub]) -> CreatedVoice:
        """Store the recording of a speaker in the field ``audio_sample``, for engines that clone voices."""
        form = await read_sample(request, hub.voices, "audio_sample", known=VOICE_FORM)
        made = await while_connected(
            request,
            hub.voices.add(
                kind=(form.text("type") or "audio_sample").strip().lower(),
                name=form.text("name"),
                sample=form.file,
                consent=form.text("consent"),
            ),
        )
        # In a header, because OpenAI's object has no such field.
        context_of(request).headers |= recording_headers(made.warnings)
        return CreatedVoice(id=made.id, created_at=made.created_at, name=made.name)

    @get(
        "/voices/{voice_id:str}",
        summary="Describe a custom voice",
        tags=[OWN],
        opt={DESCRIBED: Described(errors=("400", "401", "404"), answers={"voice": {"value": VOICE}})},
    )
    async def retrieve_voice(self, voice_id: FromPath[str], hub: NamedDependency[Hub]) -> VoiceObject:
        """Describe a custom voice, by its id or name."""
        library = hub.voices.library
        return await hub.voices.pools.disk.run(lambda: _voice(library.voice(voice_id), library.aliases()))

    @delete(
        "/voices/{voice_id:str}",
        status_code=200,
        summary="Delete a custom voice",
        tags=[OPENAI],
        opt={DESCRIBED: Described(errors=("400", "401", "404", "503"))},
    )
    async def delete_voice(self, voice_id: FromPath[str], hub: NamedDependency[Hub]) -> VoiceDeleted:
        """Delete a custom voice, its recording, and the aliases that stand for it."""
        return VoiceDeleted(id=(await hub.voices.remove(voice_id)).id)

    @get(
        "/models",
        summary="List the models, as Open WebUI reads them",
        tags=[OWN],
        opt={DESCRIBED: Described(errors=("401",), answers={"models": {"value": AUDIO_MODELS}})},
    )
    async def list_audio_models(self, hub: NamedDependency[Hub]) -> AudioModelList:
        """List the models, and the names that stand for them, with what they do."""
        return AudioModelList(
            models=[AudioModel(id=it.name, task=it.placement.slot.value) for it in hub.catalog.listings()]
        )


async def read_sample(
    request: HttpRequest, voices: VoiceService, field: str, *, known: Collection[str]
) -> Form:
    """Read a form whose file is a recording of a speaker, in the part called *field*.

    Args:
        request: Its body must be unread.
        voices: Knows how large a recording may be.
        field: Name of the part that is the file.
        known: Names of the text fields that the route reads; others are named to the client.
    """
    form = await read_form(request, limit_bytes=voices.max_reference_bytes, file_field=field, texts=known)
    if form.file is not None:
        context_of(request).exit_stack.callback(form.file.close)
        # It is decoded from memory, whole: see `VoiceService.read`.
        context_of(request).holding.take("memory", form.file.seek(0, io.SEEK_END))
        form.file.seek(0)
    note_ignored(request.scope, form.fields.keys() - set(known))
    return form


def _item(voice: Voice, model: TtsModel) -> VoiceItem:
    languages = voice.languages or model.languages
    return VoiceItem(id=voice.id, name=voice.name or voice.id, model=model.id, languages=languages)


def _speech_voice(voice: Voice, model: TtsModel, started_at: int) -> SpeechVoice:
    return SpeechVoice(
        id=f"{model.id}/{voice.id}",
        model_id=model.id,
        voice_id=voice.id,
        created=started_at,
        owned_by=model.placement.engine.spec.name,
        sample_rate=OUTPUT_RATE,
    )


def _voice(voice: CustomVoice, aliases: dict[str, str]) -> VoiceObject:
    return VoiceObject(
        id=voice.id,
        created_at=voice.created_at,
        name=voice.name,
        consent=voice.consent or None,
        duration_s=voice.duration_s,
        aliases=tuple(sorted(alias for alias, meant in aliases.items() if meant == voice.id)),
        warnings=voice.warnings,
    )
