"""IndexTTS-2.5, through indextts25-inference."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speechhub_indextts.annotations import ANNOTATION
from speechhub_indextts.features import Features
from speechhub_indextts.front import Front
from speechhub_indextts.generation import Line, Segment, SpeechModel
from speechhub_indextts.kept import Kept
from speechhub_indextts.packages import indextts25, torch
from speechhub_indextts.placement import Placement
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.text import detect_language, has_speech

log = logging.getLogger(__name__)

SPEAKER: Final = ("spk_cond_emb", "style", "prompt_condition", "ref_mel")
FEELING: Final = "emo_cond_emb"
FULL: Final = 32_767.0
"""Full scale of the package's samples."""
MOST_TOKENS: Final = 120
"""Longer segments may last longer than half a minute."""


class Generation25(SpeechModel):
    """Drives ``infer_generator``; features of voices are put where the package looks for them."""

    segment_tokens = 60
    most_codes = 750

    def __init__(
        self,
        view: Path,
        marks: Path,
        normalizers: Mapping[str, Any],
        settings: IndexTtsSettings,
        placement: Placement,
    ) -> None:
        """Load the model from a folder that `lay_out` filled.

        Args:
            view: That folder.
            marks: Folder for empty files: the package identifies voices by the names and times of files.
            normalizers: Grammars that put numbers into words, by language.
            settings: The operator's options.
            placement: Where its models go.
        """
        if settings.segment_tokens > MOST_TOKENS:
            log.warning(
                "segment_tokens is %d: IndexTTS-2.5 speaks at most half a minute at once, and squeezes "
                "longer segments into it; set %d or less",
                settings.segment_tokens,
                MOST_TOKENS,
            )
        from indextts25 import IndexTTS25  # noqa: PLC0415  # only after packages.py

        self.half = getattr(torch, placement.half_name)
        with _gpt_in(self.half):
            self._api: Any = IndexTTS25(
                model_dir=view,
                device="cpu" if placement.by_stages else placement.device,
                fp16=placement.half,
            )
        if self._api._tts.dtype is not None:  # noqa: SLF001  # half precision, which the package calls bfloat16
            self._api._tts.dtype = self.half  # noqa: SLF001
        self._marks = marks
        self._front = Front(settings, normalizers)
        tts = self._api._tts  # noqa: SLF001  # its public API takes no vectors
        self._prepare, self._cut = tts._prepare_text, tts.split_text_by_tokens  # noqa: SLF001
        tts._prepare_text = lambda text, *_, **__: text  # noqa: SLF001  # texts come prepared and cut
        tts.split_text_by_tokens = lambda text, *_, **__: [text]
        super().__init__(tts, settings, placement)

    def segments(self, line: Line) -> Sequence[Segment]:
        """Return what is to be spoken, in the order of the text."""
        language = self._language(line)
        text = self._spoken(line, language)
        if not has_speech(text):
            return ()
        limit = self._settings.segment_tokens or self.segment_tokens
        return [Segment(text=part) for part in self._cut(text, limit, f"<|{language}|> ")]

    def speak(self, line: Line, segment: Segment) -> NDArray[np.float32]:
        """Return the speech of one segment."""
        tts = self._tts
        voice, feeling = self._mark(line.key), self._mark(line.feeling_key)
        tts._spk_cache = {_key(voice): tuple(line.speaker[name] for name in SPEAKER)}  # noqa: SLF001
        tts._emo_cache = {_key(feeling): line.feeling[FEELING]}  # noqa: SLF001
        sampling: dict[str, Any] = dict(self._sampling)
        if line.vector:
            sampling |= {"emo_vector": list(line.vector), "use_random": line.random}
        # Not the public `stream`, which always rewrites numbers.
        chunks = tts.infer_generator(
            spk_audio_prompt=voice,
            text=segment.text,
            output_path=None,
            lang=self._language(line),
            duration_factor=1 / line.speed,  # length of the speech, as a factor
            emo_audio_prompt=feeling,
            emo_alpha=line.alpha,
            interval_silence=0,
            stream_return=True,
            text_normalization=False,
            diffusion_steps=self._settings.diffusion_steps,
            inference_cfg_rate=self._settings.inference_cfg_rate,
            **sampling,
        )
        try:
            for chunk in chunks:
                samples: NDArray[np.float32] = chunk.reshape(-1).to(torch.float32).numpy() / np.float32(FULL)
                return np.clip(samples, -1.0, 1.0)
        finally:
            chunks.close()
        return np.zeros(0, np.float32)  # the model stopped immediately

    def _language(self, line: Line) -> str:
        return line.language or detect_language(line.text, self._settings.language)

    def _spoken(self, line: Line, language: str) -> str:
        """Return the text of a line as the tokenizer takes it."""
        signs = self._tts.text_process
        kept = Kept(line.text)
        # First of all: grammars would read tones as numbers, and the Japanese dictionary splits marks.
        text = kept.matches(ANNOTATION, line.text, indextts25.infer_v2_5.apply_pronunciation_annotations)
        if self._settings.normalization and language in ("zh", "en"):
            text = signs.apply_glossary_terms(text, lang=language)

        def clean(text: str) -> str:
            """Replace signs as the package does before NeMo runs, but keep colons for times of day."""
            return str(signs.clean_pattern.sub(lambda sign: _sign(sign[0], signs.char_rep_map), text))

        text = self._front.spoken(text, language, clean=clean if language != "es" else str)
        prepared = kept.restored(str(self._prepare(text, language, text_normalization=False)))
        return re.sub(" {2,}", " ", prepared) if language == "ja" else prepared  # the package separates words

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

    def _use(self, folder: Path) -> None:
        self._marks = folder / "marks"
        self._marks.mkdir()

    def _mark(self, digest: str) -> str:
        path = self._marks / digest
        if not path.exists():  # a new time stamp would make it another voice
            path.touch()
        return str(path)


def _sign(sign: str, replacements: Mapping[str, str]) -> str:
    return sign if sign in ":\uff1a" else replacements[sign]


@contextmanager
def _gpt_in(half: torch.dtype) -> Iterator[None]:
    """Make the package's only half precision, bfloat16, another one for its GPT."""
    kind = indextts25.infer_v2_5.UnifiedVoice
    kind.bfloat16 = lambda gpt: gpt.to(half)
    try:
        yield
    finally:
        del kind.bfloat16


def _key(path: str) -> Any:
    return indextts25.infer_v2_5._audio_key(path)  # noqa: SLF001
