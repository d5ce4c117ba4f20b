"""Computes how much memory IndexTTS takes, from the packages' own classes at their published sizes.

    python benchmarks/indextts_memory.py     # in an environment of speechhub-indextts

It needs no weights: everything runs on PyTorch's device "meta", which computes only shapes. Tensors that
exist at the same time are added up. Attention is counted as its fused kernels work, without a matrix of
scores. The memory of CUDA's libraries is not counted here; `placement.RUNTIME_BYTES` allows for it.
"""

import json
import sys
import weakref
from typing import Any

from omegaconf import OmegaConf
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from speechhub.engine import EngineLoadError
from speechhub_indextts.checkpoint import Generation
from speechhub_indextts.economy import HALF_BYTES, PACES, WASTE, Effort, at_work_bytes
from speechhub_indextts.packages import indextts25, infer_v2, quiet, torch, transformers
from speechhub_indextts.placement import Sizes, plan
from speechhub_indextts.sizes import sizes_of

REFERENCE_S, SEGMENT_S = 15, 30
FRAMES_PER_S = 22_050 / 256
BEAMS, PREFIX_TOKENS = 3, 34 + 122
CARDS_GB = (4, 6, 8, 12, 24)
GENERATIONS = {"Pascal": (6, 1), "Turing": (7, 5), "Ampere": (8, 6), "Ada": (8, 9)}
"""Cards by their compute capability."""
USABLE = 0.93
"""Share of a card's memory that its driver and a desktop leave free. An assumption."""

CONFORMER = {"output_size": 512, "input_layer": "conv2d2", "perceiver_mult": 2}
CONFIG: dict[str, Any] = {
    "gpt": {
        "model_dim": 1280, "heads": 20, "layers": 24, "max_mel_tokens": 1815, "max_text_tokens": 600,
        "number_mel_codes": 8194, "start_mel_token": 8192, "stop_mel_token": 8193,
        "start_text_token": 0, "stop_text_token": 1, "use_mel_codes_as_input": True,
        "mel_length_compression": 1024, "train_solo_embeddings": False,
        "condition_type": "conformer_perceiver",
        "condition_module": CONFORMER | {"linear_units": 2048, "attention_heads": 8, "num_blocks": 6},
        "emo_condition_module": CONFORMER | {"linear_units": 1024, "attention_heads": 4, "num_blocks": 4},
    },
    "semantic_codec": {
        "codebook_size": 8192, "hidden_size": 1024, "codebook_dim": 8, "vocos_dim": 384,
        "vocos_intermediate_dim": 2048, "vocos_num_layers": 12,
    },
    "s2mel": {
        "dit_type": "DiT", "reg_loss_type": "l1", "style_encoder": {"dim": 192},
        "length_regulator": {
            "channels": 512, "is_discrete": False, "in_channels": 1024, "content_codebook_size": 2048,
            "sampling_ratios": [1, 1, 1, 1], "vector_quantize": False, "n_codebooks": 1,
            "quantizer_dropout": 0.0, "f0_condition": False, "n_f0_bins": 512,
        },
        "DiT": {
            "hidden_dim": 512, "num_heads": 8, "depth": 13, "class_dropout_prob": 0.1, "block_size": 8192,
            "in_channels": 80, "style_condition": True, "final_layer_type": "wavenet", "target": "mel",
            "content_dim": 512, "content_codebook_size": 1024, "content_type": "discrete",
            "f0_condition": False, "n_f0_bins": 512, "content_codebooks": 1, "is_causal": False,
            "long_skip_connection": True, "zero_prompt_speech_token": False, "time_as_token": False,
            "style_as_token": False, "uvit_skip_connection": True, "add_resblock_in_transformer": False,
        },
        "wavenet": {
            "hidden_dim": 512, "num_layers": 8, "kernel_size": 5, "dilation_rate": 1, "p_dropout": 0.2,
            "style_condition": True,
        },
    },
}  # fmt: skip
"""The dimensions of the published config.yaml."""
TEXT_TOKENS = {Generation.V2: 12_000, Generation.V25: 60_509}
CODES_PER_S = {Generation.V2: 50, Generation.V25: 25}
BIGVGAN: dict[str, Any] = {
    "resblock": "1", "upsample_rates": [4, 4, 2, 2, 2, 2], "upsample_kernel_sizes": [8, 8, 4, 4, 4, 4],
    "upsample_initial_channel": 1536, "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5]] * 3, "use_tanh_at_final": False, "use_bias_at_final": False,
    "activation": "snakebeta", "snake_logscale": True, "num_mels": 80,
}  # fmt: skip
"""nvidia/bigvgan_v2_22khz_80band_256x."""
FEELING = {
    "vocab_size": 151_936, "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True,
}  # fmt: skip
"""Qwen3-0.6B."""


