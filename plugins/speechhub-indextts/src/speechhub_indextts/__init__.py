"""IndexTTS-2 and 2.5 for speechhub, through the packages indextts2-inference and indextts25-inference.

This module is read by the hub: it describes the engine and imports nothing heavy. What the engine itself
needs is listed in engine-requirements.txt beside this file, all of it pinned; it is installed without the
dependencies that the packages declare. One set serves both generations.
"""

from dataclasses import replace

from speechhub.engine import (
    EmotionMode,
    EngineSpec,
    HubSource,
    ModelFile,
    ModelPart,
    ModelSpec,
    Slot,
    TextPart,
    TtsCapabilities,
    options_of,
)
from speechhub_indextts.settings import IndexTtsSettings

CAPABILITIES = TtsCapabilities(
    streaming=True,
    # Half a minute of speech, so that other requests get their turn in between. A segment is at most a third.
    longest_input_chars=400,
    cloning=True,
    # The models use 22.05 kHz, and 16 kHz which they make from it.
    reference_sample_rate=22_050,
    longest_reference_s=15.0,
    emotions=(EmotionMode.AUDIO, EmotionMode.VECTOR, EmotionMode.TEXT),
    seed=True,
    silence_interval=True,
    annotations=True,
    # By NeMo's grammars, for the languages that the models know best.
    normalizes=(
        TextPart.NUMBERS,
        TextPart.NOTATION,
        TextPart.COMMON_ABBREVIATIONS,
        TextPart.ABBREVIATIONS,
    ),
)

LICENCE = "bilibili-Model-Use-License"
LICENCE_URL = "https://github.com/index-tts/index-tts/blob/main/LICENSE"

W2V_BERT = ModelPart(
    name="w2v-bert",
    folder="hf_cache/w2v-bert-2.0",
    hub=HubSource(repo="facebook/w2v-bert-2.0"),
    files=(
        ModelFile(path="config.json"),
        ModelFile(path="preprocessor_config.json"),
        ModelFile(path="model.safetensors"),
    ),
    licence="MIT",
    download_bytes=2_320_000_000,
)
CAMPPLUS = ModelPart(
    name="campplus",
    folder="hf_cache/campplus",
    hub=HubSource(repo="funasr/campplus"),
    files=(ModelFile(path="campplus_cn_common.bin"),),
    licence="Apache-2.0",
    download_bytes=28_000_000,
)
SEMANTIC_CODEC = ModelPart(
    name="semantic-codec",
    folder="hf_cache/maskgct",
    hub=HubSource(repo="amphion/MaskGCT"),
    files=(ModelFile(path="semantic_codec/model.safetensors"),),
    licence="CC-BY-NC-4.0",
    download_bytes=177_000_000,
)
BIGVGAN = ModelPart(
    name="bigvgan",
    folder="hf_cache/bigvgan",
    hub=HubSource(repo="nvidia/bigvgan_v2_22khz_80band_256x"),
    files=(ModelFile(path="config.json"), ModelFile(path="bigvgan_generator.pt")),
    licence="MIT",
    download_bytes=450_000_000,
)

INDEXTTS_2 = ModelSpec(
    id="indextts-2",
    hub=HubSource(repo="IndexTeam/IndexTTS-2"),
    parts=(W2V_BERT, CAMPPLUS, SEMANTIC_CODEC, BIGVGAN),
    languages=("zh", "en"),
    licence=LICENCE,
    licence_url=LICENCE_URL,
    must_accept_licence=True,
    memory_bytes=3_900_000_000,
    download_bytes=5_900_000_000,
    # On a GPU it comes before every voice that runs on the CPU; without a GPU, Piper's 10 wins.
    preference=8,
)
"""`memory_bytes` is the least; with more, voices are analysed on the GPU too: docs/engines/indextts.md."""

INDEXTTS_25 = ModelSpec(
    id="indextts-2.5",
    hub=HubSource(repo="IndexTeam/IndexTTS-2.5"),
    parts=(W2V_BERT, CAMPPLUS, BIGVGAN),
    languages=("zh", "en", "ja", "es", "ar"),
    licence=LICENCE,
    licence_url=LICENCE_URL,
    must_accept_licence=True,
    memory_bytes=3_700_000_000,
    download_bytes=5_500_000_000,
    preference=6,
    capabilities=replace(CAPABILITIES, native_speed=True),
)
"""Smaller and faster, in five languages, and with a pace of its own."""

ENGINE = EngineSpec(
    name="indextts",
    slot=Slot.TTS,
    factory="speechhub_indextts.engine:IndexTtsEngine",
    description="IndexTTS-2 and 2.5: cloned voices with emotions",
    options=options_of(IndexTtsSettings),
    models=(INDEXTTS_2, INDEXTTS_25),
    capabilities=CAPABILITIES,
    devices=("cuda", "cpu"),
    compute="speechhub_indextts.compute:compute",
    prebuild="speechhub_indextts.grammars:prebuild",
    accepts_any_model=True,
)
"""Named by the entry point in pyproject.toml; this is how the hub knows the engine."""
