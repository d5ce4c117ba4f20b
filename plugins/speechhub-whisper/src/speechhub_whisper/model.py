"""The Whisper model: loading, bounded decoding, and no encoding done twice."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper.transcribe as fw
import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from speechhub.engine import EngineLoadError, LoadContext
from speechhub_whisper.clips import SAMPLE_RATE
from speechhub_whisper.compute import device_error, open_cublas
from speechhub_whisper.ladder import MIN_LOGPROB, NOTHING, Attempt, climb
from speechhub_whisper.loops import without_loop
from speechhub_whisper.tongues import Found
from speechhub_whisper.work import Work

MAX_THREADS = 8
"""Most CPU threads to use by default; CTranslate2 itself would use 4 on every machine."""

PROBE_PADDING = 2 * SAMPLE_RATE
"""Samples of silence after a stretch whose language is detected: without it, detection is less sure."""


class Model(WhisperModel):  # type: ignore[misc]  # faster-whisper has no types
    """A Whisper model that stops in time, and does not encode the same features twice in a row.

    faster-whisper encodes the first window to detect the language, and then again to transcribe it. For a
    short recording that is a third of all work. And if a text does not end, faster-whisper decodes 224 tokens
    at each of six temperatures, however short the clip.
    """

    model: Any
    _features: NDArray[np.float32] | None = None
    _encoded: ctranslate2.StorageView | None = None
    _work: Work | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.model = _Bounded(self.model)

    @property
    def first_special(self) -> int:
        """The first token that stands for no text."""
        return int(self.hf_tokenizer.token_to_id("<|endoftext|>"))

    @property
    def supported_languages(self) -> list[str]:
        """Whisper's codes of the languages in its vocabulary; faster-whisper adds Cantonese to all."""
        codes: list[str] = super().supported_languages
        return [code for code in codes if self.hf_tokenizer.token_to_id(f"<|{code}|>") is not None]

    def begin(self, work: Work) -> None:
        """Decode within the bounds of *work* until other work begins, or the recording is forgotten."""
        self._work = self.model.work = work

    def generate_with_fallback(
        self,
        encoder_output: ctranslate2.StorageView,
        prompt: list[int],
        tokenizer: fw.Tokenizer,
        options: fw.TranscriptionOptions,
    ) -> tuple[Any, float, float, float]:
        """Return the text of a window, its mean log-probability, temperature and compression ratio.

        Replaces faster-whisper's own method: it decodes in the same way, and `climb` chooses temperatures.

        Raises:
            SpentError: The clip has used up its work.
        """
        work = self._work
        if work is None:
            return super().generate_with_fallback(encoder_output, prompt, tokenizer, options)  # type: ignore[no-any-return]

        def attempt(temperature: float) -> Attempt:
            single = replace(options, temperatures=[temperature])
            return self._attempt(
                work, super(Model, self).generate_with_fallback(encoder_output, prompt, tokenizer, single)
            )

        best = climb(
            work.begin_window(list(options.temperatures)),
            attempt,
            lambda one: self._salvage(work, one, encoder_output, tokenizer),
        )
        return _Found(best), best.avg_logprob, best.temperature, best.compression_ratio

    def _attempt(self, work: Work, found: tuple[Any, float, float, float]) -> Attempt:
        result, avg_logprob, temperature, compression_ratio = found
        tokens = tuple(result.sequences_ids[0])
        work.count(len(tokens))
        return Attempt(
            tokens=tokens,
            temperature=temperature,
            avg_logprob=avg_logprob,
            compression_ratio=compression_ratio,
            no_speech_prob=result.no_speech_prob,
            ran_away=work.ran_away(len(tokens)),
            too_fast=work.too_fast(len(tokens)),
        )

    def _salvage(
        self, work: Work, attempt: Attempt, encoder_output: ctranslate2.StorageView, tokenizer: fw.Tokenizer
    ) -> Attempt:
        """Return the believable part of an attempt that ran away: its text without the repeats."""
        work.salvaged = True
        tokens = [token for token in without_loop(attempt.tokens) if token < tokenizer.eot]
        if not tokens or len(tokens) == len(attempt.tokens):
            return NOTHING
        frames = self.feature_extractor.nb_max_frames
        [aligned] = self.model.align(encoder_output, tokenizer.sot_sequence, [tokens], frames)
        logprob = float(np.mean(np.log(np.maximum(aligned.text_token_probs, 1e-10))))
        if logprob < MIN_LOGPROB:
            return NOTHING
        text = tokenizer.decode(tokens).strip()
        return replace(
            attempt,
            tokens=tuple(tokens),
            avg_logprob=logprob,
            compression_ratio=fw.get_compression_ratio(text),
        )

    def encode(self, features: NDArray[np.float32]) -> ctranslate2.StorageView:
        """Return the encoder's output for *features*, shape (n_mels, n_frames) or a batch of those."""
        if features.ndim > 2:  # noqa: PLR2004  # a batch is never seen again
            return super().encode(features)
        if self._features is None or not np.array_equal(self._features, features):
            self._features, self._encoded = features, super().encode(features)
        return self._encoded

    def forget(self) -> None:
        """Drop what was encoded last; called when a recording is done."""
        self._features = self._encoded = self._work = self.model.work = None

    def detect(self, samples: NDArray[np.float32]) -> list[tuple[str, float]]:
        """Return the probability of each language in the first 30 s of *samples*, which are at 16 kHz."""
        # Without the last frame, as transcribe() does it, so that the features are the same.
        _, _, found = self.detect_language(features=self.feature_extractor(samples)[..., :-1])
        return [(str(code), float(probability)) for code, probability in found]

    def probe(self, samples: NDArray[np.float32]) -> list[tuple[str, float]]:
        """Do as `detect`, slightly less exactly, at a cost that depends on the length: for 5 s, a fifth."""
        features = self.feature_extractor(samples, padding=PROBE_PADDING)
        features = features[..., : self.feature_extractor.nb_max_frames]
        # Not through this class's own encode(), which keeps the features of the clip.
        encoded = self.model.encode(fw.get_ctranslate2_storage(features[None]))
        [found] = self.model.detect_language(encoded)
        return [(token[2:-2], probability) for token, probability in found]


