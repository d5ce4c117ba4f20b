"""Placement of a checkpoint's models: their memory, and the best plan that fits. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from speechhub.engine import EngineLoadError, arithmetic_of
from speechhub_indextts.economy import (
    FLOAT32_BYTES,
    HALF_BYTES,
    PACES,
    STEPS,
    Effort,
    Pace,
    at_work_bytes,
)

RUNTIME_BYTES: Final = 500_000_000
"""Memory of CUDA itself, if it cannot be measured: context, kernels, workspace. Reported: 0.29 to 0.67 GB."""
MARGIN_BYTES: Final = 100_000_000
"""Memory left for what CUDA's libraries load later."""
ANALYSING_BYTES: Final = 350_000_000
"""Memory of w2v-bert for a recording of 15 s, beside the weights: 0.29 GB, and what is wasted."""
READING_BYTES: Final = 100_000_000
"""The same for the emotion model and a description of 1000 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many parameters each model has."""

    gpt: int
    """Text and emotion to codes; the model that can be in half precision."""
    acoustic: int
    """Codes to a mel spectrogram, with the part of the semantic codec that speaking needs."""
    vocoder: int
    """Mel spectrogram to sound."""
    listener: int
    """w2v-bert: needed only while a recording is analysed."""
    speaker: int
    """CAMPPlus, and the part of the codec that only analyses."""
    feeling: int
    """The language model that reads emotions; 0 if it is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A plan that fits."""

    device: str
    half: bool
    """Whether the GPT is in half precision."""
    analysis: str
    """``device``: w2v-bert stays there. ``staged``: it moves there when needed. ``cpu``: it never does."""
    feeling_device: str
    needed_bytes: int = 0
    """Most memory that it takes on the device."""
    half_name: str = "float16"
    """Half precision of the GPT, as PyTorch names it: IndexTTS-2 was made for float16."""
    feeling_half: str = "float16"
    """Half precision of the emotion model, which was made for bfloat16."""
    effort: Effort = Effort()  # noqa: RUF009  # frozen
    steps: tuple[str, ...] = ()
    """What was given up for lack of memory, for operators."""

    @property
    def by_stages(self) -> bool:
        """Whether models are loaded into the host's memory first, and not all of them stay on the device."""
        return self.device != "cpu" and self.analysis != "device"

    @property
    def analysis_device(self) -> str:
        """Where recordings are analysed."""
        return "cpu" if self.analysis == "cpu" else self.device

    @property
    def rest_device(self) -> str:
        """Where the models that analyse recordings are otherwise."""
        return self.device if self.analysis == "device" else "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A way to run a checkpoint, and the memory that it takes."""

    sizes: Sizes
    pace: Pace
    runtime_bytes: int
    half: bool
    analysis: str
    effort: Effort = Effort()  # noqa: RUF009  # frozen

    def parts_bytes(self) -> dict[str, int]:
        """Return the memory that stays taken on the device while it speaks, by name."""
        sizes = self.sizes
        parts = {
            "CUDA": self.runtime_bytes,
            "GPT": sizes.gpt * (HALF_BYTES if self.half else FLOAT32_BYTES),
            "acoustic model": sizes.acoustic * FLOAT32_BYTES,
            "vocoder": sizes.vocoder * (HALF_BYTES if self.effort.vocoder_half else FLOAT32_BYTES),
        }
        if self.analysis == "device":
            parts["analysis of voices"] = (sizes.listener + sizes.speaker) * FLOAT32_BYTES
        return parts

    def peak_bytes(self) -> int:
        """Return the most memory that it takes on the device, without the emotion model."""
        resident = sum(self.parts_bytes().values())
        analysers = (self.sizes.listener + self.sizes.speaker) * FLOAT32_BYTES
        visiting = analysers if self.analysis == "staged" else 0
        listening = 0 if self.analysis == "cpu" else visiting + ANALYSING_BYTES
        return resident + max(at_work_bytes(self.pace, self.effort, half=self.half), listening)

    def lessened(self) -> Iterator[tuple[tuple[str, ...], "Need"]]:
        """Yield this need, then smaller ones, with one more step given up each time."""
        steps: tuple[str, ...] = ()
        need = self
        yield steps, need
        for name, change in STEPS:
            less = replace(need, effort=replace(need.effort, **change))
            if less.peak_bytes() < need.peak_bytes():
                steps, need = (*steps, name), less
                yield steps, need


