"""POST /v1/audio/transcriptions and /v1/audio/translations."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, Final

import msgspec
from litestar import Controller, Response, post
from litestar.di import NamedDependency

from speechhub.engine import Task, Transcript
from speechhub.errors import MissingValueError
from speechhub.http import render
from speechhub.http.client_timeout import patience_s
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import closed_with, while_connected
from speechhub.http.facts import FACTS, Body, RouteFacts, Workload
from speechhub.http.forms import FIELDS, job_of, read_fields, unknown_fields
from speechhub.http.ignored import note_ignored
from speechhub.http.json_uploads import read_json
from speechhub.http.multipart import read_form
from speechhub.http.openapi.content import ONLY_TRANSCRIPTIONS, transcript_content, transcription_form
from speechhub.http.openapi.described import DESCRIBED, FORM_ERRORS, OPENAI, Described, header
from speechhub.http.openapi.examples import TRANSCRIPTIONS, TRANSLATIONS
from speechhub.http.render import WARNINGS_HEADER
from speechhub.http.schemas.audio import GroqRequest, TranscriptionFields
from speechhub.http.sse import event_stream
from speechhub.http.tracks import track_noted
from speechhub.hub import Hub

WORK: Final = RouteFacts(workload=Workload.ENGINE, body=Body.RECORDING)
WARNINGS: Final = {WARNINGS_HEADER: header("Warnings about the recording, separated by ` | `.")}


class TranscriptionsController(Controller):
    """Transcripts of recordings, and translations."""

    path = "/v1/audio"
    tags = (OPENAI,)

    @post(
        "/transcriptions",
        status_code=200,
        summary="Transcribe a recording",
        opt={
            FACTS: WORK,
            DESCRIBED: Described(
                errors=FORM_ERRORS,
                form=transcription_form,
                content=transcript_content,
                answers=TRANSCRIPTIONS,
                headers=WARNINGS,
            ),
        },
    )
    async def create_transcription(
        self,
        request: HttpRequest,
        hub: NamedDependency[Hub],
    ) -> Response[Any]:
        """Transcribe the recording in the field ``file`` in the language that is spoken."""
        return await _answer(request, hub, Task.TRANSCRIBE)

    @post(
        "/translations",
        status_code=200,
        summary="Translate a recording into English",
        opt={
            FACTS: WORK,
            DESCRIBED: Described(
                errors=FORM_ERRORS,
                form=partial(transcription_form, leave_out=ONLY_TRANSCRIPTIONS),
                content=transcript_content,
                answers=TRANSLATIONS,
                headers=WARNINGS,
            ),
        },
    )
    async def create_translation(
        self,
        request: HttpRequest,
        hub: NamedDependency[Hub],
    ) -> Response[Any]:
        """Transcribe the recording in the field ``file`` and translate it into English."""
        return await _answer(request, hub, Task.TRANSLATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """What a request holds, as a form or as JSON."""

    recording: BinaryIO | None
    """Closed with the request; None if there is none."""
    fields: TranscriptionFields
    unknown: list[str]
    """Names of fields beyond those of transcriptions."""


async def _answer(request: HttpRequest, hub: Hub, task: Task) -> Response[Any]:
    context, service = context_of(request), hub.transcription
    sent = await _read(request, hub)
    fields = sent.fields
    note_ignored(request.scope, sent.unknown)
    if fields.model is None:
        fields = msgspec.structs.replace(fields, model=context.deployment)
    context.log |= {"model": fields.model, "stream": fields.stream}
    if sent.recording is None:
        raise MissingValueError("file", "Send the recording in the form field 'file'.")
    job = replace(job_of(fields, task), timeout_s=patience_s(request), on_track=track_noted(request))
    if fields.stream:
        opening = closed_with(context.exit_stack, service.stream(sent.recording, job))
        events = await while_connected(request, opening)
        return event_stream(render.transcript_events(events, diarized=job.speakers), request.scope)
    transcript = await while_connected(request, service.transcribe(sent.recording, job))
    return Response(
        render_text(transcript, fields, task, groq_id=context.request_id if context.is_groq else None),
        media_type="text/plain" if fields.response_format in render.PLAIN else "application/json",
        headers=render.warning_headers(transcript),
    )


async def _read(request: HttpRequest, hub: Hub) -> _Sent:
    limit_bytes = hub.settings.max_upload_bytes
    if request.content_type[0] == "application/json":
        upload = await read_json(request, limit_bytes=limit_bytes, pool=hub.pools.decoding)
        return _Sent(recording=upload.file, fields=upload.fields, unknown=upload.unknown)
    form = await read_form(request, limit_bytes=limit_bytes, texts=FIELDS)
    if form.file is not None:
        context_of(request).exit_stack.callback(form.file.close)
    return _Sent(recording=form.file, fields=read_fields(form.fields), unknown=unknown_fields(form.fields))


def render_text(
    transcript: Transcript, fields: TranscriptionFields, task: Task, *, groq_id: str | None = None
) -> str:
    """Return the body of the answer, in the format that the fields ask for.

    Args:
        transcript: What was said.
        fields: What the client asked for.
        task: Whether it was translated.
        groq_id: Id of the request, where Groq's clients look for it; None leaves it out.
    """
    body: msgspec.Struct
    match fields.response_format:
        case "text":
            return render.to_text(transcript)
        case "srt" | "vtt":
            return render.to_subtitles(transcript, fields.response_format)
        case "verbose_json":
            granularities = fields.timestamp_granularities or ("segment",)
            body = render.to_verbose_json(transcript, task=task.value, granularities=granularities)
        case "diarized_json":
            return msgspec.json.encode(render.to_diarized_json(transcript, task=task.value)).decode()
        case "json":
            body = render.to_json(transcript)
    if groq_id is not None:
        body = msgspec.structs.replace(body, x_groq=GroqRequest(id=groq_id))
    return msgspec.json.encode(body).decode()
