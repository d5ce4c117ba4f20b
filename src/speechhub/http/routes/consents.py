"""/v1/audio/voice_consents: recordings in which speakers agree to their custom voices."""

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from speechhub.http.context import HttpRequest
from speechhub.http.disconnect import while_connected
from speechhub.http.ignored import note_ignored, unknown_fields
from speechhub.http.openapi.document import CONSENT_FORM, OPENAI
from speechhub.http.routes.voices import read_sample
from speechhub.http.schemas.voices import (
    RenameVoiceConsent,
    VoiceConsent,
    VoiceConsentDeleted,
    VoiceConsentList,
)
from speechhub.services.voices import VoiceService
from speechhub.voices import Consent


@post("/audio/voice_consents", status_code=200, summary="Add a consent", tags=[OPENAI])
async def create_voice_consent(request: HttpRequest, voices: NamedDependency[VoiceService]) -> VoiceConsent:
    """Keep the recording in the field ``recording``, in which a speaker agrees to a custom voice."""
    form = await read_sample(request, voices, "recording", known=CONSENT_FORM)
    made = await while_connected(
        request,
        voices.add_consent(name=form.text("name"), recording=form.file, language=form.text("language")),
    )
    return _consent(made)


@get("/audio/voice_consents", summary="List the consents", tags=[OPENAI])
async def list_voice_consents(
    voices: NamedDependency[VoiceService], after: FromQuery[str | None] = None, limit: FromQuery[int] = 20
) -> VoiceConsentList:
    """List consents, the oldest first; ``after`` is the id that the page begins behind."""
    found, more = await voices.consents(after=after, limit=limit)
    return VoiceConsentList(
        data=[_consent(consent) for consent in found],
        first_id=found[0].id if found else None,
        last_id=found[-1].id if found else None,
        has_more=more,
    )


@get("/audio/voice_consents/{consent_id:str}", summary="Describe a consent", tags=[OPENAI])
async def retrieve_voice_consent(
    consent_id: FromPath[str], voices: NamedDependency[VoiceService]
) -> VoiceConsent:
    """Describe a consent."""
    return _consent(await voices.pools.disk.run(voices.library.consent, consent_id))


@post("/audio/voice_consents/{consent_id:str}", status_code=200, summary="Rename a consent", tags=[OPENAI])
async def update_voice_consent(
    request: HttpRequest,
    consent_id: FromPath[str],
    data: JSONBody[RenameVoiceConsent],
    voices: NamedDependency[VoiceService],
) -> VoiceConsent:
    """Give a consent another label."""
    note_ignored(request.scope, unknown_fields(await request.body(), RenameVoiceConsent.__struct_fields__))
    return _consent(await voices.pools.disk.run(voices.library.rename_consent, consent_id, data.name))


@delete("/audio/voice_consents/{consent_id:str}", status_code=200, summary="Delete a consent", tags=[OPENAI])
async def delete_voice_consent(
    consent_id: FromPath[str], voices: NamedDependency[VoiceService]
) -> VoiceConsentDeleted:
    """Delete a consent that no custom voice rests on."""
    await voices.pools.disk.run(voices.library.remove_consent, consent_id)
    return VoiceConsentDeleted(id=consent_id)


def _consent(consent: Consent) -> VoiceConsent:
    return VoiceConsent(
        id=consent.id, created_at=consent.created_at, name=consent.name, language=consent.language
    )