def plan(
    sizes: Sizes,
    *,
    device: str,
    memory_bytes: int | None,
    generation: str = "2",
    capability: tuple[int, int] = (8, 0),
    runtime_bytes: int = RUNTIME_BYTES,
    effort: Effort = Effort(),  # noqa: B008  # frozen
    dtype: str = "auto",
    analysis: str = "auto",
    feeling_device: str = "auto",
) -> Placement:
    """Return the best way to place the models on a device.

    Args:
        sizes: Of the checkpoint.
        device: ``cpu`` or ``cuda:0`` …
        memory_bytes: Memory that may be used there, including CUDA's own part; None if unknown, and then
            everything is placed there.
        generation: ``2`` or ``2.5``.
        capability: The GPU's compute capability.
        runtime_bytes: What CUDA itself takes, measured at load.
        effort: How the operator's options ask for texts to be spoken.
        dtype: The operator's wish for the GPT; ``auto`` is half on a GPU, or float32 where that is faster
            and fits.
        analysis: The operator's wish for w2v-bert; ``auto`` is the first of ``device``, ``staged`` and
            ``cpu`` that fits.
        feeling_device: The operator's wish for the emotion model; ``auto`` is the device if there is room.

    Raises:
        EngineLoadError: It does not fit, whatever is given up; the message shows the sum.
    """
    if device == "cpu":
        return Placement(device="cpu", half=False, analysis="device", feeling_device="cpu")
    row = arithmetic_of(capability)
    room = None if memory_bytes is None else memory_bytes - MARGIN_BYTES
    names = ("float16" if generation == "2" else row.half, row.half)
    halves = [dtype != "float32"]
    if dtype == "auto" and row.prefers_float32:
        halves = [False, True]
    choices = ("device", "staged", "cpu") if analysis == "auto" else (analysis,)
    need = None
    for half in halves:
        for choice in choices:
            need = Need(
                sizes=sizes,
                pace=PACES[generation],
                runtime_bytes=runtime_bytes,
                half=half,
                analysis=choice,
                effort=effort,
            )
            # Only the last resort gives up what can be heard.
            last = half is halves[-1] and choice == choices[-1]
            for steps, less in need.lessened() if last else [((), need)]:
                need = less
                if room is None or less.peak_bytes() <= room:
                    return _placed(less, steps, device, room, feeling_device, names)
    assert need is not None  # noqa: S101  # there is always a choice
    raise EngineLoadError(_refusal(need, device=device, free=memory_bytes or 0))


def _placed(
    need: Need,
    steps: tuple[str, ...],
    device: str,
    room: int | None,
    feeling_device: str,
    names: tuple[str, str],
) -> Placement:
    needed, sizes = need.peak_bytes(), need.sizes
    with_feeling = needed + FLOAT32_BYTES // 2 * sizes.feeling + READING_BYTES
    there = feeling_device == "auto" and sizes.feeling > 0 and with_feeling <= (room or with_feeling)
    if feeling_device not in ("auto", "cpu"):
        there = True
    return Placement(
        device=device,
        half=need.half,
        analysis=need.analysis,
        feeling_device=(device if feeling_device == "auto" else feeling_device) if there else "cpu",
        needed_bytes=with_feeling if there else needed,
        half_name=names[0],
        feeling_half=names[1],
        effort=need.effort,
        steps=steps,
    )


def _refusal(need: Need, *, device: str, free: int) -> str:
    parts = need.parts_bytes()
    parts["at work"] = need.peak_bytes() - sum(parts.values())
    parts["margin"] = MARGIN_BYTES
    terms = " + ".join(f"{name} {size / 1e9:.2f}" for name, size in parts.items())
    advice = "" if need.half else ' Engine option dtype = "half" halves the GPT.'
    return (
        f"{device} has {free / 1e9:.2f} GB free, and this model needs at least "
        f"{sum(parts.values()) / 1e9:.2f} GB there: {terms}."
        f'{advice} It also runs on the CPU: [engines.indextts] device = "cpu".'
    )
