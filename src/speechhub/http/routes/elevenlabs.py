"""ElevenLabs' routes: speech from a text, speech with times, voices, and text that is still being written."""

import base64
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

import msgspec
from litestar import Controller, get, post, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Stream

from speechhub.engine import Slot
from speechhub.errors import VoiceNotFoundError
from speechhub.http.client_timeout import patience_s
from speechhub.http.context import HttpRequest, context_of
from speechhub.http.disconnect import closed_with, while_connected
from speechhub.http.elevenlabs.alignment import aligned
from speechhub.http.elevenlabs.conversation import TextConversation
from speechhub.http.elevenlabs.errors import SHAPED_HANDLERS
from speechhub.http.elevenlabs.formats import OutputFormat, output_format
from speechhub.http.elevenlabs.jobs import speech_job
from speechhub.http.facts import FACTS, Body, RouteFacts, Workload
from speechhub.http.ignored import note_ignored, unknown_fields
from speechhub.http.openapi.content import elevenlabs_speech_content, elevenlabs_timed_content
from speechhub.http.openapi.described import DESCRIBED, ELEVENLABS, Described
from speechhub.http.openapi.examples import ELEVENLABS_REQUESTS
from speechhub.http.schemas.elevenlabs import (
    ElevenLabsAlignment,
    ElevenLabsSpeech,
    ElevenLabsTimedAudio,
    ElevenLabsVoice,
    ElevenLabsVoicePage,
    ElevenLabsVoices,
)
from speechhub.http.sockets.session import HttpSocket, in_session
from speechhub.hub import Hub
from speechhub.services.speech_job import SpeechJob
from speechhub.services.streamed_speech import StreamedSpeech

SPEAKS: Final = RouteFacts(workload=Workload.ENGINE, body=Body.SPEECH)
LISTS: Final = Described(errors=("400", "401", "500", "503"), errors_of="ElevenLabs")
VOICE: Final = Described(errors=("400", "401", "404", "500", "503"), errors_of="ElevenLabs")
SPOKEN: Final = Described(
    errors=("400", "401", "404", "408", "413", "429", "500", "503"),
    errors_of="ElevenLabs",
    requests=ELEVENLABS_REQUESTS,
    content=elevenlabs_speech_content,
)
TIMED: Final = replace(SPOKEN, content=elevenlabs_timed_content)


class ElevenLabsController(Controller):
    """Speech and voices for clients of ElevenLabs."""

    path = "/v1"
    tags = (ELEVENLABS,)
    exception_handlers = SHAPED_HANDLERS

    @post(
        "/text-to-speech/{voice_id:str}",
        status_code=200,
        summary="Speak a text, for clients of ElevenLabs",
        opt={
            FACTS: SPEAKS,
            DESCRIBED: SPOKEN,
        },
    )
    async def create_elevenlabs_speech(
        self,
        request: HttpRequest,
        data: JSONBody[ElevenLabsSpeech],
        voice_id: FromPath[str],
        hub: NamedDependency[Hub],
        output_format: FromQuery[str | None] = None,
    ) -> Stream:
        """Speak ``text``; the audio is sent while it is made."""
        return await _spoken(request, data, voice_id, output_format, hub)

    @post(
        "/text-to-speech/{voice_id:str}/stream",
        status_code=200,
        summary="Speak a text, for clients of ElevenLabs that want it as it is made",
        opt={
            FACTS: SPEAKS,
            DESCRIBED: SPOKEN,
        },
    )
    async def stream_elevenlabs_speech(
        self,
        request: HttpRequest,
        data: JSONBody[ElevenLabsSpeech],
        voice_id: FromPath[str],
        hub: NamedDependency[Hub],
        output_format: FromQuery[str | None] = None,
    ) -> Stream:
        """Do the same as the path without ``/stream``."""
        return await _spoken(request, data, voice_id, output_format, hub)

    @post(
        "/text-to-speech/{voice_id:str}/stream/with-timestamps",
        status_code=200,
        summary="Speak a text and tell when each character is heard, for clients of ElevenLabs",
        opt={
            FACTS: SPEAKS,
            DESCRIBED: TIMED,
        },
    )
    async def time_elevenlabs_speech(
        self,
        request: HttpRequest,
        data: JSONBody[ElevenLabsSpeech],
        voice_id: FromPath[str],
        hub: NamedDependency[Hub],
        output_format: FromQuery[str | None] = None,
    ) -> Stream:
        """Answer with lines of JSON: audio in base64, and the times of the sentences that ended with it."""
        out, job = await _read(request, data, voice_id, output_format, hub)
        hub.speech.check_text(job)
        speech = await closed_with(context_of(request).exit_stack, hub.streamed_speech.open(job))
        await speech.write(job.text)
        speech.end()
        lines = _timed(speech, out)
        first = await while_connected(request, anext(lines, b""))
        return Stream(_after(first, lines), media_type="application/x-ndjson")

    @get(
        "/voices",
        summary="List the voices, for clients of ElevenLabs",
        opt={FACTS: RouteFacts(may_load=True), DESCRIBED: LISTS},
    )
    async def list_elevenlabs_voices(self, hub: NamedDependency[Hub]) -> ElevenLabsVoices:
        """List the voices of the default TTS model, and the custom ones."""
        return ElevenLabsVoices(voices=await _voices(hub))

    @get(
        "/voices/{voice_id:str}",
        summary="Describe a voice, for clients of ElevenLabs",
        opt={
            FACTS: RouteFacts(may_load=True),
            DESCRIBED: VOICE,
        },
    )
    async def retrieve_elevenlabs_voice(
        self, voice_id: FromPath[str], hub: NamedDependency[Hub]
    ) -> ElevenLabsVoice:
        """Describe a voice of the default TTS model, or a custom one."""
        found = [voice for voice in await _voices(hub) if voice.voice_id == voice_id]
        if not found:
            raise VoiceNotFoundError(voice_id)
        return found[0]

    @websocket("/text-to-speech/{voice_id:str}/stream-input", opt={FACTS: SPEAKS})
    async def stream_input(
        self, socket: HttpSocket, voice_id: FromPath[str], hub: NamedDependency[Hub]
    ) -> None:
        """Speak a text that is still being written."""
        await in_session(
            socket,
            lambda it, context: TextConversation(it, context, hub, voice_id, socket.query_params, many=False),
        )

    @websocket("/text-to-speech/{voice_id:str}/multi-stream-input", opt={FACTS: SPEAKS})
    async def multi_stream_input(
        self, socket: HttpSocket, voice_id: FromPath[str], hub: NamedDependency[Hub]
    ) -> None:
        """Speak texts that are still being written, each in a context of its own."""
        await in_session(
            socket,
            lambda it, context: TextConversation(it, context, hub, voice_id, socket.query_params, many=True),
        )


