"""Limits on FFmpeg for the whole process, for which PyAV has no binding."""

import ctypes
import functools
from typing import Final

import av

MAX_ALLOCATION_BYTES: Final = 16 * 2**20
"""Largest single allocation of FFmpeg: 700 000 packets in an index, four hours of AAC. Without it
an MP4 of 1.5 kB, whose tables claim 80 million packets, takes 2.8 GB (measured, FFmpeg 8.1)."""


@functools.cache
def limit_ffmpeg() -> None:
    """Limit what FFmpeg allocates at once, and keep its work in the thread that calls it.

    The hub has threads of its own for parallel work. FFmpeg would start one or more per core for each filter
    graph, PyAV's resamplers included, and those of an abandoned stream end only when the interpreter collects
    it.

    Source: `av_max_alloc` in libavutil/mem.h, `av_cpu_force_count` in libavutil/cpu.h; the symbols are found
    through the libraries that PyAV's extension is linked to.
    """
    library = ctypes.CDLL(av._core.__file__)  # noqa: SLF001
    library.av_max_alloc.argtypes = [ctypes.c_size_t]
    library.av_max_alloc.restype = None
    library.av_max_alloc(MAX_ALLOCATION_BYTES)
    library.av_cpu_force_count.argtypes = [ctypes.c_int]
    library.av_cpu_force_count.restype = None
    library.av_cpu_force_count(1)
