"""Builds tiny checkpoints of IndexTTS-2 and 2.5, which the real packages load and run on a CPU.

No downloads: weights, tokenizers and configs are made here from the packages' own classes, in the layout of
the model store. What they say is noise, but noise that depends on text, voice, emotion and seed, and each
segment of a text is exactly `CODES_PER_SEGMENT` codes long. The emotion model answers `EMOTION_ANSWER` to
everything.

Fixed by the packages, so not small: w2v-bert's width of 1024 and its 17 layers, CAMPPlus, the width of 1280
of IndexTTS-2's GPT.
"""

import base64
import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file, save_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
)

from speechhub_indextts.packages import indextts25, infer_v2

CODES_PER_SEGMENT = 8
CODEBOOK = 64
START, STOP = CODEBOOK, CODEBOOK + 1
EMOTIONS_OF_TABLE = [3, 17, 2, 8, 4, 5, 10, 24]
EMOTION_ANSWER = '{"高兴": 0.6, "愤怒": 0.1, "自然": 0.2}'
WORDS = (
    "HELLO WORLD THIS IS A SMALL TEST OF SPEECH THE FIRST SENTENCE IS SHORT HERE SECOND ONE LITTLE LONGER "
    "AND ENDS IT , . ? ! ' - TWO THREE QUICK BROWN FOX JUMPS OVER LAZY DOG 你 好 世 界"
)

BIGVGAN = {
    "resblock": "1",
    "upsample_rates": [4, 4, 2, 2, 2, 2],
    "upsample_kernel_sizes": [8, 8, 4, 4, 4, 4],
    "upsample_initial_channel": 64,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1]],
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
    "activation": "snakebeta",
    "snake_logscale": True,
    "num_mels": 80,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 22050,
    "fmin": 0,
    "fmax": None,
}


def tiny_config(*, newer: bool) -> dict[str, Any]:
    """Return config.yaml: the published keys, with small numbers."""
    conformer = {
        "output_size": 16,
        "linear_units": 16,
        "attention_heads": 1,
        "num_blocks": 1,
        "input_layer": "conv2d2",
        "perceiver_mult": 1,
    }
    return {
        "version": 2.5 if newer else 2.0,
        "dataset": {
            "bpe_model": "multilingual_zh_ja_yue_char_del.tiktoken" if newer else "bpe.model",
            "sample_rate": 24_000,
        },
        "gpt": {
            "model_dim": 64 if newer else 1280,
            "heads": 4,
            "layers": 1,
            "max_mel_tokens": 1815,
            "max_text_tokens": 600,
            "number_text_tokens": 4096,
            "number_mel_codes": CODEBOOK + 2,
            "start_mel_token": START,
            "stop_mel_token": STOP,
            "start_text_token": 0,
            "stop_text_token": 1,
            "use_mel_codes_as_input": True,
            "mel_length_compression": 1024,
            "train_solo_embeddings": False,
            "condition_type": "conformer_perceiver",
            "condition_module": dict(conformer),
            "emo_condition_module": dict(conformer),
        },
        "semantic_codec": {
            "codebook_size": CODEBOOK,
            "hidden_size": 1024,
            "codebook_dim": 8,
            "vocos_dim": 16,
            "vocos_intermediate_dim": 32,
            "vocos_num_layers": 1,
        },
        "s2mel": {
            "preprocess_params": {
                "sr": 22_050,
                "spect_params": {
                    "n_fft": 1024,
                    "win_length": 1024,
                    "hop_length": 256,
                    "n_mels": 80,
                    "fmin": 0,
                    "fmax": "None",
                },
            },
            "dit_type": "DiT",
            "reg_loss_type": "l1",
            "style_encoder": {"dim": 192},
            "length_regulator": {
                "channels": 32,
                "is_discrete": False,
                "in_channels": 1024,
                "content_codebook_size": 16,
                "sampling_ratios": [1, 1],
                "vector_quantize": False,
                "n_codebooks": 1,
                "quantizer_dropout": 0.0,
                "f0_condition": False,
                "n_f0_bins": 16,
            },
            "DiT": {
                "hidden_dim": 32,
                "num_heads": 2,
                "depth": 3,
                "class_dropout_prob": 0.1,
                "block_size": 8192,
                "in_channels": 80,
                "style_condition": True,
                "final_layer_type": "wavenet",
                "target": "mel",
                "content_dim": 32,
                "content_codebook_size": 16,
                "content_type": "discrete",
                "f0_condition": False,
                "n_f0_bins": 16,
                "content_codebooks": 1,
                "is_causal": False,
                "long_skip_connection": True,
                "zero_prompt_speech_token": False,
                "time_as_token": False,
                "style_as_token": False,
                "uvit_skip_connection": True,
                "add_resblock_in_transformer": False,
            },
            "wavenet": {
                "hidden_dim": 32,
                "num_layers": 2,
                "kernel_size": 5,
                "dilation_rate": 1,
                "p_dropout": 0.2,
                "style_condition": True,
            },
        },
        "gpt_checkpoint": "gpt.pth",
        "s2mel_checkpoint": "s2mel.pth",
        "w2v_stat": "wav2vec2bert_stats.pt",
        "emo_matrix": "feat2.pt",
        "spk_matrix": "feat1.pt",
        "emo_num": EMOTIONS_OF_TABLE,
        "qwen_emo_path": "qwen0.6bemo4-merge/",
        "vocoder": {"type": "bigvgan", "name": "nvidia/bigvgan_v2_22khz_80band_256x"},
    }


