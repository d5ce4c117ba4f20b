"""IndexTTS-2, through indextts2-inference."""

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speechhub_indextts.annotations import inlined
from speechhub_indextts.contractions import expanded
from speechhub_indextts.features import Features
from speechhub_indextts.front import Front
from speechhub_indextts.generation import Line, Segment, SpeechModel
from speechhub_indextts.layout import HUB
from speechhub_indextts.packages import infer_v2, torch, use_hub_cache
from speechhub_indextts.pinyin import PINYIN, corrected
from speechhub_indextts.placement import Placement
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.text import either_language, has_speech

log = logging.getLogger(__name__)

SPEAKER: Final = ("spk_cond_emb", "style", "prompt_condition", "ref_mel")
FEELING: Final = "emo_cond_emb"
MAX_TRIES: Final = 3
"""How often a segment is tried for which the model returns no codes, on which the next model crashes."""


class Generation2(SpeechModel):
    """Drives ``IndexTTS2.infer_generator``; features of voices are put into the package's own cache."""

    segment_tokens = 120
    most_codes = 1500
    half = torch.float16

    def __init__(
        self, view: Path, normalizers: dict[str, Any], settings: IndexTtsSettings, placement: Placement
    ) -> None:
        """Load the model from a folder that `lay_out` filled.

        Args:
            view: That folder.
            normalizers: Grammars that put numbers into words, by language; they replace the package's own,
                which it would build on every start and keep in its own folder.
            settings: The operator's options.
            placement: Where its models go.
        """
        use_hub_cache(view / HUB)
        package = infer_v2()
        package.QwenEmotion = lambda _: None  # FeelingReader loads it on first use, where there is room
        package.TextNormalizer.load = lambda _: None  # replaced by *normalizers*
        tts = package.IndexTTS2(
            model_dir=str(view),
            device="cpu" if placement.by_stages else placement.device,
            use_fp16=placement.half,
            use_cuda_kernel=False,
        )
        self._speak_codes = tts.gpt.inference_speech
        tts.gpt.inference_speech = self._some_codes
        flow = tts.s2mel.models["cfm"]
        self._flow = flow.inference
        flow.inference = self._with_options
        infer_flow = sys.modules["indextts.s2mel.modules.flow_matching"]
        infer_flow.tqdm = lambda steps: steps  # type: ignore[attr-defined]  # a bar for each segment
        tts.tokenizer.normalizer = None  # texts come prepared and cut
        self._front = Front(settings, normalizers)
        self._tokenize, self._cut = tts.tokenizer.tokenize, tts.tokenizer.split_segments
        tts.tokenizer.split_segments = lambda tokens, *_, **__: [tokens]
        super().__init__(tts, settings, placement)

    def segments(self, line: Line) -> Sequence[Segment]:
        """Return what is to be spoken, in the order of the text."""
        text = self._spoken(line)
        if not has_speech(text):
            return ()
        limit = self._settings.segment_tokens or self.segment_tokens
        cut = self._cut(self._tokenize(text), limit, quick_streaming_tokens=limit // 2)
        return [Segment(text="".join(tokens).replace("\u2581", " "), tokens=tuple(tokens)) for tokens in cut]

    def speak(self, line: Line, segment: Segment) -> NDArray[np.float32]:
        """Return the speech of one segment."""
        tts = self._tts
        tts.cache_spk_audio_prompt = line.key
        tts.cache_spk_cond, tts.cache_s2mel_style, tts.cache_s2mel_prompt, tts.cache_mel = (
            line.speaker[name] for name in SPEAKER
        )
        tts.cache_emo_audio_prompt, tts.cache_emo_cond = line.feeling_key, line.feeling[FEELING]
        tts.tokenizer.tokenize = lambda _: list(segment.tokens)
        chunks = tts.infer_generator(
            line.key,
            segment.text,
            None,
            emo_audio_prompt=line.feeling_key,
            emo_alpha=line.alpha,
            emo_vector=list(line.vector) or None,
            use_random=line.random,
            interval_silence=0,
            stream_return=True,
            **self._sampling,
        )
        try:
            # After the first chunk it yields silence, or all speech so far.
            samples: NDArray[np.float32] = next(chunks).reshape(-1).to(torch.float32).numpy()
            return np.clip(samples, -1.0, 1.0)
        finally:
            chunks.close()

    def _spoken(self, line: Line) -> str:
        """Return the text of a line as the tokenizer takes it."""
        normalizer = self._tts.normalizer
        language = either_language(line.text, line.language, self._settings.language)
        text = expanded(inlined(line.text))
        if language == "zh":
            text = PINYIN.sub(lambda found: corrected(found[0]), text)
        text = normalizer.apply_glossary_terms(text, lang=language)
        text = self._front.spoken(text, language)
        if not self._settings.normalization and (digits := sum(map(str.isdigit, PINYIN.sub("", text)))):
            log.warning("normalization is off, and IndexTTS-2 cannot read digits: %d are not spoken", digits)
        signs = normalizer.zh_char_rep_map if language == "zh" else normalizer.char_rep_map
        text = re.sub("|".join(map(re.escape, signs)), lambda found: signs[found[0]], text)
        # The tokenizer does not capitalize a single character, but has no small letters.
        return f"{text.strip()}." if len(text.strip()) == 1 and has_speech(text) else text

    @property
    def _visitors(self) -> tuple[Any, ...]:
        codec = self._tts.semantic_codec
        return (*super()._visitors, codec.encoder, codec.decoder)

    @property
    def _shared(self) -> tuple[Any, ...]:
        return (*super()._shared, self._tts.semantic_codec.quantizer)

    def _analyse_speaker(self, recording: Path) -> Features:
        tts = self._tts
        tts.cache_spk_cond = None
        tensors = tts._get_speaker_conditioning(str(recording))  # noqa: SLF001
        tts.cache_spk_cond = None
        return dict(zip(SPEAKER, tensors, strict=True))

    def _analyse_feeling(self, recording: Path) -> Features:
        tts = self._tts
        tts.cache_emo_cond = None
        tensor = tts._get_emotion_conditioning(str(recording))  # noqa: SLF001
        tts.cache_emo_cond = None
        return {FEELING: tensor}

    def _with_options(self, *arguments: Any, **_: Any) -> Any:
        """Make a mel spectrogram with the operator's options instead of the package's fixed ones."""
        *conditions, _steps = arguments
        return self._flow(
            *conditions, self._settings.diffusion_steps, inference_cfg_rate=self._settings.inference_cfg_rate
        )

    def _some_codes(self, *arguments: Any, **options: Any) -> Any:
        """Return the result of ``inference_speech``, with at least one code."""
        stop = self._tts.stop_mel_token
        codes, latent = self._speak_codes(*arguments, **options)
        for _ in range(MAX_TRIES - 1):
            if codes.shape[1] and int(codes[0, 0]) != stop:
                return codes, latent
            codes, latent = self._speak_codes(*arguments, **options)
        if codes.shape[1] and int(codes[0, 0]) != stop:
            return codes, latent
        return codes.new_tensor([[0, stop]]), latent  # a hundredth of a second of arbitrary sound
