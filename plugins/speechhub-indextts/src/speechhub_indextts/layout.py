"""The layout that the packages expect: a folder of links to a model's files.

The store is never written to. indextts2-inference asks the model hub for what it takes from other
repositories, so the links are laid out as the hub's own cache has them; indextts25-inference looks into
``hf_cache``.
"""

import json
from pathlib import Path
from typing import Final

import yaml

from speechhub_indextts.checkpoint import BIGVGAN, BIGVGAN_FILES, W2V_BERT, W2V_BERT_FILES, Checkpoint

USED_LAYERS: Final = 17
"""Layers of w2v-bert to load, of 24: only the output of this one is read. Source: get_emb in infer_v2.py."""
HUB: Final = "hub"
REVISION: Final = "0" * 40
_CONFIG: Final = "config.yaml"


def lay_out(checkpoint: Checkpoint, view: Path) -> None:
    """Fill the empty folder *view* with links to the checkpoint's files, and a corrected config.yaml."""
    for path in checkpoint.folder.iterdir():
        if path.name not in (_CONFIG, "hf_cache") and not path.name.startswith("."):
            (view / path.name).symlink_to(path)
    aux = view / "hf_cache"
    w2v_bert = aux / "w2v-bert-2.0"
    _link(checkpoint.folder / W2V_BERT, w2v_bert, W2V_BERT_FILES)
    _link(checkpoint.folder / BIGVGAN, aux / "bigvgan", BIGVGAN_FILES)
    (aux / checkpoint.campplus.name).symlink_to(checkpoint.campplus)
    config = checkpoint.config | {
        "vocoder": {"type": "bigvgan", "name": str(aux / "bigvgan")},
    }
    (view / _CONFIG).write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    if checkpoint.semantic_codec is not None:
        _shorten(w2v_bert / "config.json")
        _cache(view, "facebook/w2v-bert-2.0").symlink_to(w2v_bert)
        campplus = _cache(view, "funasr/campplus")
        campplus.mkdir()
        (campplus / "campplus_cn_common.bin").symlink_to(checkpoint.campplus)
        codec = _cache(view, "amphion/MaskGCT") / "semantic_codec"
        codec.mkdir(parents=True)
        (codec / "model.safetensors").symlink_to(checkpoint.semantic_codec)


def _link(source: Path, target: Path, names: tuple[str, ...]) -> None:
    target.mkdir(parents=True)
    for name in names:
        (target / name).symlink_to(source / name)


def _shorten(path: Path) -> None:
    """Limit the layers to those that are used: the others take 0.7 GB."""
    config = json.loads(path.read_text("utf-8"))
    config["num_hidden_layers"] = min(USED_LAYERS, config.get("num_hidden_layers", USED_LAYERS))
    path.unlink()
    path.write_text(json.dumps(config), "utf-8")


def _cache(view: Path, repo: str) -> Path:
    """Return the path of a snapshot of *repo* in a cache of the hub; it does not exist yet."""
    base = view / HUB / f"models--{repo.replace('/', '--')}"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(REVISION)
    (base / "snapshots").mkdir()
    return base / "snapshots" / REVISION
