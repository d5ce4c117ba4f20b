"""Builds tiny checkpoints of Qwen3-ASR and its aligner, which the real qwen-asr loads and runs on a CPU.

No downloads: tokenizer, configs, feature extractor and weights are made here, in the layout of the published
checkpoints. `build_asr` has random weights: noise that depends on the audio. `build_script` always says one
text, and all its layers run. `build_polyglot` tells two kinds of sound apart and has a language and a text
for each. `build_aligner` gives word k the times 0.16 (2k + 1) to 0.16 (2k + 2) s.
"""

import json
from itertools import pairwise
from pathlib import Path

import torch

from .tiny_tokenizer import REAL_IDS, VOCAB_ROWS, write_tokenizer

SCALE = 8.0
"""Of the scores of a script's tokens: so sure of itself that sampling walks the chain as well."""


def tiny_config(hidden: int, *, tie: bool, aligner_classes: int = 0, audio=None, text=None):
    """Return a config; *audio* and *text* are what differs in a larger one."""
    from qwen_asr.core.transformers_backend import Qwen3ASRConfig

    thinker = {
        "audio_token_id": REAL_IDS["<|audio_pad|>"],
        "audio_start_token_id": REAL_IDS["<|audio_start|>"],
        "audio_end_token_id": REAL_IDS["<|audio_end|>"],
        "tie_word_embeddings": tie,
        "audio_config": {
            "num_mel_bins": 128,
            "d_model": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "downsample_hidden_size": 4,
            "output_dim": hidden,
            # n_window must be 50: the token-count formula is hard-wired to 100-frame chunks. The class
            # default (100) yields another count and masked_scatter then fails.
            "n_window": 50,
            "n_window_infer": 800,
            "conv_chunksize": 500,
            "max_source_positions": 1500,
        }
        | (audio or {}),
        "text_config": {
            "vocab_size": VOCAB_ROWS,
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "max_position_embeddings": 65536,
            "rope_theta": 1000000.0,
            "tie_word_embeddings": tie,
            # None (the class default) crashes: the rotary module calls rope_scaling.get(...)
            "rope_scaling": {
                "rope_type": "default",
                "mrope_section": [4, 2, 2],
                "interleaved": True,
                "mrope_interleaved": True,
            },
        }
        | (text or {}),
    }
    extra = {}
    if aligner_classes:
        thinker["model_type"] = "qwen3_forced_aligner"
        thinker["classify_num"] = aligner_classes
        extra = {"timestamp_token_id": REAL_IDS["<timestamp>"], "timestamp_segment_time": 80}
    return Qwen3ASRConfig(thinker_config=thinker, support_languages=["English", "Chinese"], **extra)


def _save(model, out: Path, *, aligner_classes: int = 0, dtype=torch.bfloat16) -> None:
    model.to(dtype).save_pretrained(out)
    cfg_path = out / "config.json"
    cfg = json.loads(cfg_path.read_text())
    cfg["architectures"] = ["Qwen3ASRForConditionalGeneration"]
    if aligner_classes:
        # save_pretrained() writes the class's model_type; the head is chosen by "forced_aligner" in it
        cfg["thinker_config"]["model_type"] = "qwen3_forced_aligner"
    cfg_path.write_text(json.dumps(cfg, indent=1))


