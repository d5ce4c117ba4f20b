"""IndexTTS-2.5, through indextts25-inference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speechhub_indextts.features import Features
from speechhub_indextts.generation import Generation, Line
from speechhub_indextts.packages import indextts25, torch
from speechhub_indextts.placement import Placement
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.text import detect_language

SPEAKER: Final = ("spk_cond_emb", "style", "prompt_condition", "ref_mel")
FEELING: Final = "emo_cond_emb"


class Generation25(Generation):
    """Drives ``IndexTTS25.stream``; what it knows of voices is put where the package looks for it."""

    segment_tokens = 60
    most_codes = 750
    half = torch.bfloat16

    def __init__(self, view: Path, marks: Path, settings: IndexTtsSettings, placement: Placement) -> None:
        """Load the model from a folder that `lay_out` filled.

        Args:
            view: That folder.
            marks: Folder for empty files: the package knows voices by the names and times of files.
            settings: The operator's options.
            placement: Where its models go.
        """
        from indextts25 import IndexTTS25  # noqa: PLC0415  # packages.py comes first

        self._api: Any = IndexTTS25(
            model_dir=view,
            device="cpu" if placement.by_stages else placement.device,
            fp16=placement.half,
        )
        self._marks = marks
        super().__init__(self._api._tts, settings, placement)  # noqa: SLF001  # its API has no vectors

    def segments(self, line: Line) -> Iterator[NDArray[np.float32]]:
        """Yield the speech of one segment of the text after the other."""
        tts = self._tts
        voice, feeling = self._mark(line.key), self._mark(line.feeling_key)
        tts._spk_cache = {_key(voice): tuple(line.speaker[name] for name in SPEAKER)}  # noqa: SLF001
        tts._emo_cache = {_key(feeling): line.feeling[FEELING]}  # noqa: SLF001
        sampling: dict[str, Any] = dict(self._sampling)
        if line.vector:
            sampling |= {"emo_vector": list(line.vector), "use_random": line.random}
        for chunk in self._api.stream(
            line.text,
            voice=voice,
            lang=line.language or detect_language(line.text, self._settings.language),
            speed=1 / line.speed,  # theirs is how long it takes
            emotion=feeling,
            emotion_strength=line.alpha,
            segment_tokens=self._settings.segment_tokens or self.segment_tokens,
            diffusion_steps=self._settings.diffusion_steps,
            inference_cfg_rate=self._settings.inference_cfg_rate,
            **sampling,
        ):
            yield np.clip(chunk.audio, -1.0, 1.0)

    def _analyse_speaker(self, recording: Path) -> Features:
        tts = self._tts
        tensors = tts._speaker_conditioning(str(recording), key=None)  # noqa: SLF001
        tts._spk_cache = {}  # noqa: SLF001
        return dict(zip(SPEAKER, tensors, strict=True))

    def _analyse_feeling(self, recording: Path) -> Features:
        tts = self._tts
        tensor = tts._emotion_conditioning(str(recording), key=None)  # noqa: SLF001
        tts._emo_cache = {}  # noqa: SLF001
        return {FEELING: tensor}

    def _mark(self, digest: str) -> str:
        path = self._marks / digest
        if not path.exists():  # touching it again would make it another voice
            path.touch()
        return str(path)


def _key(path: str) -> Any:
    return indextts25.infer_v2_5._audio_key(path)  # noqa: SLF001
