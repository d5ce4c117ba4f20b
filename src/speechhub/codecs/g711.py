"""G.711, the telephone's code: PCM16 from and to 8 bits a sample, by µ-law or A-law. Pure."""

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 8_000
"""Rate of telephone audio, in hertz. Source: ITU-T G.711, section 2."""


class Law(StrEnum):
    """The two laws, by the names that RFC 3551 gives their payloads."""

    MU = "pcmu"
    """North America and Japan."""
    A = "pcma"
    """Everywhere else."""


def decode(data: bytes, law: Law) -> NDArray[np.int16]:
    """Return the samples of *data*, one for each byte: int16, shape (len(data),)."""
    return _DECODED[law][np.frombuffer(data, np.uint8)]


def encode(pcm16: NDArray[np.int16], law: Law) -> bytes:
    """Return the nearest code of each sample.

    Args:
        pcm16: int16, shape (n_samples,).
    """
    return _ENCODED[law][pcm16.astype(np.uint16)].tobytes()


def _decoded_mu() -> NDArray[np.int16]:
    """Return the sample of each µ-law code. Source: ITU-T G.711, table 2; all bits of a code are inverted."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    size = ((2 * mantissa + 33 << exponent) - 33) * 4
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _decoded_a() -> NDArray[np.int16]:
    """Return the sample of each A-law code. Source: ITU-T G.711, table 1; a code's even bits are inverted."""
    code = np.arange(256, dtype=np.uint8) ^ np.uint8(0x55)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    size = np.where(exponent, 2 * mantissa + 33 << np.maximum(exponent - 1, 0), 2 * mantissa + 1) * 8
    return np.where(code & 0x80, size, -size).astype(np.int16)


def _encoded(decoded: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return the nearest code of each sample, placed by the sample's bits as an unsigned number."""
    codes = np.argsort(decoded, kind="stable")
    sizes = decoded[codes].astype(np.int32)
    # Between two codes the one farther from 0 begins in their middle.
    between = sizes[:-1] + sizes[1:]
    samples = np.arange(-32768, 32768)
    place = np.where(
        samples >= 0,
        np.searchsorted(between, 2 * samples, side="right"),
        np.searchsorted(between, 2 * samples, side="left"),
    )
    return np.roll(codes[place].astype(np.uint8), 32768)


_DECODED: Final = {Law.MU: _decoded_mu(), Law.A: _decoded_a()}
_ENCODED: Final = {law: _encoded(decoded) for law, decoded in _DECODED.items()}
