"""Sizes of a checkpoint's models, computed with the packages' own classes, without weights."""

import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from speechhub_indextts.checkpoint import Generation
from speechhub_indextts.layout import USED_LAYERS
from speechhub_indextts.packages import indextts25, infer_v2, torch, transformers
from speechhub_indextts.placement import Sizes


def sizes_of(
    generation: Generation,
    config: dict[str, Any],
    *,
    bigvgan: dict[str, Any],
    w2v_bert: dict[str, Any],
    feeling: Path | None = None,
) -> Sizes:
    """Return how many parameters each model has.

    Args:
        generation: The generation whose classes to use.
        config: Content of config.yaml.
        bigvgan: Content of BigVGAN's config.json.
        w2v_bert: Content of w2v-bert's config.json.
        feeling: Folder of the emotion model; None without.
    """
    made = _models_25(config, bigvgan) if generation is Generation.V25 else _models_2(config, bigvgan)
    with torch.device("meta"):
        listener = transformers.Wav2Vec2BertModel(
            transformers.Wav2Vec2BertConfig(**w2v_bert | {"num_hidden_layers": USED_LAYERS})
        )
        reader = _reader(feeling) if feeling else None
    return Sizes(
        gpt=_count(made["gpt"]),
        acoustic=_count(made["acoustic"]) + _count(made["codec"]),
        vocoder=_count(made["vocoder"]),
        listener=_count(listener),
        speaker=_count(made["speaker"]) + _count(made.get("codec_analysis")),
        feeling=_count(reader),
    )


def _reader(folder: Path) -> Any:
    config = transformers.AutoConfig.from_pretrained(folder)
    return transformers.AutoModelForCausalLM.from_config(config)


def _models_25(config: dict[str, Any], bigvgan: dict[str, Any]) -> dict[str, Any]:
    package = indextts25.infer_v2_5
    whole = OmegaConf.create(config)
    from indextts25.s2mel.modules.bigvgan.env import AttrDict  # noqa: PLC0415  # only after packages.py

    with torch.device("meta"):
        return {
            "gpt": package.UnifiedVoice(**whole.gpt),
            "acoustic": package.MyModel(whole.s2mel),
            "codec": package.EnhancedCodec(**whole.semantic_codec),
            "vocoder": package.BigVGAN(AttrDict(bigvgan)),
            "speaker": package.CAMPPlus(feat_dim=80, embedding_size=192),
        }


def _models_2(config: dict[str, Any], bigvgan: dict[str, Any]) -> dict[str, Any]:
    package = infer_v2()
    whole = OmegaConf.create(config)
    from indextts.s2mel.modules.bigvgan.env import AttrDict  # noqa: PLC0415  # as above

    with torch.device("meta"):
        codec = package.build_semantic_codec(whole.semantic_codec)
        return {
            "gpt": package.UnifiedVoice(**whole.gpt),
            "acoustic": package.MyModel(whole.s2mel, use_gpt_latent=True),
            "codec": codec.quantizer,
            "codec_analysis": torch.nn.ModuleList([codec.encoder, codec.decoder]),
            "vocoder": package.bigvgan.BigVGAN(AttrDict(bigvgan)),
            "speaker": package.CAMPPlus(feat_dim=80, embedding_size=192),
        }


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file."""
    return dict(json.loads(path.read_text("utf-8")))


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters()) if module is not None else 0