def build_shared(out: Path, **w2v_bert: int) -> Path:
    """Write what both generations take from other repositories, and the emotion model.

    Args:
        out: Folder to make.
        w2v_bert: What differs in a larger w2v-bert.
    """
    torch.manual_seed(1)
    _write_w2v_bert(out / "hf_cache" / "w2v-bert-2.0", w2v_bert)
    package = indextts25.infer_v2_5
    campplus = out / "hf_cache" / "campplus"
    campplus.mkdir()
    weights = package.CAMPPlus(feat_dim=80, embedding_size=192).state_dict()
    torch.save(weights, campplus / "campplus_cn_common.bin")
    _write_emotion_model(out / "qwen0.6bemo4-merge")
    return out


def build_25(
    out: Path,
    shared: Path,
    *,
    config: Any = None,
    bigvgan: dict[str, Any] = BIGVGAN,
    codes: int = CODES_PER_SEGMENT,
) -> Path:
    """Write a checkpoint of IndexTTS-2.5, tiny if no other *config* is given."""
    package = indextts25.infer_v2_5
    config = OmegaConf.create(config or tiny_config(newer=True))
    torch.manual_seed(0)
    gpt, s2mel = package.UnifiedVoice(**config.gpt), package.MyModel(config.s2mel)
    codec = package.EnhancedCodec(**config.semantic_codec)
    out.mkdir()
    _write_common(out, shared, config, gpt, s2mel, codes)
    torch.save({"model": codec.state_dict()}, out / "codec.pth")
    _write_tiktoken(out / config.dataset.bpe_model)
    _write_vocoder(out, package.BigVGAN, bigvgan)
    return out


def build_2(
    out: Path,
    shared: Path,
    *,
    config: Any = None,
    bigvgan: dict[str, Any] = BIGVGAN,
    codes: int = CODES_PER_SEGMENT,
) -> Path:
    """Write a checkpoint of IndexTTS-2, tiny if no other *config* is given."""
    package = infer_v2()
    config = OmegaConf.create(config or tiny_config(newer=False))
    torch.manual_seed(0)
    gpt, s2mel = package.UnifiedVoice(**config.gpt), package.MyModel(config.s2mel, use_gpt_latent=True)
    codec = package.build_semantic_codec(config.semantic_codec)
    out.mkdir()
    _write_common(out, shared, config, gpt, s2mel, codes)
    _write_sentencepiece(out / config.dataset.bpe_model)
    _write_vocoder(out, package.bigvgan.BigVGAN, bigvgan)
    folder = out / "hf_cache" / "maskgct" / "semantic_codec"
    folder.mkdir(parents=True)
    save_model(codec, str(folder / "model.safetensors"))
    return out


def _write_common(out: Path, shared: Path, config: Any, gpt: Any, s2mel: Any, codes: int) -> None:
    (out / "hf_cache").mkdir()
    for name in ("hf_cache/w2v-bert-2.0", "hf_cache/campplus", "qwen0.6bemo4-merge"):
        (out / name).symlink_to(shared / name)
    OmegaConf.save(config, out / "config.yaml")
    _say_so_many_codes(gpt, codes)
    torch.save(gpt.state_dict(), out / config.gpt_checkpoint)
    torch.save(
        {"net": {name: model.state_dict() for name, model in s2mel.models.items()}},
        out / config.s2mel_checkpoint,
    )
    torch.save({"mean": torch.zeros(1024), "var": torch.ones(1024)}, out / config.w2v_stat)
    rows = sum(EMOTIONS_OF_TABLE)
    torch.save(torch.randn(rows, 192), out / config.spk_matrix)
    torch.save(5 * torch.randn(rows, config.gpt.model_dim), out / config.emo_matrix)


def _write_vocoder(out: Path, kind: Any, bigvgan: dict[str, Any]) -> None:
    folder = out / "hf_cache" / "bigvgan"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(bigvgan))
    from indextts25.s2mel.modules.bigvgan.env import AttrDict

    torch.save({"generator": kind(AttrDict(bigvgan)).state_dict()}, folder / "bigvgan_generator.pt")


