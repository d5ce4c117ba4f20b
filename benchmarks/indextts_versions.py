"""Whether IndexTTS-2's parts compute the same under two versions of transformers, at their published sizes.

    python benchmarks/indextts_versions.py weights FOLDER    # in one environment: random weights, 6 GB
    python benchmarks/indextts_versions.py run FOLDER NAME   # in each environment: what they make of them
    python benchmarks/indextts_versions.py compare FOLDER NAME NAME

indextts2-inference asks for transformers 4.52.1, and speechhub-indextts runs it on a newer one. The parts
that transformers computes are held against each other on the same weights and the same input, on the CPU in
float32: layer 17 of w2v-bert with its feature extractor, the GPT's conditioning, and its logits and codes,
greedy and with three beams. Exit status 1: they differ by more than `TOLERANCE`.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from speechhub_indextts.packages import infer_v2, safetensors, torch, transformers

TOLERANCE: Final = 1e-4
"""Of the largest value of each result."""
SPREAD: Final = 0.5
"""Of the weights, against one that would keep a signal's size. At 1, a network of random weights makes three
times as much of each rounding error with every layer, and 17 layers say nothing any more."""
CODES: Final = 20
LAYER: Final = 17
GPT: Final[dict[str, Any]] = {
    "model_dim": 1280, "heads": 20, "layers": 24, "max_mel_tokens": 1815, "max_text_tokens": 600,
    "number_text_tokens": 12_000, "number_mel_codes": 8194, "start_mel_token": 8192, "stop_mel_token": 8193,
    "start_text_token": 0, "stop_text_token": 1, "use_mel_codes_as_input": True,
    "mel_length_compression": 1024, "train_solo_embeddings": False, "condition_type": "conformer_perceiver",
    "condition_module": {
        "output_size": 512, "input_layer": "conv2d2", "perceiver_mult": 2, "linear_units": 2048,
        "attention_heads": 8, "num_blocks": 6,
    },
    "emo_condition_module": {
        "output_size": 512, "input_layer": "conv2d2", "perceiver_mult": 2, "linear_units": 1024,
        "attention_heads": 4, "num_blocks": 4,
    },
}  # fmt: skip
"""The dimensions of the published config.yaml."""


def listener() -> Any:
    """Return w2v-bert at its published size, which is transformers' default, without weights of its own."""
    return transformers.Wav2Vec2BertModel(transformers.Wav2Vec2BertConfig()).eval()


def speaker() -> Any:
    """Return IndexTTS-2's GPT at its published size."""
    return infer_v2().UnifiedVoice(**GPT).eval()


PARTS: Final[dict[str, Callable[[], Any]]] = {"listener": listener, "speaker": speaker}


def write_weights(folder: Path) -> None:
    """Write random weights of all parts."""
    for name, make in PARTS.items():
        torch.manual_seed(7)
        state = {key: value.clone().contiguous() for key, value in make().state_dict().items()}
        for key, value in state.items():
            if value.is_floating_point() and value.ndim > 1:
                state[key] = torch.randn_like(value) * SPREAD / value[0].numel() ** 0.5
        safetensors.torch.save_file(state, folder / f"{name}.safetensors")


def loaded(folder: Path, name: str) -> Any:
    """Return a part with the weights in *folder*; every tensor must find its place."""
    model = PARTS[name]()
    model.load_state_dict(safetensors.torch.load_file(folder / f"{name}.safetensors"), strict=True)
    return model


def recording() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return four seconds of a voice-like buzz at 16 kHz."""
    seconds = np.arange(4 * 16_000) / 16_000
    pitch = np.cumsum(140 + 30 * np.sin(2 * np.pi * 1.5 * seconds)) / 16_000
    buzz = sum(np.sin(2 * np.pi * overtone * pitch) / overtone for overtone in range(1, 12))
    return (0.1 * buzz * (1 + np.sin(2 * np.pi * 3 * seconds))).astype(np.float32)


def heard(folder: Path) -> dict[str, torch.Tensor]:
    """Return the features of the recording, and what layer 17 of w2v-bert makes of them."""
    extractor = transformers.SeamlessM4TFeatureExtractor(
        feature_size=80, num_mel_bins=80, sampling_rate=16_000, stride=2, padding_value=1
    )
    inputs = extractor(recording(), sampling_rate=16_000, return_tensors="pt")
    states = loaded(folder, "listener")(**inputs, output_hidden_states=True).hidden_states
    return {"features": inputs["input_features"], "layer": states[LAYER]}


def spoken(folder: Path, condition: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the GPT's conditioning, the logits of its first codes, and the codes of two ways to search."""
    model = loaded(folder, "speaker")
    model.post_init_gpt2_config(use_deepspeed=False, kv_cache=True, half=False)
    lengths = torch.tensor([condition.shape[-1]])
    text = torch.arange(10, 40).unsqueeze(0)
    logits: list[torch.Tensor] = []
    hook = model.inference_model.lm_head.register_forward_hook(
        lambda *it: logits.append(it[2][:, -1].clone())
    )
    options = {"cond_lengths": lengths, "emo_cond_lengths": lengths, "max_generate_length": CODES}
    greedy, conditioning = model.inference_speech(
        condition, text, condition, **options, do_sample=False, num_beams=1, repetition_penalty=10.0
    )
    hook.remove()
    torch.manual_seed(3)
    beams, _ = model.inference_speech(
        condition, text, condition, **options, do_sample=True, num_beams=3, top_p=0.8, top_k=30,
        temperature=0.8, repetition_penalty=10.0, length_penalty=0.0,
    )  # fmt: skip
    return {"conditioning": conditioning, "logits": torch.cat(logits), "greedy": greedy, "beams": beams}


def run(folder: Path, name: str) -> None:
    """Write what the parts make of the weights in this environment."""
    with torch.inference_mode():
        results = heard(folder)
        results |= spoken(folder, results["layer"])
    np.savez(folder / f"{name}.npz", **{key: value.numpy() for key, value in results.items()})
    print(f"{name}: transformers {transformers.__version__}, torch {torch.__version__}")


def compare(folder: Path, first: str, second: str) -> bool:
    """Print how far the results of two environments lie apart; return whether they are the same."""
    same = True
    with np.load(folder / f"{first}.npz") as one, np.load(folder / f"{second}.npz") as other:
        for name in one:
            a, b = one[name], other[name]
            if a.shape != b.shape:
                print(f"{name}: shapes {a.shape} and {b.shape}")
                same = False
                continue
            apart = float(np.abs(a - b).max())
            scale = float(np.abs(a).max()) if a.dtype.kind == "f" else 1.0
            same &= apart <= TOLERANCE * scale if a.dtype.kind == "f" else not apart
            print(f"{name}: {a.shape}, at most {apart:.2e} apart, largest value {np.abs(a).max():.3g}")
    return same


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["weights", place]:
            write_weights(Path(place))
        case ["run", place, label]:
            run(Path(place), label)
        case ["compare", place, left, right]:
            sys.exit(0 if compare(Path(place), left, right) else 1)
        case _:
            sys.exit(__doc__)
