"""The IndexTTS engine; imported in the worker only."""

import dataclasses
import logging
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechhub.engine import (
    Audio,
    Call,
    DeviceMemory,
    Emotion,
    EmotionMode,
    EngineOutOfMemoryError,
    Held,
    InvalidValueError,
    LoadContext,
    Reference,
    SynthesizeRequest,
    TtsEngine,
    Voice,
    stamp_of,
)
from speechhub_indextts.checkpoint import read_checkpoint
from speechhub_indextts.emotion import normalized
from speechhub_indextts.features import Features, FeatureStore, fingerprint
from speechhub_indextts.feeling import FeelingReader
from speechhub_indextts.generation import SAMPLE_RATE, Line, Segment, free_cached
from speechhub_indextts.gpu import explained, spared
from speechhub_indextts.grammars import prepare_grammars
from speechhub_indextts.loading import load_soundly
from speechhub_indextts.model import load_generation, place, set_threads
from speechhub_indextts.packages import quiet, torch
from speechhub_indextts.prepared import PREFIX, Ready, prepare_generation
from speechhub_indextts.quality import fault_s, with_short_silences
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.sound import after_pause, faded
from speechhub_indextts.text import has_speech

log = logging.getLogger(__name__)

SHORTEST_S: Final = 0.5
"""Shortest recording that shows a voice, in seconds."""
LONGEST_S: Final = 15.0
"""How much of a recording the models use, from its start, in seconds. Source: infer_v2.py."""
WARM_UP: Final = "Hello."


