"""Piper voices: finding one in a folder, and loading it."""

import json
import logging
from pathlib import Path
from typing import Any

import onnxruntime
from piper import PiperVoice
from piper.config import PiperConfig

from speechhub.engine import EngineLoadError, LoadContext, Voice


def find_voice(folder: Path | None) -> tuple[Path, dict[str, Any]]:
    """Return the one voice in *folder*: its model file, and its description.

    Raises:
        EngineLoadError: There is none, or more than one, or its description is damaged.
    """
    models = sorted(folder.rglob("*.onnx")) if folder else []
    voices = [path for path in models if Path(f"{path}.json").is_file()]
    if len(voices) != 1:
        found = ", ".join(path.name for path in voices) or "none"
        raise EngineLoadError(
            "A Piper model's folder must have one voice, a file NAME.onnx and its NAME.onnx.json. "
            f"Found: {found}."
        )
    try:
        config = json.loads(Path(f"{voices[0]}.json").read_text("utf-8"))
    except ValueError as error:
        raise EngineLoadError(f"{voices[0].name}.json is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise EngineLoadError(f"{voices[0].name}.json does not describe a voice: it is not a JSON object.")
    return voices[0], config


def load_voice(context: LoadContext, path: Path, config: dict[str, Any]) -> PiperVoice:
    """Load the voice at *path*; as `PiperVoice.load`, but with the right number of threads.

    Raises:
        EngineLoadError: The files do not fit together, or the device is missing.
    """
    # Piper logs the text that is spoken.
    logging.getLogger("piper").setLevel(logging.ERROR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = context.threads
    options.inter_op_num_threads = 1
    try:
        voice = PiperVoice(
            config=PiperConfig.from_dict(config),
            session=onnxruntime.InferenceSession(str(path), options, providers=_providers(context.device)),
        )
    except EngineLoadError:
        raise
    except Exception as error:  # onnxruntime raises its own kinds of errors
        raise EngineLoadError(f"Piper cannot load {path.name}: {type(error).__name__}: {error}") from error
    if config.get("phoneme_type") == "pinyin":
        voice.download_dir = path.parent
        if not (path.parent / "g2pW").is_dir():
            raise EngineLoadError(
                f"The Chinese voice {path.name} needs the folder g2pW (characters to pinyin) beside it; "
                "piper's own downloader fetches it: python -m piper.download_voices --help."
            )
    return voice


def _providers(device: str) -> list[Any]:
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise EngineLoadError(
            "This onnxruntime cannot use a GPU. Piper needs none, being faster than speech on one core: "
            'set [engines.piper] device = "cpu".'
        )
    return [("CUDAExecutionProvider", {"device_id": int(index or 0), "cudnn_conv_algo_search": "HEURISTIC"})]


def speakers_of(path: Path, config: dict[str, Any]) -> dict[str, int | None]:
    """Return the voice's speakers by name, with their numbers; a single speaker has none."""
    speakers = config.get("speaker_id_map") or {}
    if config.get("num_speakers", 1) > 1 and speakers:
        return {str(name): int(number) for name, number in speakers.items()}
    # en_US-joe-medium.onnx: the middle part is the speaker.
    parts = path.stem.split("-")
    name = config.get("dataset") or (parts[1] if len(parts) > 1 else path.stem)
    return {str(name): None}


def voices_of(config: dict[str, Any], speakers: dict[str, int | None]) -> tuple[Voice, ...]:
    """Describe the speakers for the hub."""
    language = config.get("language") or {}
    code = language.get("family") or str((config.get("espeak") or {}).get("voice", "")).split("-")[0]
    return tuple(
        Voice(id=name, name=name.replace("_", " ").title(), languages=(code,) if code else ())
        for name in speakers
    )
