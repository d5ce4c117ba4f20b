"""POST /asr and /detect-language, as Bazarr and other clients of whisper-asr-webservice ask for them."""

from dataclasses import replace
from functools import partial
from typing import Final

from litestar import Controller, Response, post
from litestar.di import NamedDependency

from speechhub.domain.language import language_name
from speechhub.engine import Slot, Transcript
from speechhub.http.asr_queries import FILE, fields_named, job_of, read_query, read_upload, track_of
from speechhub.http.asr_render import to_output
from speechhub.http.client_timeout import patience_s
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import while_connected
from speechhub.http.facts import FACTS, Body, RouteFacts, Workload
from speechhub.http.openapi.content import asr_content, sample_form
from speechhub.http.openapi.described import DESCRIBED, FORM_ERRORS, OWN, Described, header
from speechhub.http.openapi.examples import DETECTED
from speechhub.http.render import warning_headers
from speechhub.http.schemas.asr import AsrQuery, DetectedLanguage, DetectionQuery
from speechhub.http.tracks import track_noted
from speechhub.hub import Hub
from speechhub.placement import Placement
from speechhub.services.transcription import TranscriptionJob

WORK: Final = RouteFacts(workload=Workload.ENGINE, body=Body.RECORDING)
FORM: Final = partial(sample_form, FILE, {})


class AsrController(Controller):
    """Transcriptions by the default model, with the query of whisper-asr-webservice."""

    path = "/"
    tags = (OWN,)

    @post(
        "/asr",
        status_code=200,
        summary="Transcribe a recording, for clients of whisper-asr-webservice",
        opt={
            FACTS: WORK,
            DESCRIBED: Described(
                errors=FORM_ERRORS,
                query=AsrQuery,
                form=FORM,
                content=asr_content,
                headers={"asr-engine": header("The engine that transcribed.", required=True)},
            ),
        },
    )
    async def create_asr_transcript(
        self,
        request: HttpRequest,
        hub: NamedDependency[Hub],
    ) -> Response[str]:
        """Transcribe, or translate, the recording in the field ``audio_file`` with the default model."""
        query, placement = read_query(request, AsrQuery), hub.catalog.model(None, Slot.STT)
        context_of(request).log["model"] = placement.model.id
        job = replace(job_of(query, timeout_s=patience_s(request)), on_track=track_noted(request))
        with fields_named():
            upload = await read_upload(
                request, encode=query.encode, limit_bytes=hub.settings.max_upload_bytes
            )
            transcript = await while_connected(request, hub.transcription.transcribe(upload.file, job))
        return _answer(transcript, query.output, placement, upload.filename, words=job.words)

    @post(
        "/detect-language",
        status_code=200,
        summary="Detect the language of a recording",
        opt={
            FACTS: WORK,
            DESCRIBED: Described(
                errors=FORM_ERRORS,
                query=DetectionQuery,
                form=FORM,
                answers={"language": {"value": DETECTED}},
            ),
        },
    )
    async def detect_language(
        self,
        request: HttpRequest,
        hub: NamedDependency[Hub],
    ) -> DetectedLanguage:
        """Detect the language spoken in the recording in the field ``audio_file``."""
        query = read_query(request, DetectionQuery)
        context_of(request).log["model"] = hub.catalog.model(None, Slot.STT).model.id
        job = TranscriptionJob(
            audio_track=track_of(query), timeout_s=patience_s(request), on_track=track_noted(request)
        )
        with fields_named():
            upload = await read_upload(
                request, encode=query.encode, limit_bytes=hub.settings.max_upload_bytes
            )
            code = await while_connected(request, hub.transcription.detect_language(upload.file, job))
        return DetectedLanguage(detected_language=language_name(code), language_code=code)


def _answer(
    transcript: Transcript, output: str, placement: Placement, filename: str, *, words: bool
) -> Response[str]:
    return Response(
        to_output(transcript, output, words=words),
        media_type="text/plain",
        headers={
            "Asr-Engine": placement.engine.spec.name,
            "Content-Disposition": f'attachment; filename="{filename}.{output}"',
            **warning_headers(transcript),
        },
    )
