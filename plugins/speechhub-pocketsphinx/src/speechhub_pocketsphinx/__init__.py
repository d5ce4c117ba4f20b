"""PocketSphinx for speechhub: English speech to text of an older kind, which hears while somebody speaks.

This module is read by the hub: it describes the engine and imports nothing heavy.
"""

from speechhub.engine import EngineSpec, ModelFile, ModelSpec, Slot, SttCapabilities, WheelFile, options_of
from speechhub_pocketsphinx.settings import PocketSphinxSettings


def _file(path: str, sha256: str, size_bytes: int) -> ModelFile:
    carrier = WheelFile(distribution="pocketsphinx", version="5.1.1", path=f"pocketsphinx/model/en-us/{path}")
    return ModelFile(path=path, sha256=sha256, size_bytes=size_bytes, wheel=(carrier,))


EN_US = ModelSpec(
    id="pocketsphinx-en-us",
    files=(
        _file(
            "cmudict-en-us.dict",
            "20b5c293e1f311fb375fe067e500ec5636f4fc7af5594967263696def9b23bfe",
            3_275_645,
        ),
        _file("en-us.lm.bin", "db21d0642286677699e6dbc859d2e5395570222361999387ce60f6e1d01995d6", 27_114_385),
        _file("en-us/README", "8b88de980568509c646d0527b8414beef136964391903b40996d32f737bf752e", 1_617),
        _file("en-us/feat.params", "c982c5f75e2a30c34d2c9ef1f6b129a5a00e67e3e927565076b58664cc2404c9", 164),
        _file("en-us/mdef", "2360f9a86889c1cfee8bd618a0269387911e5fb2920a594f506b18b8c79683b0", 2_959_176),
        _file("en-us/means", "832019e32cac12eb318964f96f469034acb12d0348eeddc3831831a100cb4dd4", 838_732),
        _file("en-us/noisedict", "7295b07df2c204c4f87c6782b6be1a3859d7006d4e3864181c955d6dab105a33", 56),
        _file("en-us/sendump", "8c9564c0d5bef69ca9d9bf1014abe162f071644cf02cf1fa8a483c3dc165a7a8", 1_969_024),
        _file(
            "en-us/transition_matrices",
            "c1f7f28ea43177be734be1f88bd7f1b9a853d0e660f8599c67c6eaeca8bb539a",
            2_080,
        ),
        _file("en-us/variances", "b00d696f85e96834fc10f8e5f06428d8c4db6bffdbe5845b6f69bf6efbc48fa5", 838_732),
    ),
    languages=("en",),
    licence="BSD-2-Clause",
    memory_bytes=500_000_000,
    preference=-1,  # every other model here makes fewer mistakes
)
"""CMU's and Alpha Cephei's generic American English. Licence: README of the acoustic model; see README.md."""

ENGINE = EngineSpec(
    name="pocketsphinx",
    slot=Slot.STT,
    api_version=2,
    factory="speechhub_pocketsphinx.engine:PocketSphinxEngine",
    description="PocketSphinx: small, English, many mistakes; hears while somebody speaks",
    options=options_of(PocketSphinxSettings),
    models=(EN_US,),
    capabilities=SttCapabilities(
        sample_rate=16_000,
        longest_input_s=30.0,
        segment_timestamps=True,
        word_timestamps=True,
        invents_words=True,
        live_sessions=True,
    ),
)
"""Named by the entry point in pyproject.toml; this is how the hub knows the engine."""
