"""Loading a Whisper model, and the one thing that faster-whisper does twice."""

import os
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from speechhub.engine import EngineLoadError, LoadContext

MAX_THREADS = 8
"""Most CPU threads to take unasked; CTranslate2 alone takes 4, whatever the machine."""


class Model(WhisperModel):  # type: ignore[misc]  # faster-whisper has no types
    """A Whisper model that does not encode the same features twice in a row.

    faster-whisper encodes the first window to find out the language, and then again to transcribe it. For a
    short recording that is a third of all work.
    """

    _features: NDArray[np.float32] | None = None
    _encoded: ctranslate2.StorageView | None = None

    def encode(self, features: NDArray[np.float32]) -> ctranslate2.StorageView:
        """Return the encoder's output for *features*, shape (n_mels, n_frames) or a batch of those."""
        if features.ndim > 2:  # noqa: PLR2004  # a batch is never seen again
            return super().encode(features)
        if self._features is None or not np.array_equal(self._features, features):
            self._features, self._encoded = features, super().encode(features)
        return self._encoded

    def forget(self) -> None:
        """Let go of what was encoded last; called when a recording is done."""
        self._features = self._encoded = None

    def detect(self, samples: NDArray[np.float32]) -> str:
        """Return Whisper's code of the language spoken in *samples*: 16 kHz, of which 30 s are looked at."""
        if not self.model.is_multilingual:
            return "en"
        # Without the last frame, as transcribe() does it: the features are to be the same.
        language, _, _ = self.detect_language(features=self.feature_extractor(samples)[..., :-1])
        return str(language)


def load_model(context: LoadContext, compute_type: str) -> Model:
    """Load the model in the context's folder onto its device.

    Raises:
        EngineLoadError: The folder has no CTranslate2 Whisper, or the device cannot run it.
    """
    folder = context.model_dir
    device, _, index = context.device.partition(":")
    _check_files(context.model, folder)
    try:
        if compute_type == "auto":
            compute_type = best_compute_type(device, int(index or 0))
        return Model(
            str(folder),
            device=device,
            device_index=int(index or 0),
            compute_type=compute_type,
            cpu_threads=context.threads or min(MAX_THREADS, len(os.sched_getaffinity(0))),
            local_files_only=True,
        )
    except Exception as error:  # its native parts raise all kinds
        raise EngineLoadError(
            f"Whisper cannot load model {context.model!r} on {context.device}: {error}"
        ) from error


def best_compute_type(device: str, index: int) -> str:
    """Return the arithmetic to use where the operator names none."""
    # int8 takes two thirds of float32's time on a CPU and costs no words; README.md has the numbers.
    wanted = "int8" if device == "cpu" else "int8_float16"
    return wanted if wanted in ctranslate2.get_supported_compute_types(device, index) else "auto"


def _check_files(model: str, folder: Path | None) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        # Without a tokenizer, faster-whisper would download one; workers never do.
        if folder is None or not (folder / name).is_file():
            raise EngineLoadError(
                f"The folder of model {model!r} has no {name}; a Whisper model in CTranslate2's format "
                "has model.bin, config.json and tokenizer.json."
            )
