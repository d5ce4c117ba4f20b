"""/v1/audio/voice_consents: recordings in which speakers agree to their custom voices."""

from functools import partial
from typing import Final

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from speechhub.http.context import HttpRequest
from speechhub.http.disconnect import while_connected
from speechhub.http.facts import FACTS, Body, RouteFacts, Workload
from speechhub.http.ignored import note_ignored, unknown_fields
from speechhub.http.openapi.content import CONSENT_FORM, sample_form
from speechhub.http.openapi.described import DESCRIBED, OPENAI, Described
from speechhub.http.openapi.examples import CONSENT
from speechhub.http.routes.voices import read_sample
from speechhub.http.schemas.voices import (
    RenameVoiceConsent,
    VoiceConsent,
    VoiceConsentDeleted,
    VoiceConsentList,
)
from speechhub.hub import Hub
from speechhub.voices import Consent

EXAMPLE: Final = {"consent": {"value": CONSENT}}


class ConsentsController(Controller):
    """The consents of speakers."""

    path = "/v1/audio/voice_consents"
    tags = (OPENAI,)

    @post(
        status_code=200,
        summary="Add a consent",
        opt={
            FACTS: RouteFacts(workload=Workload.UPLOAD, body=Body.SAMPLE),
            DESCRIBED: Described(
                errors=("400", "401", "408", "413", "415", "500", "503"),
                form=partial(sample_form, "recording", CONSENT_FORM),
                answers=EXAMPLE,
            ),
        },
    )
    async def create_voice_consent(self, request: HttpRequest, hub: NamedDependency[Hub]) -> VoiceConsent:
        """Store the recording in the field ``recording``, in which a speaker agrees to a custom voice."""
        form = await read_sample(request, hub.voices, "recording", known=CONSENT_FORM)
        made = await while_connected(
            request,
            hub.voices.add_consent(
                name=form.text("name"), recording=form.file, language=form.text("language")
            ),
        )
        return _consent(made)

    @get(summary="List the consents", opt={DESCRIBED: Described(errors=("400", "401"))})
    async def list_voice_consents(
        self,
        hub: NamedDependency[Hub],
        after: FromQuery[str | None] = None,
        limit: FromQuery[int] = 20,
    ) -> VoiceConsentList:
        """List consents, the oldest first; the page begins after the consent with the id ``after``."""
        found, more = await hub.voices.consents(after=after, limit=limit)
        return VoiceConsentList(
            data=[_consent(consent) for consent in found],
            first_id=found[0].id if found else None,
            last_id=found[-1].id if found else None,
            has_more=more,
        )

    @get(
        "/{consent_id:str}",
        summary="Describe a consent",
        opt={DESCRIBED: Described(errors=("400", "401", "404"), answers=EXAMPLE)},
    )
    async def retrieve_voice_consent(
        self, consent_id: FromPath[str], hub: NamedDependency[Hub]
    ) -> VoiceConsent:
        """Return a consent."""
        return _consent(await hub.voices.pools.disk.run(hub.voices.library.consent, consent_id))

    @post(
        "/{consent_id:str}",
        status_code=200,
        summary="Rename a consent",
        opt={
            DESCRIBED: Described(errors=("400", "401", "404", "408", "413", "503"), answers=EXAMPLE),
        },
    )
    async def update_voice_consent(
        self,
        request: HttpRequest,
        consent_id: FromPath[str],
        data: JSONBody[RenameVoiceConsent],
        hub: NamedDependency[Hub],
    ) -> VoiceConsent:
        """Change the label of a consent."""
        note_ignored(
            request.scope, unknown_fields(await request.body(), RenameVoiceConsent.__struct_fields__)
        )
        return _consent(
            await hub.voices.pools.disk.run(hub.voices.library.rename_consent, consent_id, data.name)
        )

    @delete(
        "/{consent_id:str}",
        status_code=200,
        summary="Delete a consent",
        opt={DESCRIBED: Described(errors=("400", "401", "404", "409", "503"))},
    )
    async def delete_voice_consent(
        self, consent_id: FromPath[str], hub: NamedDependency[Hub]
    ) -> VoiceConsentDeleted:
        """Delete a consent, unless a custom voice depends on it."""
        await hub.voices.pools.disk.run(hub.voices.library.remove_consent, consent_id)
        return VoiceConsentDeleted(id=consent_id)


def _consent(consent: Consent) -> VoiceConsent:
    return VoiceConsent(
        id=consent.id, created_at=consent.created_at, name=consent.name, language=consent.language
    )
