"""The Piper engine; imported in the worker only."""

from collections.abc import Iterator, Sequence

import numpy as np
from piper import SynthesisConfig

from speechhub.engine import (
    Audio,
    Call,
    EngineLoadError,
    InvalidValueError,
    LoadContext,
    SynthesizeRequest,
    TtsEngine,
    Voice,
)
from speechhub_piper.loudness import Loudness
from speechhub_piper.settings import PiperSettings
from speechhub_piper.text import clean, is_speakable, pieces
from speechhub_piper.voice import find_voice, load_voice, speakers_of, voices_of

NOTHING_S = 0.2
"""Silence for a text without anything to say, such as "…", in seconds: valid audio all the same."""
WARM_UP = "1 2 3 4 5 6 7 8 9"
"""Can be spoken in every language of espeak-ng; also sets the first speaker's level."""


class PiperEngine(TtsEngine):
    """One Piper voice, with one speaker or many."""

    def load(self, context: LoadContext) -> None:
        """Load the voice and let it speak once, so that the first request does not wait for it."""
        self._settings = context.settings(PiperSettings)
        path, config = find_voice(context.model_dir)
        self._voice = load_voice(context, path, config)
        self._speakers = speakers_of(path, config)
        self._voices = voices_of(config, self._speakers)
        self._loudness = Loudness(self._settings.loudness_db)
        try:
            list(self.synthesize(SynthesizeRequest(text=WARM_UP, voice=self._voices[0].id), Call()))
        except ImportError as error:  # piper imports what some languages need when they are first spoken
            raise EngineLoadError(f"The voice {path.name} needs another package: {error}") from error

    def voices(self) -> Sequence[Voice]:
        """Return the voice's speakers."""
        return self._voices

    def synthesize(self, request: SynthesizeRequest, call: Call) -> Iterator[Audio]:
        """Yield one piece of audio for each sentence, with the pauses between it and its neighbours."""
        speaker = self._speaker(request.voice)
        how = SynthesisConfig(
            speaker_id=speaker,
            length_scale=self._settings.length_scale,
            noise_scale=self._settings.noise_scale,
            noise_w_scale=self._settings.noise_w_scale,
        )
        sample_rate = self._voice.config.sample_rate
        pause = np.zeros(round(self._settings.sentence_silence_s * sample_rate), np.float32)
        sentences = [s for s in self._voice.phonemize(clean(request.text)) if is_speakable(s)]
        parts = [(part, n) for n, sentence in enumerate(sentences, 1) for part in pieces(sentence)]
        for done, (part, sentence) in enumerate(parts, 1):
            call.raise_if_cancelled()
            ids = self._voice.phonemes_to_ids(list(part))
            raw = np.atleast_1d(np.asarray(self._voice.phoneme_ids_to_audio(ids, how), np.float32))
            samples = self._loudness.level(raw, speaker)
            if done == 1 and request.follows_sentence:
                samples = np.concatenate([pause, samples])
            if done < len(parts) and parts[done][1] != sentence:
                samples = np.concatenate([samples, pause])
            call.report(done / len(parts))
            yield Audio(samples=samples, sample_rate=sample_rate)
        if not parts and not request.follows_sentence:  # between two sentences it makes no second pause
            yield Audio(samples=np.zeros(round(NOTHING_S * sample_rate), np.float32), sample_rate=sample_rate)

    def _speaker(self, voice: str) -> int | None:
        if voice not in self._speakers:
            raise InvalidValueError(
                f"This model has no voice {voice!r}; it has: {', '.join(self._speakers)}.", param="voice"
            )
        return self._speakers[voice]
