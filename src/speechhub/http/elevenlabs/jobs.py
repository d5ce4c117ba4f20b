"""ElevenLabs' requests as jobs of the speech services."""

from collections.abc import Mapping
from typing import Final

import msgspec

from speechhub.http.elevenlabs.formats import OutputFormat
from speechhub.http.refusal import refusal
from speechhub.http.schemas.elevenlabs import ElevenLabsSpeech, ElevenLabsVoiceSettings
from speechhub.services.speech_job import SpeechJob
from speechhub.settings import Settings
from speechhub.speakable import Normalization

THEIRS: Final = "eleven_"
"""What the names of ElevenLabs' models begin with."""
QUERY_FIELDS: Final = ("model_id", "language_code", "seed", "apply_text_normalization")
"""Fields of a request that a WebSocket has in its query."""


def speech_job(
    voice_id: str,
    data: ElevenLabsSpeech,
    out: OutputFormat,
    settings: Settings,
    *,
    timeout_s: float | None = None,
) -> SpeechJob:
    """Return what a request wants to hear.

    Args:
        voice_id: From its path.
        data: Its body, or what stands for it on a WebSocket.
        out: How the audio leaves.
        settings: The server's; an alias for one of ElevenLabs' models is an operator's wish.
        timeout_s: How long the client will wait; None if it does not say.
    """
    theirs = (data.model_id or "").startswith(THEIRS) and data.model_id not in settings.aliases
    speed = data.voice_settings.speed if data.voice_settings else None
    return SpeechJob(
        text=data.text,
        model=None if theirs else data.model_id or None,
        voice=voice_id,
        format=out.made,
        sample_rate=out.sample_rate,
        bit_rate=out.bit_rate,
        speed=1.0 if speed is None else speed,
        language=data.language_code or None,
        seed=data.seed,
        text_normalization=Normalization.NONE if data.apply_text_normalization == "off" else None,
        timeout_s=timeout_s,
    )


def from_query(query: Mapping[str, str], voice_settings: ElevenLabsVoiceSettings | None) -> ElevenLabsSpeech:
    """Return what the query of a WebSocket and its first message say, without a text.

    Raises:
        RequestError: A value of the query does not fit its field.
    """
    fields = {"text": ""} | {name: query[name] for name in QUERY_FIELDS if query.get(name)}
    try:
        said = msgspec.convert(fields, ElevenLabsSpeech, strict=False)
    except msgspec.ValidationError as error:
        raise refusal("", fields, ElevenLabsSpeech, strict=False) from error
    return msgspec.structs.replace(said, voice_settings=voice_settings)
