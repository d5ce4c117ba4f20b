"""The quality of a recording to learn a voice from, and what to do better next time. Pure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.voices.recording import FRAME_S, FULL_SCALE, MIN_DURATION_S, RATE, SILENT_DBFS, Recording

CLIPPED: Final = 0.001
"""Share of samples at full scale above which clipping is audible."""
QUIET_DBFS: Final = -30.0
"""Level of the loudest sample below which noise is as loud as speech."""
MOST_SILENCE: Final = 0.4
"""Share of a recording that may be silent."""
EDGE_S: Final = 0.04
"""Speech this close to an edge was cut off by it."""
EDGE_DB: Final = 20.0
"""How far below the level of speech an edge must be to count as quiet."""
LEAD_S: Final = 0.1
"""Silence that is kept before the first sound."""


def without_lead(recording: Recording) -> Recording:
    """Return a recording without the silence before its first sound: engines use only its beginning."""
    sounding = np.flatnonzero(_levels_dbfs(recording.audio.samples) > SILENT_DBFS)
    first_s = float(sounding[0]) * FRAME_S if sounding.size else 0.0
    cut_s = min(first_s - LEAD_S, recording.duration_s - MIN_DURATION_S)
    return Recording(pcm16=recording.pcm16[2 * round(cut_s * RATE) :]) if cut_s > 0 else recording


def flaws(recording: Recording) -> tuple[str, ...]:
    """Return what makes a recording a poor example of a voice, and what to do; empty if it is good."""
    samples = recording.audio.samples
    levels = _levels_dbfs(samples)
    peak = float(np.max(np.abs(samples), initial=0.0))
    peak_dbfs = 20 * np.log10(peak) if peak else -np.inf
    clipped = float(np.mean(np.abs(samples) >= FULL_SCALE)) if samples.size else 0.0
    silent = float(np.mean(levels <= SILENT_DBFS)) if levels.size else 1.0
    found = []
    if clipped > CLIPPED:
        found.append(f"{clipped:.1%} of the samples are at full scale; record more quietly.")
    if peak_dbfs < QUIET_DBFS:
        found.append(f"The loudest sample is at {peak_dbfs:.0f} dBFS; record closer or louder.")
    if silent > MOST_SILENCE:
        found.append(f"{silent:.0%} of the recording is silent; cut the pauses.")
    for edge, does in (("start", "begins"), ("end", "ends")):
        if _runs_into(levels, edge):
            found.append(f"It {does} in the middle of sound; leave a short silence at its {edge}.")
    return tuple(found)


def _runs_into(levels: NDArray[np.float64], edge: str) -> bool:
    count = round(EDGE_S / FRAME_S)
    if levels.size <= 2 * count:
        return False
    near = levels[:count] if edge == "start" else levels[-count:]
    return float(np.max(near)) > max(SILENT_DBFS, float(np.percentile(levels, 95)) - EDGE_DB)


def _levels_dbfs(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the level of each frame, without a constant offset, in dBFS."""
    length = round(FRAME_S * RATE)
    frames = samples[: len(samples) // length * length].reshape(-1, length).astype(np.float64)
    return np.asarray(10 * np.log10(np.var(frames, axis=1) + 1e-12), np.float64)
