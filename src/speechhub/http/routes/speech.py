"""POST /v1/audio/speech."""

import math
from collections.abc import AsyncGenerator
from dataclasses import replace

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Stream
from msgspec import UNSET, UnsetType

from speechhub.codecs.encode import SpeechFormat
from speechhub.errors import InvalidValueError
from speechhub.http.client_timeout import patience_s
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import closed_with, while_connected
from speechhub.http.emotions import emotion_wish
from speechhub.http.facts import FACTS, Body, RouteFacts, Workload
from speechhub.http.ignored import note_ignored, unknown_fields
from speechhub.http.openapi.content import speech_content
from speechhub.http.openapi.described import DESCRIBED, OPENAI, Described
from speechhub.http.openapi.examples import SPEECH_REQUESTS
from speechhub.http.render import CHARS_PER_TOKEN, TOKENS_PER_S
from speechhub.http.schemas.audio import CreateSpeech, PlainTokenUsage, SpeechDelta, SpeechDone, VoiceRef
from speechhub.http.sse import event_stream
from speechhub.hub import Hub
from speechhub.services.catalog import slot_of
from speechhub.services.speech import SpeechStream
from speechhub.services.speech_job import SpeechJob
from speechhub.speakable import Normalization


class SpeechController(Controller):
    """Speech from texts."""

    path = "/v1/audio/speech"
    tags = (OPENAI,)

    @post(
        status_code=200,
        summary="Speak a text",
        opt={
            FACTS: RouteFacts(workload=Workload.ENGINE, body=Body.SPEECH),
            DESCRIBED: Described(
                errors=("400", "401", "404", "408", "413", "429", "500", "503"),
                requests=SPEECH_REQUESTS,
                content=speech_content,
            ),
        },
    )
    async def create_speech(
        self,
        request: HttpRequest,
        data: JSONBody[CreateSpeech],
        hub: NamedDependency[Hub],
    ) -> Stream:
        """Speak the text in ``input``; the audio is sent while it is made."""
        context = context_of(request)
        job = _job(data, model=data.model or context.deployment, default=hub.settings.speech_format)
        job = replace(job, timeout_s=patience_s(request))
        context.log |= {"model": job.model, "chars": len(job.text)}
        note_ignored(request.scope, unknown_fields(await request.body(), CreateSpeech.__struct_fields__))
        stream = await while_connected(request, closed_with(context.exit_stack, hub.speech.open(job)))
        if data.stream_format == "sse":
            return event_stream(_events(stream, len(job.text)), request.scope)
        headers = {} if stream.size_bytes is None else {"content-length": str(stream.size_bytes)}
        return Stream(stream, media_type=job.format.media_type, headers=headers)


def _job(data: CreateSpeech, *, model: str | None, default: str) -> SpeechJob:
    events = data.stream_format == "sse"
    if events and data.stream is False:
        raise InvalidValueError(
            "stream false cannot be combined with stream_format 'sse', whose events are a stream: omit one.",
            param="stream",
        )
    # Clients that name one of OpenAI's models were written for OpenAI's default.
    fallback = "mp3" if model and slot_of(model) else default
    return SpeechJob(
        text=data.input,
        model=model,
        voice=data.voice.id if isinstance(data.voice, VoiceRef) else data.voice,
        format=SpeechFormat(data.response_format or fallback),
        sample_rate=data.sample_rate,
        speed=1.0 if data.speed is None else data.speed,
        instructions=data.instructions,
        emotion=emotion_wish(data.emotion) if data.emotion else None,
        language=data.language,
        whole=False if events else None if data.stream is None else not data.stream,
        seed=data.seed,
        silence_interval_ms=data.silence_interval_ms,
        text_normalization=Normalization(data.text_normalization) if data.text_normalization else None,
    )


async def _events(stream: SpeechStream, chars: int) -> AsyncGenerator[msgspec.Struct, None]:
    text: str | UnsetType = stream.text
    async for audio in stream:
        yield SpeechDelta(audio=audio, text=text)
        text = UNSET
    read, spoken = math.ceil(chars / CHARS_PER_TOKEN), math.ceil(stream.spoken_s * TOKENS_PER_S)
    yield SpeechDone(
        usage=PlainTokenUsage(input_tokens=read, output_tokens=spoken, total_tokens=read + spoken)
    )
