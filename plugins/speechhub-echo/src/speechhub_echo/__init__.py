"""Engines without weights for speechhub: a tutorial, and a test double.

This module is read by the hub: it describes the engines and imports nothing heavy. The engines themselves are
named by path and imported in the worker only.
"""

from speechhub.engine import (
    EmotionMode,
    EngineSpec,
    ModelSpec,
    Slot,
    SttCapabilities,
    TtsCapabilities,
    Voice,
    options_of,
)
from speechhub_echo.faults import EchoSttSettings, EchoTtsSettings

STT = EngineSpec(
    name="echo-stt",
    slot=Slot.STT,
    api_version=2,
    factory="speechhub_echo.stt:EchoStt",
    options=options_of(EchoSttSettings),
    description="Hears the same words in the same audio; for tests and for learning",
    models=(ModelSpec(id="echo-stt", licence="Apache-2.0", preference=-1),),
    capabilities=SttCapabilities(
        sample_rate=16_000,
        max_batch=8,
        segment_timestamps=True,
        word_timestamps=True,
        language_detection=True,
        detects_per_passage=True,
        translation=True,
        streaming=True,
        live_sessions=True,
        prompt=True,
        hotwords=True,
        temperature=True,
    ),
)
"""Named by the entry point in pyproject.toml; this is how the hub knows the engine."""

TTS = EngineSpec(
    name="echo-tts",
    slot=Slot.TTS,
    factory="speechhub_echo.tts:EchoTts",
    options=options_of(EchoTtsSettings),
    description="Speaks in tones, one for each word; for tests and for learning",
    models=(
        ModelSpec(
            id="echo-tts",
            licence="Apache-2.0",
            preference=-1,
            voices=(Voice(id="low", name="Low"), Voice(id="high", name="High")),
        ),
        ModelSpec(
            id="echo-clone",
            licence="Apache-2.0",
            preference=-1,
            voices=(Voice(id="low", name="Low"), Voice(id="high", name="High")),
            capabilities=TtsCapabilities(
                streaming=True,
                cloning=True,
                reference_sample_rate=16_000,
                longest_reference_s=15.0,
                emotions=(EmotionMode.AUDIO, EmotionMode.VECTOR, EmotionMode.TEXT),
                seed=True,
                silence_interval=True,
            ),
        ),
    ),
    capabilities=TtsCapabilities(streaming=True),
)
"""Named by the entry point in pyproject.toml; this is how the hub knows the engine."""
