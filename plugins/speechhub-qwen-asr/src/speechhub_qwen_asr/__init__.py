"""Qwen3-ASR for speechhub, through Qwen's own package qwen-asr.

This module is read by the hub: it describes the engine and imports nothing heavy. What the engine itself
needs is listed in engine-requirements.txt beside this file, all of it pinned; it is installed without the
dependencies that the packages declare.
"""

from speechhub.engine import EngineSpec, HubSource, ModelPart, ModelSpec, Slot, SttCapabilities, options_of
from speechhub_qwen_asr.languages import ALIGNED, LANGUAGES
from speechhub_qwen_asr.settings import QwenAsrSettings

CAPABILITIES = SttCapabilities(
    sample_rate=16_000,
    # Clips up to this length keep the token budget short, the memory small and loops rare; the hub cuts
    # longer recordings at silences.
    longest_input_s=30.0,
    max_batch=4,
    segment_timestamps=True,
    word_timestamps=True,
    word_languages=ALIGNED,
    language_detection=True,
    # When it is told one language, it translates speech in another.
    detects_per_passage=True,
    # It transcribes a fan or a passing car as a word or two.
    invents_words=True,
    streaming=True,
    prompt=True,
    hotwords=True,
    temperature=True,
)

ALIGNER = ModelPart(
    name="aligner",
    folder="aligner",
    hub=HubSource(repo="Qwen/Qwen3-ForcedAligner-0.6B"),
    licence="Apache-2.0",
    optional=True,
    enables="word_timestamps",
    option="aligner",
    download_bytes=1_840_000_000,
)
"""A second model, of 918 million parameters, that finds the words of a text in its audio."""

QWEN3_ASR_06B = ModelSpec(
    id="qwen3-asr-0.6b",
    hub=HubSource(repo="Qwen/Qwen3-ASR-0.6B"),
    parts=(ALIGNER,),
    languages=tuple(LANGUAGES),
    licence="Apache-2.0",
    memory_bytes=2_900_000_000,
    download_bytes=1_880_000_000,
    preference=20,
)
"""782 million parameters; fits a GPU of 4 GB, see docs/engines/qwen3-asr.md for the computation."""

QWEN3_ASR_17B = ModelSpec(
    id="qwen3-asr-1.7b",
    hub=HubSource(repo="Qwen/Qwen3-ASR-1.7B"),
    parts=(ALIGNER,),
    languages=tuple(LANGUAGES),
    licence="Apache-2.0",
    memory_bytes=5_500_000_000,
    download_bytes=4_700_000_000,
    preference=5,
)
"""2038 million parameters: fewer errors, above all in the less common languages."""

ENGINE = EngineSpec(
    name="qwen-asr",
    slot=Slot.STT,
    factory="speechhub_qwen_asr.engine:QwenAsrEngine",
    description="Qwen3-ASR: 30 languages; word times with Qwen3-ForcedAligner",
    options=options_of(QwenAsrSettings),
    models=(QWEN3_ASR_06B, QWEN3_ASR_17B),
    capabilities=CAPABILITIES,
    devices=("cuda", "cpu"),
    compute="speechhub_qwen_asr.compute:compute",
    accepts_any_model=True,
)
"""Named by the entry point in pyproject.toml; this is how the hub knows the engine."""
