"""Checks of a checkpoint's files, since qwen-asr reports broken ones unclearly or not at all."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from speechhub.engine import EngineLoadError

NEEDED: Final = ("config.json", "preprocessor_config.json", "tokenizer_config.json")
MAX_NAMED: Final = 3
"""How many missing tensors a message names."""


class Checkpoint:
    """A folder with the weights of Qwen3-ASR, or of its aligner."""

    def __init__(self, folder: Path | None, owner: str, *, aligner: bool = False) -> None:
        """Check everything that can be read quickly.

        Args:
            folder: Where the files are.
            owner: What to call it in messages, such as ``model 'qwen3-asr-0.6b'``.
            aligner: Whether it must be the aligner.

        Raises:
            EngineLoadError: The folder is missing or of another kind, or a file is missing or damaged.
        """
        self._owner = owner
        wanted = "Qwen3-ForcedAligner" if aligner else "Qwen3-ASR"
        if folder is None or not folder.is_dir():
            raise EngineLoadError(f"The folder of {owner} does not exist: {folder}.")
        if (folder / "config.json").is_file():
            self._refuse_native(self._json(folder / "config.json"), wanted)
        for name in NEEDED:
            if not (folder / name).is_file():
                raise EngineLoadError(
                    f"The folder of {owner} has no {name}; a complete {wanted} checkpoint is needed."
                )
        config = self._json(folder / "config.json")
        kind = str(config.get("model_type"))
        is_aligner = "forced_aligner" in str((config.get("thinker_config") or {}).get("model_type"))
        if kind != "qwen3_asr" or is_aligner is not aligner:
            found = "Qwen3-ForcedAligner" if is_aligner else "Qwen3-ASR" if kind == "qwen3_asr" else kind
            raise EngineLoadError(f"The folder of {owner} holds {found}, not {wanted}.")
        self.folder = folder
        self.tensors: set[str] = set()
        """Names of all tensors in the files."""
        self.size_bytes = 0
        """Size of the weights."""
        for path in self._weights():
            self._read_header(path)

    def _refuse_native(self, config: dict[str, Any], wanted: str) -> None:
        if str(config.get("model_type")).startswith("qwen3_asr") and "thinker_config" not in config:
            raise EngineLoadError(
                f"The folder of {self._owner} holds {wanted} in the layout of transformers 5.13 and newer, "
                "whose repositories end with -hf. Use the repository of the same name without -hf."
            )

    def check_complete(self, expected: Iterable[str], *, tied: Collection[str] = ()) -> None:
        """Compare the files with the model that was made from them.

        A tensor that is in no file keeps random values, and transformers only warns about it.

        Args:
            expected: Names of the model's tensors.
            tied: Those that share another's values, and may be left out of the files.

        Raises:
            EngineLoadError: There are tensors missing.
        """
        expected = set(expected)
        missing = sorted(expected - self.tensors - set(tied))
        if len(expected & self.tensors) * 2 < len(expected):
            raise EngineLoadError(
                f"The weights of {self._owner} are not in the layout that qwen-asr reads: of its "
                f"{len(expected)} tensors they have {len(expected & self.tensors)}. Use the original "
                "checkpoint, whose repository does not end with -hf."
            )
        # Tensors with other names are renamed on loading: then names do not show what is missing.
        if missing and not self.tensors - expected:
            named = ", ".join(missing[:MAX_NAMED]) + (" …" if len(missing) > MAX_NAMED else "")
            raise EngineLoadError(
                f"The weights of {self._owner} are incomplete, {len(missing)} tensors are missing: {named}. "
                "Download them again."
            )

    def _weights(self) -> list[Path]:
        index = self.folder / "model.safetensors.index.json"
        if index.is_file():
            names = set(self._json(index).get("weight_map", {}).values())
        else:
            names = {"model.safetensors"}
        paths = [self.folder / str(name) for name in sorted(names)]
        for path in paths:
            if not path.is_file():
                raise EngineLoadError(f"The folder of {self._owner} has no {path.name}: download it again.")
        return paths

    def _read_header(self, path: Path) -> None:
        try:
            with safe_open(path, framework="np") as file:  # compares the header with the file's length
                self.tensors |= set(file.keys())
        except (SafetensorError, OSError) as error:
            raise EngineLoadError(
                f"{path.name} of {self._owner} is damaged or truncated: {error}. Download it again."
            ) from error
        self.size_bytes += path.stat().st_size

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise EngineLoadError(
                f"{path.name} of {self._owner} cannot be read: {error}. Download it again."
            ) from error
        if not isinstance(content, dict):
            raise EngineLoadError(f"{path.name} of {self._owner} is not a JSON object. Download it again.")
        return content