class IndexTtsEngine(TtsEngine):
    """IndexTTS-2 or 2.5 on PyTorch."""

    def __init__(self) -> None:
        self._held: Held[Ready] = Held()

    def prepare(self, context: LoadContext) -> None:
        """Prepare the grammars, and the models if there is room; importing this module did the rest."""
        settings = context.settings(IndexTtsSettings)
        normalizers = prepare_grammars(context, settings)
        prepare_generation(context, settings, normalizers, self._held)

    def load(self, context: LoadContext) -> None:
        """Load the model; on a GPU, speak once, to load what is loaded late and to check that it works."""
        set_threads(context.threads)
        with explained(context.device):
            self._precision = load_soundly(self, context, context.settings(IndexTtsSettings))

    def remarks(self) -> Sequence[str]:
        """Return what was given up on this device."""
        given_up = ", ".join(self._placement.steps)
        memory = f"For lack of memory on {self._placement.device}: {given_up}." if given_up else ""
        return [remark for remark in (memory, self._precision) if remark]

    def bring_up(self, context: LoadContext, settings: IndexTtsSettings) -> None:
        """Load the model with these options, without speaking."""
        checkpoint = read_checkpoint(context.model_dir, context.model)
        ready = self._held.take(stamp_of(context))
        self._placement = place(checkpoint, context, settings, ready.sizes if ready else None)
        self._settings = settings = spared(settings, self._placement, checkpoint.generation.value)
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX)
        folder = Path(self._folder.name)
        try:
            if ready:
                self._generation = ready.generation
                with quiet():
                    self._generation.move(self._placement, settings, folder)
            else:
                normalizers = prepare_grammars(context, settings)
                self._generation = load_generation(checkpoint, folder, settings, self._placement, normalizers)
        except BaseException:
            self._folder.cleanup()
            raise
        self._features = FeatureStore(
            context.cache_dir,
            fingerprint=fingerprint(checkpoint.generation, checkpoint.analysers),
            kept=settings.kept_voices,
            device=context.device,
        )
        reader = (
            Path(settings.emotion_model).expanduser() if settings.emotion_model else checkpoint.emotion_model
        )
        self._reader = FeelingReader(reader, self._placement.feeling_device, self._placement.feeling_half)

    def take_down(self) -> None:
        """Unload the model, so that it can be loaded with other options."""
        del self._generation, self._features, self._reader
        self._folder.cleanup()

    def close(self) -> None:
        """Delete the folder of links."""
        self._folder.cleanup()

    @property
    def is_half(self) -> bool:
        """Whether any model speaks in half precision."""
        return self._placement.half or self._placement.effort.vocoder_half

    def memory(self) -> DeviceMemory | None:
        """Return what PyTorch holds on the GPU; None on the CPU."""
        device = self._placement.device
        if device == "cpu":
            return None
        return DeviceMemory(
            allocated_bytes=torch.cuda.memory_allocated(device),
            reserved_bytes=torch.cuda.memory_reserved(device),
        )

    def voices(self) -> Sequence[Voice]:
        """Return none: the models speak in the voice of a recording."""
        return ()

    def warm_up(self) -> None:
        """Speak once, in the voice of a buzz.

        Raises:
            NotNumbersError: A model computed NaN or infinity.
        """
        phase = np.arange(2 * SAMPLE_RATE, dtype=np.float64) * (2 * np.pi * 150 / SAMPLE_RATE)
        buzz = np.sum([np.sin(phase * overtone) / overtone for overtone in range(1, 6)], axis=0)
        audio = Audio(samples=(0.2 * buzz).astype(np.float32), sample_rate=SAMPLE_RATE)
        reference = Reference(audio=audio, digest="warm-up")
        request = SynthesizeRequest(text=WARM_UP, voice="", reference=reference, seed=0)
        with self._generation.watched():
            for _ in self.synthesize(request, Call()):
                pass

    def synthesize(self, request: SynthesizeRequest, call: Call) -> Iterator[Audio]:
        """Yield the speech of one segment of the text after the other, with pauses between them."""
        call.raise_if_cancelled()
        if not has_speech(request.text):
            return
        self._generation.on_step = call.raise_if_cancelled
        pause_ms = self._settings.silence_ms
        if request.silence_interval_ms is not None:
            pause_ms = request.silence_interval_ms
        first = not request.follows_sentence
        try:
            line = self._line(request)
            _seed(request.seed)  # not earlier: w2v-bert draws random numbers, and does not always run
            for samples in self._spoken(line, retry=self._settings.retry and request.seed is None):
                call.raise_if_cancelled()
                whole = faded(samples, SAMPLE_RATE)
                if not first:
                    whole = after_pause(whole, pause_ms, SAMPLE_RATE)
                first = False
                yield Audio(samples=whole, sample_rate=SAMPLE_RATE)
        except torch.OutOfMemoryError as error:
            raise EngineOutOfMemoryError(
                f"{self._placement.device} has too little memory to speak this text."
            ) from error
        finally:
            self._generation.on_step = lambda: None
            free_cached(self._placement.device)

    def _spoken(self, line: Line, *, retry: bool) -> Iterator[NDArray[np.float32]]:
        """Yield the speech of each segment; gradients and warnings are off only while one is spoken."""
        with quiet():
            segments = self._generation.segments(line)
        emotion = random.getstate()
        longest_s = self._settings.longest_silence_ms / 1000
        for segment in segments:
            samples = self._attempt(line, segment, emotion)
            if retry and (wrong_s := self._fault_s(samples, line, segment)) > 0:
                log.warning("a segment is wrong by %.1f s; speaking it again", wrong_s)
                again = self._attempt(line, segment, emotion)
                samples = again if self._fault_s(again, line, segment) < wrong_s else samples
            if longest_s:
                samples = with_short_silences(samples, SAMPLE_RATE, longest_s=longest_s)
            if len(samples):
                yield samples

    def _attempt(self, line: Line, segment: Segment, emotion: Any) -> NDArray[np.float32]:
        random.setstate(emotion)  # the same row of the tables for the whole line
        with torch.no_grad(), quiet():
            return self._generation.speak(line, segment)

    def _fault_s(self, samples: NDArray[np.float32], line: Line, segment: Segment) -> float:
        return fault_s(samples, segment.text, sample_rate=SAMPLE_RATE, speed=line.speed)

    def _line(self, request: SynthesizeRequest) -> Line:
        if request.reference is None:
            raise InvalidValueError(
                "This model has no voices of its own: send a recording, or name a stored voice.",
                param="voice",
            )
        emotion = request.emotion if request.emotion and request.emotion.alpha > 0 else None
        feels = emotion.audio if emotion and emotion.mode is EmotionMode.AUDIO else None
        with torch.no_grad():
            line = Line(
                text=request.text,
                language=request.language,
                speaker=self._known(request.reference, "speaker", self._generation.analyse_speaker),
                key=request.reference.digest,
                feeling=self._known(feels or request.reference, "feeling", self._generation.analyse_feeling),
                feeling_key=(feels or request.reference).digest,
                speed=request.speed,
            )
            if emotion is None:
                return line
            return dataclasses.replace(
                line,
                alpha=emotion.alpha,
                vector=() if feels else tuple(self._vector(emotion, request.text)),
                random=emotion.random,
            )

    def _vector(self, emotion: Emotion, text: str) -> list[float]:
        if emotion.mode is EmotionMode.VECTOR:
            return normalized(emotion.vector)
        return self._reader.read(emotion.text or text, self._generation.on_step)

    def _known(self, reference: Reference, kind: str, analyse: Callable[[Path], Features]) -> Features:
        def compute() -> Features:
            duration_s = reference.audio.duration_s
            if duration_s < SHORTEST_S:
                raise InvalidValueError(
                    f"The recording lasts {duration_s:.2f} s; a voice needs {SHORTEST_S} s, better 5 to 15.",
                    param="voice" if kind == "speaker" else "emotion.audio",
                )
            if duration_s > LONGEST_S:
                log.warning("a recording of %.0f s: only its first %.0f s are used", duration_s, LONGEST_S)
            path = Path(self._folder.name) / f"{reference.digest}.wav"
            try:
                soundfile.write(path, reference.audio.samples, reference.audio.sample_rate, subtype="FLOAT")
                with quiet():
                    return analyse(path)
            finally:
                with suppress(OSError):  # a person's voice must not stay on disk
                    path.unlink()

        return self._features.get(reference, kind, compute)


def _seed(seed: int | None) -> None:
    """Make the following random numbers repeatable, or random again."""
    if seed is None:
        torch.seed()
    else:
        torch.manual_seed(seed)
    random.seed(seed)  # chooses among the tables of emotions
