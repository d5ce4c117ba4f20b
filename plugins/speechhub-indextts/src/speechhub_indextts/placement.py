"""Where the models of one checkpoint go: a sum, and the best plan that fits it. Pure."""

from dataclasses import dataclass
from typing import Final

from speechhub.engine import EngineLoadError

FLOAT32_BYTES: Final = 4
HALF_BYTES: Final = 2
RUNTIME_BYTES: Final = 500_000_000
"""CUDA itself: context, kernels, cuBLAS's workspace."""
SPEAKING_BYTES: Final = 750_000_000
"""What speaking takes beside the weights, at most: half a minute after a reference of 15 s. The GPT's keys
and values take 0.64 GB in half precision, and so does the vocoder after it. Computed by
benchmarks/indextts_memory.py, and rounded up for what CUDA's allocator wastes."""
SPEAKING_FLOAT32_BYTES: Final = 1_450_000_000
"""The same with a GPT in float32, whose keys and values take twice as much."""
ANALYSING_BYTES: Final = 350_000_000
"""The same for a recording of 15 s in w2v-bert, which takes 0.29 GB."""
READING_BYTES: Final = 100_000_000
"""The same for the emotion model and a description of 1000 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many parameters each model has."""

    gpt: int
    """Text and emotion to codes; the one that can be in half precision."""
    acoustic: int
    """Codes to a mel spectrogram, with what is needed of the semantic codec to speak."""
    vocoder: int
    """Mel spectrogram to sound."""
    listener: int
    """w2v-bert: needed only while a recording is analysed."""
    speaker: int
    """CAMPPlus, and the part of the codec that only analyses."""
    feeling: int
    """The language model that reads emotions; 0 if it was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A plan that fits."""

    device: str
    half: bool
    """Whether the GPT is in half precision."""
    analysis: str
    """``device``: w2v-bert stays there. ``staged``: it visits, and rests in the host's memory. ``cpu``."""
    feeling_device: str
    needed_bytes: int = 0
    """On the device, at most."""

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
        """Where what analyses recordings is in the meantime."""
        return self.device if self.analysis == "device" else "cpu"


def plan(
    sizes: Sizes,
    *,
    device: str,
    memory_bytes: int | None,
    dtype: str = "auto",
    analysis: str = "auto",
    feeling_device: str = "auto",
) -> Placement:
    """Return the best way to place the models on a device.

    Args:
        sizes: Of the checkpoint.
        device: ``cpu`` or ``cuda:0`` …
        memory_bytes: What may be taken there; None if nobody knows, and then everything goes there.
        dtype: The operator's wish for the GPT; ``auto`` is half on a GPU.
        analysis: The operator's wish for w2v-bert; ``auto`` is the first of ``device``, ``staged`` and
            ``cpu`` that fits.
        feeling_device: The operator's wish for the emotion model; ``auto`` is the device if there is room.

    Raises:
        EngineLoadError: It does not fit, whatever is done; the message does the sum.
    """
    if device == "cpu":
        return Placement(device="cpu", half=False, analysis="device", feeling_device="cpu")
    half = dtype != "float32"
    choices = ("device", "staged", "cpu") if analysis == "auto" else (analysis,)
    for choice in choices:
        needed = peak_bytes(sizes, half=half, analysis=choice)
        if memory_bytes is not None and needed > memory_bytes:
            continue
        with_feeling = needed + FLOAT32_BYTES // 2 * sizes.feeling + READING_BYTES
        there = feeling_device == "auto" and sizes.feeling and with_feeling <= (memory_bytes or with_feeling)
        if feeling_device not in ("auto", "cpu"):
            there = True
        return Placement(
            device=device,
            half=half,
            analysis=choice,
            feeling_device=(device if feeling_device == "auto" else feeling_device) if there else "cpu",
            needed_bytes=with_feeling if there else needed,
        )
    raise EngineLoadError(
        _refusal(sizes, half=half, analysis=choices[-1], device=device, free=memory_bytes or 0)
    )


def parts_bytes(sizes: Sizes, *, half: bool, analysis: str) -> dict[str, int]:
    """Return what stays on the device while it speaks, by name."""
    parts = {
        "CUDA": RUNTIME_BYTES,
        "GPT": sizes.gpt * (HALF_BYTES if half else FLOAT32_BYTES),
        "acoustic model": sizes.acoustic * FLOAT32_BYTES,
        "vocoder": sizes.vocoder * FLOAT32_BYTES,
    }
    if analysis == "device":
        parts["analysis of voices"] = (sizes.listener + sizes.speaker) * FLOAT32_BYTES
    return parts


def peak_bytes(sizes: Sizes, *, half: bool, analysis: str) -> int:
    """Return what a placement takes on the device at most, without the emotion model."""
    resident = sum(parts_bytes(sizes, half=half, analysis=analysis).values())
    visiting = (sizes.listener + sizes.speaker) * FLOAT32_BYTES if analysis == "staged" else 0
    listening = 0 if analysis == "cpu" else visiting + ANALYSING_BYTES
    return resident + max(_speaking_bytes(half=half), listening)


def _speaking_bytes(*, half: bool) -> int:
    return SPEAKING_BYTES if half else SPEAKING_FLOAT32_BYTES


def _refusal(sizes: Sizes, *, half: bool, analysis: str, device: str, free: int) -> str:
    parts = parts_bytes(sizes, half=half, analysis=analysis) | {"at work": _speaking_bytes(half=half)}
    parts["at work"] += peak_bytes(sizes, half=half, analysis=analysis) - sum(parts.values())
    total = sum(parts.values())
    terms = " + ".join(f"{name} {size / 1e9:.2f}" for name, size in parts.items())
    advice = "" if half else ' Engine option dtype = "half" halves the GPT.'
    return (
        f"{device} has {free / 1e9:.2f} GB free, and this model needs {total / 1e9:.2f} GB there: {terms}."
        f'{advice} It also runs on the CPU: [engines.indextts] device = "cpu".'
    )