class _Bounded:
    """CTranslate2's Whisper: each call first checks whether it was cancelled, and texts end at their budget.

    With `detects`, it also detects the language of each clip of a batch, from what is encoded already.
    """

    work: Work | None = None
    detects: bool = False
    found: Sequence[Found] = ()
    """Languages of each clip of the last batch that was decoded with `detects`."""

    def __init__(self, model: ctranslate2.models.Whisper) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, *args: Any, **options: Any) -> Any:
        """Encode features."""
        self._look()
        return self._model.encode(*args, **options)

    def align(self, *args: Any, **options: Any) -> Any:
        """Find the times at which the words of a text are spoken."""
        self._look()
        return self._model.align(*args, **options)

    def generate(self, features: Any, prompts: list[list[int]], **options: Any) -> Any:
        """Decode encoded features; all prompts are of the same length."""
        self._look()
        if self.work is not None:
            options["max_length"] = self.work.max_length(len(prompts[0]), options["max_length"])
        if self.detects:  # one token's work
            clips = self._model.detect_language(features)
            self.found = [[(token[2:-2], probability) for token, probability in clip] for clip in clips]
        return self._model.generate(features, prompts, **options)

    def _look(self) -> None:
        if self.work is not None:
            self.work.stop()


class _Found:
    """An attempt, in the form in which faster-whisper reads results of CTranslate2."""

    def __init__(self, attempt: Attempt) -> None:
        self.sequences_ids = [list(attempt.tokens)]
        self.no_speech_prob = attempt.no_speech_prob


def load_model(context: LoadContext, compute_type: str) -> Model:
    """Load the model in the context's folder onto its device.

    Raises:
        EngineLoadError: The folder has no CTranslate2 Whisper, or the device cannot run it.
        EngineDeviceError: This environment cannot compute on the device.
    """
    folder = context.model_dir
    device, _, index = context.device.partition(":")
    _check_files(context.model, folder)
    if device == "cuda":
        open_cublas()
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
    except Exception as error:  # its native parts raise all kinds of errors
        raise device_error(error, context.device) or EngineLoadError(
            f"Whisper cannot load model {context.model!r} on {context.device}: {error}"
        ) from error


def best_compute_type(device: str, index: int) -> str:
    """Return the compute type to use where the operator names none."""
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
