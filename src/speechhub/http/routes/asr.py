"""POST /asr and /detect-language, as Bazarr and other clients of whisper-asr-webservice ask for them."""

from dataclasses import replace

from litestar import Response, post
from litestar.di import NamedDependency

from speechhub.domain.language import language_name
from speechhub.engine import Slot
from speechhub.http.asr_queries import fields_named, job_of, read_query, read_upload, track_of
from speechhub.http.asr_render import to_output
from speechhub.http.client_timeout import patience_s
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import while_connected
from speechhub.http.openapi.document import OWN
from speechhub.http.render import warning_headers
from speechhub.http.schemas.asr import AsrQuery, DetectedLanguage, DetectionQuery
from speechhub.http.tracks import track_noted
from speechhub.services.catalog import Catalog
from speechhub.services.transcription import TranscriptionJob, TranscriptionService


@post("/asr", status_code=200, summary="Transcribe, for clients of whisper-asr-webservice", tags=[OWN])
async def create_asr_transcript(
    request: HttpRequest,
    catalog: NamedDependency[Catalog],
    transcription: NamedDependency[TranscriptionService],
) -> Response[str]:
    """Transcribe, or translate, the recording in the field ``audio_file`` with the default model."""
    query, placement = read_query(request, AsrQuery), catalog.model(None, Slot.STT)
    context_of(request).log["model"] = placement.model.id
    job = replace(job_of(query, timeout_s=patience_s(request)), on_track=track_noted(request))
    with fields_named():
        upload = await read_upload(request, encode=query.encode)
        transcript = await while_connected(request, transcription.transcribe(upload.file, job))
    return Response(
        to_output(transcript, query.output, words=job.words),
        media_type="text/plain",
        headers={
            "Asr-Engine": placement.engine.spec.name,
            "Content-Disposition": f'attachment; filename="{upload.filename}.{query.output}"',
            **warning_headers(transcript),
        },
    )


@post("/detect-language", status_code=200, summary="Tell the language of a recording", tags=[OWN])
async def detect_language(
    request: HttpRequest,
    catalog: NamedDependency[Catalog],
    transcription: NamedDependency[TranscriptionService],
) -> DetectedLanguage:
    """Tell which language is spoken in the recording in the field ``audio_file``, as far as it takes."""
    query, placement = read_query(request, DetectionQuery), catalog.model(None, Slot.STT)
    context_of(request).log["model"] = placement.model.id
    job = TranscriptionJob(
        audio_track=track_of(query), timeout_s=patience_s(request), on_track=track_noted(request)
    )
    with fields_named():
        upload = await read_upload(request, encode=query.encode)
        code = await while_connected(request, transcription.detect_language(upload.file, job))
    return DetectedLanguage(detected_language=language_name(code), language_code=code)