class ElevenLabsPagesController(Controller):
    """The list of voices, as newer clients of ElevenLabs ask for it."""

    path = "/v2"
    tags = (ELEVENLABS,)
    exception_handlers = SHAPED_HANDLERS

    @get(
        "/voices",
        summary="List the voices page by page, for clients of ElevenLabs",
        opt={FACTS: RouteFacts(may_load=True), DESCRIBED: LISTS},
    )
    async def list_elevenlabs_voice_page(
        self, hub: NamedDependency[Hub], search: FromQuery[str | None] = None
    ) -> ElevenLabsVoicePage:
        """List the voices of the default TTS model and the custom ones, on one page."""
        wanted = (search or "").casefold()
        voices = [
            voice
            for voice in await _voices(hub)
            if wanted in voice.name.casefold() or wanted in voice.voice_id.casefold()
        ]
        return ElevenLabsVoicePage(
            voices=voices, has_more=False, total_count=len(voices), next_page_token=None
        )


async def _read(
    request: HttpRequest, data: ElevenLabsSpeech, voice_id: str, wanted: str | None, hub: Hub
) -> tuple[OutputFormat, SpeechJob]:
    """Return how the audio leaves, and the job; note both for the log, and what is ignored for the client."""
    out = output_format(wanted)
    job = speech_job(voice_id, data, out, hub.settings, timeout_s=patience_s(request))
    context_of(request).log |= {"model": job.model, "chars": len(job.text)}
    note_ignored(request.scope, unknown_fields(await request.body(), ElevenLabsSpeech.__struct_fields__))
    return out, job


async def _spoken(
    request: HttpRequest, data: ElevenLabsSpeech, voice_id: str, wanted: str | None, hub: Hub
) -> Stream:
    out, job = await _read(request, data, voice_id, wanted, hub)
    stream = await while_connected(request, closed_with(context_of(request).exit_stack, hub.speech.open(job)))
    headers = {}
    if stream.size_bytes is not None and out.law is None:
        headers["content-length"] = str(stream.size_bytes)
    return Stream(out.coded(stream), media_type=out.media_type, headers=headers)


async def _voices(hub: Hub) -> list[ElevenLabsVoice]:
    custom = await hub.voices.pools.disk.run(hub.voices.library.voices)
    found: list[ElevenLabsVoice] = []
    if hub.catalog.defaults[Slot.TTS] is not None:
        model = hub.catalog.tts(None)
        found = [
            ElevenLabsVoice(
                voice_id=voice.id,
                name=voice.name or voice.id,
                category="premade",
                labels={"language": voice.languages[0]} if voice.languages else {},
            )
            for voice in await hub.speech.voices(model)
        ]
    return found + [
        ElevenLabsVoice(voice_id=voice.id, name=voice.name, category="cloned") for voice in custom
    ]


async def _timed(speech: StreamedSpeech, out: OutputFormat) -> AsyncGenerator[bytes, None]:
    """Yield lines of JSON."""
    told = 0
    async for audio in out.coded(speech):
        told, line = len(speech.sentences), _line(speech, audio, told)
        yield line
    if told < len(speech.sentences):
        yield _line(speech, b"", told)


def _line(speech: StreamedSpeech, audio: bytes, told: int) -> bytes:
    times = None
    if sentences := speech.sentences[told:]:
        found = aligned(sentences)
        times = ElevenLabsAlignment(
            characters=found.characters,
            character_start_times_seconds=found.starts_s,
            character_end_times_seconds=found.ends_s,
        )
    encoded = base64.b64encode(audio).decode()
    return (
        msgspec.json.encode(
            ElevenLabsTimedAudio(audio_base64=encoded, alignment=times, normalized_alignment=times)
        )
        + b"\n"
    )


async def _after(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for line in rest:
        yield line
