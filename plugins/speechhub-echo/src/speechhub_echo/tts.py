"""Text to speech: a tone for each word, and a piece of audio for each sentence."""

import contextlib
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from speechhub.engine import (
    Audio,
    Call,
    DeviceMemory,
    Emotion,
    EmotionMode,
    InvalidValueError,
    LoadContext,
    Reference,
    SynthesizeRequest,
    TtsEngine,
    Voice,
)
from speechhub_echo import TTS
from speechhub_echo.faults import EchoTtsSettings, Faults

PITCH_HZ = {"low": 220.0, "high": 440.0}
"""Lowest tone of each voice, in hertz."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 1000.0
"""Range in which the strongest tone of a reference is searched, in hertz."""
TONE_S = 0.2
"""Length of a word, in seconds."""
GAP_S = 0.05
"""Silence after a word, in seconds."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？\n])")  # noqa: RUF001  # Chinese texts have these


class EchoTts(TtsEngine):
    """Speaks in tones; each word has its own."""

    def load(self, context: LoadContext) -> None:
        """Read the options; an engine with weights would load them from `context.model_dir`."""
        settings = context.settings(EchoTtsSettings)
        self._sample_rate = settings.sample_rate
        self._cache_dir = context.cache_dir
        self._faults = Faults(settings, context.device)
        self._faults.while_loading()

    def voices(self) -> Sequence[Voice]:
        """Return the voices that the spec promises."""
        return TTS.models[0].voices

    def synthesize(self, request: SynthesizeRequest, call: Call) -> Iterator[Audio]:
        """Yield one piece for each sentence, so that the first can be heard before the last is made."""
        lowest_hz = self._lowest_hz(request)
        pause_s = max((request.silence_interval_ms or 0) / 1000 - GAP_S, 0.0)
        pause = np.zeros(round(pause_s * self._sample_rate), np.float32)
        sentences = [words for sentence in _SENTENCE_END.split(request.text) if (words := sentence.split())]
        for place, words in enumerate(sentences):
            self._faults.while_working(call, requests=1, text=" ".join(words))
            # Neither before the first sentence of a speech nor after the last of a call.
            before = [pause] if place or request.follows_sentence else []
            tones = [self._tone(word, lowest_hz) for word in words]
            yield Audio(samples=np.concatenate([*before, *tones]), sample_rate=self._sample_rate)

    def memory(self) -> DeviceMemory | None:
        """Report nothing, unless the switch `leak_bytes` is set."""
        return self._faults.memory()

    def close(self) -> None:
        """Close nothing; the switch `ignore_stop` makes this hang."""
        self._faults.while_closing()

    def _lowest_hz(self, request: SynthesizeRequest) -> float:
        """Return the voice's lowest tone, or the strongest of a reference; an emotion raises it."""
        if request.reference is not None:
            lowest_hz = self._learnt_hz(request.reference)
        elif request.voice in PITCH_HZ:
            lowest_hz = PITCH_HZ[request.voice]
        else:
            raise InvalidValueError(f"There is no voice {request.voice!r}.", param="voice")
        if (
            request.seed is not None
        ):  # a seed must repeat what chance decides, and without one nothing is random here
            lowest_hz *= float(np.random.default_rng(request.seed).uniform(0.97, 1.03))
        return lowest_hz * 2 ** (semitones(request.emotion, request.text) / 12)

    def _learnt_hz(self, reference: Reference) -> float:
        """Return what is computed from a reference; for a stored voice, compute it only once."""
        if self._cache_dir is None or not reference.stored:
            return strongest_hz(reference.audio)
        kept = self._cache_dir / f"{reference.digest}.hz"
        try:
            return float(kept.read_text())
        except (OSError, ValueError):  # the host may delete it at any time
            learnt_hz = strongest_hz(reference.audio)
        fresh = kept.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk costs time, not speech
            fresh.write_text(repr(learnt_hz))
            fresh.replace(kept)  # so that no reader sees half a file
        return learnt_hz

    def _tone(self, word: str, lowest_hz: float) -> NDArray[np.float32]:
        """Return the word's tone, within one octave, and the gap after it; float32, range [-0.3, 0.3]."""
        frequency_hz = lowest_hz * 2 ** (zlib.crc32(word.encode()) % 12 / 12)
        time_s = np.arange(round(TONE_S * self._sample_rate), dtype=np.float32) / self._sample_rate
        fade = np.sin(np.pi * time_s / TONE_S)  # a tone that starts at full strength clicks
        tone = 0.3 * fade * np.sin(2 * np.pi * frequency_hz * time_s)
        return np.append(tone, np.zeros(round(GAP_S * self._sample_rate))).astype(np.float32)


def strongest_hz(audio: Audio) -> float:
    """Return the strongest frequency of *audio* between 60 and 1000 Hz, in hertz."""
    spectrum = np.abs(np.fft.rfft(audio.samples))
    frequencies = np.fft.rfftfreq(len(audio.samples), 1 / audio.sample_rate)
    spectrum[(frequencies < LOWEST_HZ) | (frequencies > HIGHEST_HZ)] = 0
    return float(frequencies[int(np.argmax(spectrum))]) or LOWEST_HZ


def semitones(emotion: Emotion | None, text: str) -> float:
    """Return by how much an emotion raises the voice: up to an octave, times its alpha."""
    if emotion is None:
        return 0.0
    match emotion.mode:
        case EmotionMode.AUDIO if emotion.audio is not None:
            told = emotion.audio.digest
        case EmotionMode.VECTOR:
            told = repr(emotion.vector)
        case _:
            told = emotion.text or text
    return emotion.alpha * (1 + zlib.crc32(told.encode()) % 12)