class Peak(TorchDispatchMode):  # type: ignore[misc]  # torch is not installed where types are checked
    """Adds up the storages that exist at the same time."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        # Views of weights take no new memory.
        self._known = {_key(tensor.untyped_storage()) for tensor in (*model.parameters(), *model.buffers())}
        self._live = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count the storages that it made."""
        del types
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._see(leaf.untyped_storage())
        return result

    def _see(self, storage: Any) -> None:
        key = _key(storage)
        if key in self._known:
            return
        self._known.add(key)
        self._live += storage.nbytes()
        self.bytes = max(self.bytes, self._live)
        weakref.finalize(storage, self._forget, key, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._live -= size


def _key(storage: Any) -> int:
    return int(storage._cdata)  # noqa: SLF001  # on "meta" no storage has an address


def config_of(generation: Generation) -> dict[str, Any]:
    """Return the published dimensions of a generation."""
    return CONFIG | {"gpt": CONFIG["gpt"] | {"number_text_tokens": TEXT_TOKENS[generation]}}


def sizes(generation: Generation) -> Sizes:
    """Return the numbers of parameters of a generation's models."""
    found = sizes_of(generation, config_of(generation), bigvgan=BIGVGAN, w2v_bert={})
    with torch.device("meta"):
        reader = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**FEELING))
    names = Sizes.__dataclass_fields__
    return Sizes(
        **{n: getattr(found, n) for n in names} | {"feeling": sum(p.numel() for p in reader.parameters())}
    )


def at_work(generation: Generation) -> dict[str, int]:
    """Return the most memory that each step takes besides its weights, in bytes."""
    package = indextts25.infer_v2_5 if generation is Generation.V25 else infer_v2()
    whole = OmegaConf.create(config_of(generation))
    frames, prompt = int(SEGMENT_S * FRAMES_PER_S), int(REFERENCE_S * FRAMES_PER_S)
    torch.nn.functional.scaled_dot_product_attention = _fused
    with torch.device("meta"), torch.no_grad():
        more = {} if generation is Generation.V25 else {"use_gpt_latent": True}
        flow = package.MyModel(whole.s2mel, **more).eval().models["cfm"]
        flow.estimator.setup_caches(max_batch_size=1, max_seq_length=8192)
        with Peak(flow) as acoustic:
            flow.inference(
                torch.empty(1, prompt + frames, 512), torch.empty(1, dtype=torch.long),
                torch.empty(1, 80, prompt), torch.empty(1, 192), None, 2, inference_cfg_rate=0.7,
            )  # fmt: skip
        vocoder = _vocoder(generation, package).eval()
        with Peak(vocoder) as sound:
            vocoder(torch.empty(1, 80, frames))
        listener = transformers.Wav2Vec2BertModel(
            transformers.Wav2Vec2BertConfig(num_hidden_layers=17)
        ).eval()
        with Peak(listener) as listening:
            listener(torch.empty(1, REFERENCE_S * 50, 160), output_hidden_states=True)
    positions = PREFIX_TOKENS + SEGMENT_S * CODES_PER_S[generation]
    cache = 24 * 2 * 1280 * positions * BEAMS * HALF_BYTES
    scores = 4 * BEAMS * 8194 * 4
    return {
        "GPT: keys and values of 3 beams": cache + cache // 24 + scores,
        "acoustic model": acoustic.bytes,
        "vocoder": sound.bytes,
        "w2v-bert": listening.bytes,
    }


def _vocoder(generation: Generation, package: Any) -> Any:
    kind = package.BigVGAN if generation is Generation.V25 else package.bigvgan.BigVGAN
    vocoder = kind(sys.modules[kind.__module__].AttrDict(BIGVGAN))
    if generation is Generation.V2:
        vocoder.remove_weight_norm()
    return vocoder


def _fused(query: Any, *_: Any, **__: Any) -> Any:
    return torch.empty_like(query)


def main() -> None:
    """Print the tables of docs/engines/indextts.md."""
    for generation in Generation:
        found, work = sizes(generation), at_work(generation)
        print(f"\nIndexTTS-{generation}\nmillions of parameters:")
        print(json.dumps({name: round(getattr(found, name) / 1e6, 1) for name in Sizes.__dataclass_fields__}))
        print("at work, GB:", json.dumps({name: round(size / 1e9, 2) for name, size in work.items()}))
        largest = max(size for name, size in work.items() if name != "w2v-bert")
        summed = at_work_bytes(PACES[generation.value], Effort(), half=True) / WASTE
        print(f"largest while speaking: {largest / 1e9:.3f} GB here, {summed / 1e9:.3f} GB in the plan's sum")
        for name, capability in GENERATIONS.items():
            for card in CARDS_GB:
                print(f"{card} GB, {name}: {_plan(found, generation, card, capability)}")


def _plan(found: Sizes, generation: Generation, card: int, capability: tuple[int, int]) -> str:
    """Return a card's plan in a line, or why there is none."""
    try:
        chosen = plan(
            found,
            device="cuda:0",
            memory_bytes=int(card * USABLE * 2**30),
            generation=generation.value,
            capability=capability,
        )
    except EngineLoadError as error:
        return str(error)
    arithmetic = chosen.half_name if chosen.half else "float32"
    steps = f", {', '.join(chosen.steps)}" if chosen.steps else ""
    return (
        f"{chosen.needed_bytes / 1e9:.2f} GB, GPT in {arithmetic}, analysis {chosen.analysis}, "
        f"emotion model {chosen.feeling_device}{steps}"
    )


if __name__ == "__main__":
    with quiet():
        main()
