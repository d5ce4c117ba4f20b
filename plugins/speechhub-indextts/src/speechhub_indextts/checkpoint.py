"""Checks of a model's folder before anything heavy is loaded: its generation, and missing files."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from speechhub.engine import EngineLoadError

W2V_BERT: Final = "hf_cache/w2v-bert-2.0"
BIGVGAN: Final = "hf_cache/bigvgan"
CAMPPLUS: Final = ("hf_cache/campplus/campplus_cn_common.bin", "hf_cache/campplus_cn_common.bin")
"""Its path in speechhub's store, and with IndexTTS's own tools."""
SEMANTIC_CODEC: Final = (
    "hf_cache/maskgct/semantic_codec/model.safetensors",
    "hf_cache/semantic_codec_model.safetensors",
)
W2V_BERT_FILES: Final = ("config.json", "preprocessor_config.json", "model.safetensors")
BIGVGAN_FILES: Final = ("config.json", "bigvgan_generator.pt")
CODEC_25: Final = "codec.pth"
TIKTOKEN_25: Final = "multilingual_zh_ja_yue_char_del.tiktoken"
"""The package looks for it by this name, whatever config.yaml says."""
NAMED_FILES: Final = ("gpt_checkpoint", "s2mel_checkpoint", "w2v_stat", "emo_matrix", "spk_matrix")
"""Keys of config.yaml that name a file beside it."""
EMOTION_MODEL: Final = "qwen0.6bemo4-merge"


class Generation(StrEnum):
    """The generation of a model, which decides the package that runs it."""

    V2 = "2"
    V25 = "2.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A folder with everything that a generation needs."""

    folder: Path
    generation: Generation
    config: dict[str, Any]
    """Content of config.yaml, with names of files that exist."""
    campplus: Path
    semantic_codec: Path | None
    """None for 2.5, which has a codec of its own."""
    emotion_model: Path | None
    """Folder of the model that reads emotions; None if it is not installed."""

    @property
    def analysers(self) -> tuple[Path, ...]:
        """The files that determine what is computed from a recording."""
        own = [self.folder / self.config[key] for key in ("w2v_stat", "s2mel_checkpoint")]
        codec = [self.semantic_codec] if self.semantic_codec else []
        return (self.folder / W2V_BERT / "model.safetensors", self.campplus, *codec, *own)


def read_checkpoint(folder: Path | None, model: str) -> Checkpoint:
    """Read config.yaml and look for every file.

    The published config.yaml of IndexTTS-2.5 names paths of its authors' machine (index-tts, issue 739): a
    file that is not there is looked for beside config.yaml.

    Raises:
        EngineLoadError: It is not such a folder, or a file is missing.
    """
    if folder is None or not folder.is_dir():
        raise EngineLoadError(f"The folder of model {model!r} does not exist: {folder}.")
    config = _read_config(folder / "config.yaml", model)
    generation = _generation(config, folder)
    missing: list[str] = []

    def found(*names: str) -> Path:
        for name in names:
            if (folder / name).is_file():
                return folder / name
        missing.append(names[0])
        return folder / names[0]

    for key in NAMED_FILES:
        config[key] = _located(folder, str(config.get(key) or f"({key})"))
        found(config[key])
    if generation is Generation.V2:
        config["dataset"]["bpe_model"] = _located(
            folder, str(config["dataset"].get("bpe_model") or "bpe.model")
        )
        found(config["dataset"]["bpe_model"])
    else:
        found(CODEC_25)
        found(TIKTOKEN_25)
    for part, names in ((W2V_BERT, W2V_BERT_FILES), (BIGVGAN, BIGVGAN_FILES)):
        for name in names:
            found(f"{part}/{name}")
    campplus = found(*CAMPPLUS)
    semantic_codec = found(*SEMANTIC_CODEC) if generation is Generation.V2 else None
    if missing:
        raise EngineLoadError(
            f"The folder of model {model!r} lacks {', '.join(missing)}. "
            "Fetch the model again, or put the files there: docs/engines/indextts.md lists them."
        )
    emotion_model = folder / _located(folder, str(config.get("qwen_emo_path") or EMOTION_MODEL).rstrip("/"))
    return Checkpoint(
        folder=folder,
        generation=generation,
        config=config,
        campplus=campplus,
        semantic_codec=semantic_codec,
        emotion_model=emotion_model if (emotion_model / "config.json").is_file() else None,
    )


def _read_config(path: Path, model: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise EngineLoadError(f"config.yaml of model {model!r} cannot be read: {error}.") from error
    for section in ("gpt", "s2mel", "semantic_codec", "dataset"):
        if not isinstance(config, dict) or not isinstance(config.get(section), dict):
            raise EngineLoadError(
                f"config.yaml of model {model!r} has no section {section!r}: it is not IndexTTS-2 or 2.5."
            )
    return dict(config)


def _generation(config: dict[str, Any], folder: Path) -> Generation:
    version = str(config.get("version") or "")
    if version.startswith(("2.0", "2.5")) or version == "2":
        return Generation.V25 if version.startswith("2.5") else Generation.V2
    return Generation.V25 if (folder / CODEC_25).is_file() else Generation.V2


def _located(folder: Path, name: str) -> str:
    """Return the name of a file in *folder*: the given path, or its last part if the path is not there."""
    end = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if Path(name).is_absolute() or ".." in Path(name).parts or not (folder / name).exists():
        return end
    return name
