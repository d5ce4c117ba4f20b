"""Examples for the OpenAPI description: what clients send, and what they get."""

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]

TEXT: Final = "The keeper climbed the stairs to light the lamp."
TIMES: Final = "00:00:00,000 --> 00:00:02,840"
SEGMENT: Final[Json] = {
    "id": 0,
    "seek": 0,
    "start": 0.0,
    "end": 2.84,
    "text": f" {TEXT}",
    "tokens": [440, 1114, 260],
    "temperature": 0.0,
    "avg_logprob": -0.21,
    "compression_ratio": 0.96,
    "no_speech_prob": 0.01,
}
VERBOSE: Final[Json] = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.84,
    "text": TEXT,
    "segments": [SEGMENT],
    "usage": {"type": "duration", "seconds": 3},
}
PLAIN: Final[Json] = {
    "text": TEXT,
    "languages": [{"code": "en"}],
    "usage": {"type": "duration", "seconds": 3},
}
DIARIZED: Final[Json] = {
    "task": "transcribe",
    "duration": 2.84,
    "text": TEXT,
    "segments": [
        {
            "type": "transcript.text.segment",
            "id": "seg_0",
            "start": 0.0,
            "end": 2.84,
            "text": f" {TEXT}",
            "speaker": "A",
        }
    ],
    "usage": {"type": "duration", "seconds": 3},
}
MODEL: Final[Json] = {
    "id": "whisper-1",
    "object": "model",
    "created": 1767225600,
    "owned_by": "whisper",
    "task": "stt",
    "alias_of": "whisper-base",
    "languages": ["en", "zh"],
    "device": "cpu",
    "device_note": "",
    "state": "ready",
    "voices": [],
    "capabilities": {"word_timestamps": True},
}
CREATED_VOICE: Final[Json] = {
    "id": "voice_3f9d2c1ab04e58d7c6f1a2b3",
    "object": "audio.voice",
    "created_at": 1767225600,
    "name": "Anna",
    "type": "audio_sample",
}
VOICE: Final[Json] = CREATED_VOICE | {
    "consent": "cons_8c2e4a6f1b3d5e7f9a0b1c2d",
    "duration_s": 9.84,
    "aliases": ["alloy"],
    "warnings": [],
}
CONSENT: Final[Json] = {
    "id": "cons_8c2e4a6f1b3d5e7f9a0b1c2d",
    "object": "audio.voice_consent",
    "created_at": 1767225600,
    "name": "Anna",
    "language": "en-US",
}
VOICES: Final[Json] = {
    "voices": [{"id": "joe", "name": "Joe", "model": "piper-en-us-joe", "languages": ["en"]}],
    "object": "list",
    "data": [VOICE],
}
SPEECH_VOICE: Final[Json] = {
    "id": "piper-en-us-joe/joe",
    "object": "voice",
    "model_id": "piper-en-us-joe",
    "voice_id": "joe",
    "created": 1767225600,
    "owned_by": "piper",
    "sample_rate": 24000,
    "model_path": "",
}

TRANSCRIPTIONS: Final[Json] = {
    "json": {"value": PLAIN},
    "verbose_json": {"value": VERBOSE},
    "diarized_json": {"value": DIARIZED},
}
TRANSLATIONS: Final[Json] = {
    "json": {"value": PLAIN},
    "verbose_json": {"value": VERBOSE | {"task": "translate"}},
}
DETECTED: Final[Json] = {"detected_language": "english", "language_code": "en", "confidence": None}
AUDIO_MODELS: Final[Json] = {"models": [{"id": "whisper-1", "task": "stt"}]}

SUBTITLES: Final[Json] = {
    "text": {"value": f"{TEXT}\n"},
    "srt": {"value": f"1\n{TIMES}\n{TEXT}\n\n\n"},
    "vtt": {"value": f"WEBVTT\n\n{TIMES.replace(',', '.')}\n{TEXT}\n\n"},
}

ASR_TEXTS: Final[Json] = {
    "txt": {"value": f"{TEXT}\n"},
    "srt": SUBTITLES["srt"],
    "vtt": SUBTITLES["vtt"],
    "tsv": {"value": f"start\tend\ttext\n0\t2840\t{TEXT}\n"},
}