def _say_so_many_codes(gpt: Any, codes: int) -> None:
    """Have the GPT stop after so many codes: random weights stop at once, or never.

    One channel carries "far enough" from the table of positions to the row of the stop token, past all
    layers. The start token, which the codebook does not have, never wins. The layers look at all
    positions alike; those of the text are damped, so that voice and emotion, which are few, matter as much.
    """
    width = gpt.model_dim
    with torch.no_grad():
        gpt.text_embedding.weight.normal_(0, 2e-4)
        gpt.text_pos_embedding.emb.weight.normal_(0, 2e-4)
        if hasattr(gpt, "lang_embedding"):
            gpt.lang_embedding.weight.normal_(0, 2e-4)
            gpt.spk_emb_proj.weight.mul_(0.1)
        gpt.mel_embedding.weight.normal_(0, 0.02)
        positions = gpt.mel_pos_embedding.emb.weight
        positions[:codes, 0], positions[codes:, 0] = -30.0, 30.0
        head = gpt.mel_head
        head.weight.normal_(0, 3 / width**0.5)
        head.weight[:, 0] = 0
        head.weight[gpt.stop_mel_token] = 0
        head.weight[gpt.stop_mel_token, 0] = 12.0
        head.bias.zero_()
        head.bias[gpt.start_mel_token] = -1e4
        for layer in gpt.gpt.h:
            layer.attn.c_attn.weight[:, : 2 * width] = 0
            layer.attn.c_attn.weight[:, 2 * width :].normal_(0, width**-0.5)
            layer.attn.c_proj.weight.normal_(0, 60 / len(gpt.gpt.h) * width**-0.5)
            layer.attn.c_proj.weight[:, 0] = 0
            layer.mlp.c_proj.weight[:, 0] = 0
        gpt.emovec_layer.weight.mul_(50)


def _write_w2v_bert(out: Path, larger: dict[str, int]) -> None:
    """Write 17 layers of the published width, but with almost no feed-forward; in 16 bits, 250 MB."""
    out.mkdir(parents=True)
    config = Wav2Vec2BertConfig(
        hidden_size=1024,
        num_hidden_layers=17,
        num_attention_heads=16,
        **{"intermediate_size": 8, "conv_depthwise_kernel_size": 3} | larger,
        add_adapter=False,
        feature_projection_input_dim=160,
        apply_spec_augment=False,
    )
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Wav2Vec2BertModel(config).state_dict().items()}
    weights = {}
    for name, shape in shapes.items():
        if name.endswith("layer_norm.weight"):
            weights[name] = torch.ones(shape, dtype=torch.float16)
        elif len(shape) > 1:
            weights[name] = (torch.randn(shape) * 0.02).half()
        else:
            weights[name] = torch.zeros(shape, dtype=torch.float16)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    written = config.to_dict() | {"architectures": ["Wav2Vec2BertModel"], "dtype": "float32"}
    (out / "config.json").write_text(json.dumps(written))
    SeamlessM4TFeatureExtractor(
        feature_size=80, num_mel_bins=80, stride=2, padding_value=1, sampling_rate=16_000
    ).save_pretrained(out)


def _write_tiktoken(path: Path) -> None:
    """Write a tokenizer that knows single bytes; as in the published one, "!" comes first."""
    order = [*range(33, 256), *range(33)]
    lines = (f"{base64.b64encode(bytes([byte])).decode()} {rank}\n" for rank, byte in enumerate(order))
    path.write_text("".join(lines))


def _write_sentencepiece(path: Path) -> None:
    words = WORDS.split()
    corpus = path.with_suffix(".txt")
    corpus.write_text("\n".join(" ".join(words[place:] + words[:place]) for place in range(len(words))))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(path.with_suffix("")),
        vocab_size=60,
        model_type="bpe",
        character_coverage=1.0,
        hard_vocab_limit=False,
        bos_id=0,
        eos_id=1,
        unk_id=2,
        pad_id=-1,
        minloglevel=2,
    )
    corpus.unlink()


def _write_emotion_model(out: Path, answer: str = EMOTION_ANSWER) -> None:
    """Write a Qwen3 that answers the same to everything: token follows token, whatever attention says."""
    pieces = [f"§{place}" for place in range(len(answer))]
    vocabulary = {name: number for number, name in enumerate(["<unk>", "<|im_end|>", "<go>", *pieces])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    replaced = [decoders.Replace(f"§{place}", answer[place]) for place in reversed(range(len(answer)))]
    tokenizer.decoder = decoders.Sequence([decoders.Fuse(), *replaced])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<go>"],
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}<go>"
    fast.save_pretrained(out)
    rows, width = len(vocabulary), 64
    while width < rows:
        width *= 2
    config = Qwen3Config(
        vocab_size=rows,
        hidden_size=width,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=False,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=1,
    )
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name else 0.0)
        model.model.embed_tokens.weight.copy_(torch.eye(rows, width))
        for token in range(2, rows):
            model.lm_head.weight[token + 1 if token + 1 < rows else 1, token] = 1
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=1, pad_token_id=1)
    model.half().save_pretrained(out)