def _damp(model, scale: float) -> None:
    """Keep every layer running but let the residual stream be dominated by the token embedding."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("self_attn.o_proj.weight", "mlp.down_proj.weight")):
                p.mul_(scale)


def build_asr(out: Path, *, seed: int = 0, hidden: int = 32) -> Path:
    """Random weights, tied embeddings."""
    from qwen_asr.core.transformers_backend import Qwen3ASRForConditionalGeneration

    out.mkdir(parents=True, exist_ok=True)
    low = write_tokenizer(out, ["language", " English", " Chinese", "system", "user", "assistant"])
    torch.manual_seed(seed)
    model = Qwen3ASRForConditionalGeneration(tiny_config(hidden, tie=True)).eval()
    with torch.no_grad():  # std 0.02 everywhere makes near-constant outputs; widen so audio matters
        for p in model.parameters():
            if p.dim() > 1:
                p.normal_(0, 0.5)
        known = torch.zeros(VOCAB_ROWS, 1)
        known[:low] = 1  # bytes and words; the unused ids never win
        known[list(REAL_IDS.values())] = 1
        model.thinker.model.embed_tokens.weight.mul_(known)
    _save(model, out)
    return out


def build_script(
    out: Path,
    *,
    language: str = "English",
    text_tokens: tuple[str, ...] = ("The", " quick", " brown", " fox", "."),
    endless: bool = False,
    hidden: int = 64,
    config=None,
) -> Path:
    """Make weights under which greedy decoding walks a fixed chain of tokens and ends.

    Each token of the chain has its own axis; the row of lm_head for token k points along the axis of token
    k - 1. Tokens of the chain differ from one another. ``language="None"`` without text is the model's own
    answer for "no speech".

    Args:
        endless: The last token leads back to the first of the text, and only a little less to the end:
            decoding runs in circles, unless repetitions are punished.
        config: Of another size, with a head of its own; None is a tiny one.
    """
    from qwen_asr.core.transformers_backend import Qwen3ASRForConditionalGeneration
    from transformers import AutoTokenizer

    out.mkdir(parents=True, exist_ok=True)
    head = ("language", f" {language}", "<asr_text>")
    words = [w for w in (*head, *text_tokens) if w not in REAL_IDS]
    write_tokenizer(out, [w for w in words if len(w.encode()) > 1] + ["system", "user", "assistant"])
    config = config or tiny_config(hidden, tie=False)
    hidden = config.thinker_config.text_config.hidden_size
    config.save_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out, fix_mistral_regex=True)

    def one(token: str) -> int:
        ids = tokenizer.encode(token, add_special_tokens=False)
        assert len(ids) == 1, (token, ids)
        return ids[0]

    newline = one("\n")  # last token of the prompt, "<|im_start|>assistant\n"
    chain = [newline, *map(one, head), *map(one, text_tokens), REAL_IDS["<|im_end|>"]]
    assert len(set(chain)) == len(chain) <= hidden, "tokens must be distinct and fit the hidden size"
    torch.manual_seed(0)
    model = Qwen3ASRForConditionalGeneration(config).eval()
    _damp(model, 0.01)
    embedding, head_weight = model.thinker.model.embed_tokens.weight, model.thinker.lm_head.weight
    with torch.no_grad():
        head_weight.zero_()
        for place, (token, following) in enumerate(pairwise(chain)):
            embedding[token] = torch.nn.functional.one_hot(torch.tensor(place), hidden).float()
            head_weight[following, place] = SCALE
        if endless:
            last = len(chain) - 2
            head_weight[chain[-1], last] = 0.9 * SCALE
            head_weight[one(text_tokens[0]), last] = SCALE
    _save(model, out)
    return out


def build_polyglot(out: Path, heard: dict[str, tuple[list, tuple[str, ...]]], *, hidden: int = 64) -> Path:
    """Make weights that know two sounds by ear, and name and write each in a language of its own.

    The encoder is random; its last layer is fitted, by least squares, so that an audio token says which sound
    it is of. The decoder walks a chain of tokens as in `build_script`, and the chain forks twice: after
    "language" by the sound, and after "<asr_text>" by the language in the prompt, its own or one that was
    named. Told the wrong language, it thus writes that one's text, as the published weights translate.

    Args:
        heard: Two languages, each with recordings (float32, shape (n_samples,), 16 kHz) and the tokens of its
            text.
    """
    from qwen_asr.core.transformers_backend import Qwen3ASRForConditionalGeneration
    from transformers import AutoTokenizer

    out.mkdir(parents=True, exist_ok=True)
    texts = [token for _, text in heard.values() for token in text]
    words = ["language", *(f" {language}" for language in heard), *texts]
    write_tokenizer(out, [word for word in words if len(word.encode()) > 1] + ["system", "user", "assistant"])
    config = tiny_config(hidden, tie=False)
    config.save_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out, fix_mistral_regex=True)
    newline, asr_text, end = ("\n", "<asr_text>", "<|im_end|>")
    places = {token: place for place, token in enumerate((newline, *words, asr_text))}
    sound_in, named_in, sound, named, one = range(len(places), len(places) + 5)
    torch.manual_seed(0)
    model = Qwen3ASRForConditionalGeneration(config).eval()
    thinker = model.thinker
    _fit_ears(out, thinker.audio_tower, [recordings for recordings, _ in heard.values()], sound_in, one)
    with torch.no_grad():
        _damp(model, 0.0)
        embedding, head = thinker.model.embed_tokens.weight.zero_(), thinker.lm_head.weight.zero_()
        ids = {token: tokenizer.encode(token, add_special_tokens=False)[0] for token in (*places, end)}
        for token, place in places.items():
            embedding[ids[token], place] = 1

        def follows(before: str, after: str) -> None:
            head[ids[after], places[before]] = SCALE

        follows(newline, "language")
        for sign, (language, (_, text)) in zip((1, -1), heard.items(), strict=True):
            embedding[ids[f" {language}"], named_in] = 4 * sign
            follows("language", f" {language}")
            head[ids[f" {language}"], sound] = sign * SCALE
            follows(f" {language}", asr_text)
            follows(asr_text, text[0])
            head[ids[text[0]], named] = sign * SCALE
            for before, after in pairwise((*text, end)):
                follows(before, after)
        # Layer 0 attends to all alike: its value is the mean of what the tokens say of sound and language.
        # Both stay below 1, or they would outweigh the chain: one in 30 to 400 tokens names the language.
        attention = thinker.model.layers[0].self_attn
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            linear.weight.zero_()
        attention.v_proj.weight[0, sound_in] = attention.v_proj.weight[1, named_in] = 1
        attention.o_proj.weight[sound, 0] = 0.1
        attention.o_proj.weight[named, 1] = 3
    _save(model, out)
    return out


def _fit_ears(folder: Path, tower, sounds: list[list], sound: int, one: int) -> None:
    """Have each audio token say 1 for the first of two sounds and -1 for the second, and 1 for certain."""
    from transformers import WhisperFeatureExtractor

    extractor, caught, said = WhisperFeatureExtractor.from_pretrained(folder), [], []
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            if parameter.dim() > 1 and not name.startswith("proj"):
                parameter.normal_(0, 0.3)
        hook = tower.proj2.register_forward_pre_hook(lambda _, args: caught.append(args[0]))
        for sign, recordings in zip((1.0, -1.0), sounds, strict=True):
            for samples in recordings:
                mel = extractor(samples, sampling_rate=16_000, truncation=False, return_tensors="pt")
                features = mel.input_features[0][:, : len(samples) // 160]
                tower(features, feature_lens=torch.tensor([features.shape[1]]))
                said += [sign] * len(caught[-1])
        hook.remove()
        known = torch.cat(caught).double()
        known = torch.cat([known, torch.ones(len(known), 1)], dim=1)
        wanted = torch.tensor(said, dtype=torch.double)
        fitted = torch.linalg.lstsq(known, wanted[:, None], driver="gelsd").solution[:, 0].float()
        tower.proj2.weight.zero_()
        tower.proj2.bias.zero_()
        tower.proj2.weight[sound] = fitted[:-1]
        tower.proj2.bias[sound] = fitted[-1]
        tower.proj2.bias[one] = 1


def build_aligner(
    out: Path, *, seed: int = 0, hidden: int = 32, classes: int = 5000, config=None, dtype=torch.float32
) -> Path:
    """Make an aligner whose slot number i (1, 2, ...) gets class 2*i, whatever the audio and its length.

    Word k starts at 0.16*(2k+1) s and ends at 0.16*(2k+2) s.

    Layer 0 attends uniformly (zero q/k) and carries two flags: "is <timestamp>" and "is <|audio_start|>"
    (once per prompt). Over T visible tokens their means are i/T and 1/T; class c = 2*c' gets the logit
    2*c'*(i/T) - c'^2*(1/T), whose maximum over c' lies at i. Exact when loaded in float32. A *config* of
    another size may be given, and a *dtype* for the file.
    """
    from qwen_asr.core.transformers_backend import Qwen3ASRForConditionalGeneration

    out.mkdir(parents=True, exist_ok=True)
    write_tokenizer(out, ["system", "user"])
    torch.manual_seed(seed)
    config = config or tiny_config(hidden, tie=False, aligner_classes=classes)
    model = Qwen3ASRForConditionalGeneration(config).eval()
    with torch.no_grad():
        _damp(model, 0.0)
        thinker = model.thinker
        emb = thinker.model.embed_tokens.weight
        emb.zero_()
        emb[:, 0] = 8.0
        emb[REAL_IDS["<timestamp>"], 1] = 8.0
        emb[REAL_IDS["<|audio_start|>"], 2] = 8.0
        proj = thinker.audio_tower.proj2  # audio rows look like any other row
        proj.weight.zero_()
        proj.bias.zero_()
        proj.bias[0] = 8.0
        att = thinker.model.layers[0].self_attn
        for lin in (att.q_proj, att.k_proj, att.v_proj, att.o_proj):
            lin.weight.zero_()
        att.v_proj.weight[0, 1] = att.v_proj.weight[1, 2] = 1.0
        att.o_proj.weight[3, 0] = att.o_proj.weight[4, 1] = 1.0
        c = torch.arange(classes).float() / 2
        head = thinker.lm_head.weight
        head.zero_()
        head[:, 3] = 2 * c
        head[:, 4] = -(c**2)
    _save(model, out, aligner_classes=classes, dtype=dtype)
    return out
