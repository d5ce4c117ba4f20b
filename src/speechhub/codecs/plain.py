"""WAV as recorders write it for speech models: mono PCM16 at the model's own rate. Nothing to decode.

FFmpeg takes 20 ms for 30 s of it, most of the hub's time for such a request; this takes one.
"""

import wave
from collections.abc import Iterator
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

READ_FRAMES: Final = 80_000
"""Samples to read at once: 5 s at 16 kHz."""


def plain_wav(file: BinaryIO, sample_rate: int) -> Iterator[NDArray[np.int16]] | None:
    """Return the samples of a plain WAV file, or None if it is anything else, however little.

    Args:
        file: at its start; where it stands afterwards is undefined.
        sample_rate: that the samples must have, in hertz.

    Returns:
        int16, shape (n_samples,), piece by piece; what the header says of the length counts for nothing.
    """
    try:
        reader = wave.open(file, "rb")  # noqa: SIM115  # the file is the caller's
        plain = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, sample_rate)
    except (wave.Error, EOFError, ValueError, OverflowError, RuntimeError):  # the last for a chunk too long
        return None
    # A recorder that could not go back to its header says 0: FFmpeg then reads to the end of the file.
    return _pieces(reader) if plain and reader.getnframes() else None


def _pieces(reader: wave.Wave_read) -> Iterator[NDArray[np.int16]]:
    while pcm16 := reader.readframes(READ_FRAMES):
        yield np.frombuffer(pcm16[: len(pcm16) // 2 * 2], "<i2")
