"""The part that both generations share: from a voice's features to samples, segment by segment."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from speechhub.engine import EngineLoadError
from speechhub_indextts.features import Features
from speechhub_indextts.packages import torch
from speechhub_indextts.placement import Placement
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.soundness import halve_vocoder, watched

SAMPLE_RATE: Final = 22_050
TENSORS: Final = ("semantic_mean", "semantic_std")
TABLES: Final = ("emo_matrix", "spk_matrix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A text to speak, and how."""

    text: str
    language: str | None
    speaker: Features
    """From `SpeechModel.analyse_speaker`."""
    key: str
    """Digest of the speaker's recording."""
    feeling: Features
    """From `SpeechModel.analyse_feeling`: the speaker's own, or that of another recording."""
    feeling_key: str
    """Digest of that recording."""
    alpha: float = 1.0
    """Strength of the feeling, or of the vector."""
    vector: tuple[float, ...] = ()
    """Eight weights, ready for the model; empty if none were given."""
    random: bool = False
    speed: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a text that is spoken at once."""

    text: str
    """As the model gets it: numbers in words, without signs that it cannot say."""
    tokens: tuple[str, ...] = ()
    """For IndexTTS-2, which cuts tokens instead of texts."""


class SpeechModel(ABC):
    """A loaded model of one generation; made for one process, used by one thread."""

    segment_tokens: ClassVar[int]
    """Tokens of a segment, where the operator sets no number."""
    most_codes: ClassVar[int]
    """Codes of a segment of half a minute."""
    half: torch.dtype
    """Half precision of the GPT."""

    def __init__(self, tts: Any, settings: IndexTtsSettings, placement: Placement) -> None:
        """Take over what the package loaded.

        Args:
            tts: The package's engine, with its models as attributes.
            settings: The operator's options.
            placement: Where its models go.
        """
        self._tts = tts
        self._settings = settings
        self._placement = placement
        self.on_step: Callable[[], None] = lambda: None
        """Called before each step of each model; an exception that it raises ends the work."""
        tts.gpt.requires_grad_(requires_grad=False)
        if placement.by_stages:
            self._settle()
        if placement.effort.vocoder_half:
            halve_vocoder(tts.bigvgan)
        for module in (
            tts.gpt.inference_model,
            tts.s2mel.models["cfm"].estimator,
            tts.bigvgan,
            tts.semantic_model,
        ):
            module.register_forward_pre_hook(lambda *_: self.on_step())

    def watched(self) -> AbstractContextManager[None]:
        """Return a context in which a model that computes NaN or infinity raises `NotNumbersError`."""
        return watched(self._tts)

    def move(self, placement: Placement, settings: IndexTtsSettings, folder: Path) -> None:
        """Move models that were loaded into the host's memory to their place.

        Args:
            placement: Where its models go.
            settings: The operator's options, as they are now.
            folder: An empty folder that stays for as long as the model, in place of the one that it was
                loaded with.

        Raises:
            EngineLoadError: The device cannot be used.
        """
        self._placement, self._settings = placement, settings
        self.half = getattr(torch, placement.half_name)
        self._use(folder)
        try:
            self._settle()
            if placement.effort.vocoder_half:
                halve_vocoder(self._tts.bigvgan)
        except (RuntimeError, AssertionError) as error:
            raise EngineLoadError(f"Device {placement.device} cannot be used: {error}") from error

    def _use(self, folder: Path) -> None:  # noqa: B027  # only one of them has anything
        """Keep in *folder* whatever must be in files."""

    @property
    def _sampling(self) -> dict[str, float]:
        return self._settings.sampling() | {
            "max_mel_tokens": self._settings.max_mel_tokens or self.most_codes
        }

    @abstractmethod
    def segments(self, line: Line) -> Sequence[Segment]:
        """Return the segments to speak, in order; none where there is nothing to say."""

    @abstractmethod
    def speak(self, line: Line, segment: Segment) -> NDArray[np.float32]:
        """Return the speech of one segment of the line that was last cut.

        Returns:
            float32, shape (n,), in [-1, 1]; empty where the model said nothing.
        """

    @abstractmethod
    def _analyse_speaker(self, recording: Path) -> Features: ...

    @abstractmethod
    def _analyse_feeling(self, recording: Path) -> Features: ...

    def analyse_speaker(self, recording: Path) -> Features:
        """Return the features of the voice in a sound file."""
        with self._analysis():
            return self._here(self._analyse_speaker(recording))

    def analyse_feeling(self, recording: Path) -> Features:
        """Return the features of the emotion in a sound file."""
        with self._analysis():
            return self._here(self._analyse_feeling(recording))

    def _here(self, features: Features) -> Features:
        return {name: tensor.detach().to(self._placement.device) for name, tensor in features.items()}

    @property
    def _visitors(self) -> tuple[Any, ...]:
        """Models that only the analysis of recordings needs."""
        return (self._tts.semantic_model, self._tts.campplus_model)

    @property
    def _shared(self) -> tuple[Any, ...]:
        """Models that both analysis and speaking need."""
        return (self._tts.s2mel.models["length_regulator"],)

    @contextmanager
    def _analysis(self) -> Iterator[None]:
        """Move all models of the analysis to one device while a recording is analysed."""
        placement, tts = self._placement, self._tts
        if not placement.by_stages:
            yield
            return
        where = placement.analysis_device
        self._gather((*self._visitors, *self._shared), where)
        try:
            yield
        finally:
            self._gather(self._visitors, placement.rest_device)
            self._gather(self._shared, placement.device)
            tts.device = placement.device
            free_cached(placement.device)

    def _gather(self, modules: tuple[Any, ...], device: str) -> None:
        for module in modules:
            module.to(device)
        for name in TENSORS:
            setattr(self._tts, name, getattr(self._tts, name).to(device))
        self._tts.device = device

    def _settle(self) -> None:
        """Move models that were loaded into the host's memory to their place."""
        tts, placement = self._tts, self._placement
        if placement.half:
            tts.dtype = self.half
            # One tensor after the other, converted on the device: a CPU takes seconds for it.
            tts.gpt._apply(lambda tensor: _halved(tensor.to(placement.device), self.half))  # noqa: SLF001
        for module in (tts.gpt, tts.s2mel, tts.bigvgan, tts.semantic_codec):
            module.to(placement.device)
        transformer = tts.s2mel.models["cfm"].estimator.transformer
        for name in ("freqs_cis", "causal_mask"):  # neither parameters nor buffers
            if isinstance(table := getattr(transformer, name, None), torch.Tensor):
                setattr(transformer, name, table.to(placement.device))
        for name in TABLES:
            setattr(tts, name, tuple(table.to(placement.device) for table in getattr(tts, name)))
        self._gather(self._visitors, placement.rest_device)
        tts.device = placement.device


def _halved(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def free_cached(device: str) -> None:
    """Return unused memory to the GPU's driver; it accumulates with long texts."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