ELEVENLABS_REQUESTS: Final[Json] = {
    "elevenlabs": {"value": {"text": TEXT, "model_id": "eleven_multilingual_v2"}},
    "elevenlabs_faster": {"value": {"text": TEXT, "voice_settings": {"speed": 1.1}}},
}

SPEECH_REQUESTS: Final[Json] = {
    "minimal": {"value": {"model": "tts-1", "voice": "alloy", "input": TEXT}},
    "everything": {
        "value": {
            "model": "gpt-4o-mini-tts",
            "voice": "marin",
            "input": TEXT,
            "instructions": "Calmly.",
            "response_format": "opus",
            "speed": 1.25,
            "stream_format": "audio",
        }
    },
    "own": {
        "summary": "Defaults of this server, which OpenAI lacks",
        "value": {"input": TEXT},
    },
}

FIELDS: Final[Mapping[str, list[Any]]] = {
    "model": ["whisper-1"],
    "language": ["en"],
    "languages": [["en"]],
    "prompt": ["The lighthouse of Skerryvore."],
    "response_format": ["verbose_json"],
    "temperature": [0],
    "timestamp_granularities": [["segment"]],
    "keywords": [["Skerryvore"]],
    "chunking_strategy": ["auto"],
}
"""Form field → examples."""

_ERRORS: Final[Mapping[str, tuple[str, str | None, str | None, str]]] = {
    "400": (
        "invalid_request_error",
        "speed",
        "invalid_value",
        "Invalid value 9.0 for 'speed': it must be a number from 0.25 to 4.",
    ),
    "401": ("invalid_request_error", None, "invalid_api_key", "Incorrect API key provided."),
    "403": (
        "invalid_request_error",
        "model",
        "model_not_deletable",
        "The model 'whisper-1' belongs to this server and cannot be deleted through the API.",
    ),
    "404": ("invalid_request_error", "model", "model_not_found", "The model 'x' does not exist."),
    "408": ("invalid_request_error", None, "upload_timeout", "The request body stopped arriving."),
    "409": ("invalid_request_error", "name", "voice_exists", "There is a custom voice 'Anna' already."),
    "413": ("server_error", "file", None, "Maximum content size limit (26214400 bytes) exceeded."),
    "415": ("invalid_request_error", None, None, "Send the recording as multipart/form-data."),
    "429": ("requests", None, "rate_limit_exceeded", "Rate limit reached: 60 requests per minute."),
    "500": ("server_error", None, "engine_error", "The engine failed."),
    "503": ("server_error", None, "server_is_overloaded", "Too many requests wait for this model."),
}
"""Status → type, param, code and message."""


def error_example(status: str) -> Json:
    """Return an answer with this status."""
    kind, param, code, message = _ERRORS[status]
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


CLIENT_SECRETS: Final[Json] = {
    "transcription": {
        "value": {
            "expires_after": {"anchor": "created_at", "seconds": 600},
            "session": {
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "gpt-live-transcribe", "language": "en"}}},
            },
        }
    },
    "speech": {"value": {"session": {"type": "realtime", "model": "gpt-realtime"}}},
}
_PCM: Final[Json] = {"type": "audio/pcm", "rate": 24000}
CLIENT_SECRET: Final[Json] = {
    "value": "ek_6f1c2a9d8e7b4c3a5f0e1d2c3b4a5968",
    "expires_at": 1767226200,
    "session": {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": "sess_3f9d2c1ab04e58d7c6f1",
        "expires_at": 1767229200,
        "audio": {
            "input": {
                "format": _PCM,
                "transcription": {"model": "gpt-live-transcribe", "language": "en"},
                "noise_reduction": None,
                "turn_detection": None,
            }
        },
        "include": None,
    },
}
TRANSCRIPTION_SESSION: Final[Json] = {
    "id": "sess_3f9d2c1ab04e58d7c6f1",
    "object": "realtime.transcription_session",
    "expires_at": 1767229200,
    "modalities": ["audio", "text"],
    "input_audio_format": "pcm16",
    "input_audio_transcription": {"model": "gpt-4o-transcribe"},
    "input_audio_noise_reduction": None,
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
    "include": None,
    "client_secret": {"value": "ek_6f1c2a9d8e7b4c3a5f0e1d2c3b4a5968", "expires_at": 1767226200},
}
