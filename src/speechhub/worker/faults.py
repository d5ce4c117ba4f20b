"""Faults after which a device serves this process no more, told by what an engine raises.

A failed kernel leaves the CUDA context of its process unusable: every later call fails in the same way, until
a new process makes a new context (CUDA's documentation calls such errors *sticky*).

Standard library only: this runs in workers.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Final

_WRAPPED: Final = re.compile(
    r"""
      \s* \[ONNXRuntimeError\] .*?
        (?=(?:CUDA|CUBLAS|CUDNN|CUFFT|CURAND)\ (?:failure|error)\b)
    | \s* The\ following\ operation\ failed\ in\ the\ TorchScript\ interpreter .*?
        (?=\b(?:CUDA|HIP|cuDNN|cuFFT)\ (?:driver\ )?error\b)
    | \s* (?:[\w.]+(?:Error|Exception):\s+)* (?:cu[A-Z]\w*\ failed:\ )?
    """,
    re.VERBOSE | re.DOTALL,
)
"""What libraries put before the words of a library below them. Nothing of a user's is in it."""
_SIGNS: Final = re.compile(
    r"""
      (?:cuda|hip|cublas|cudnn|cufft|cusparse|cusolver|curand)(?:lt)?\ (?:driver\ |runtime\ )?
        (?:error|failure|failed)\b
    | (?:cublas|cudnn|cusparse|cusolver|curand)_status
    | triton\ error\ \[(?:cuda|hip)\]
    | (?:an?\ )? (?:device-side\ assert | illegal\ memory\ access | unspecified\ launch\ failure
        | misaligned\ address | illegal\ instruction)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""How errors begin that libraries write which compute on a GPU. They count at the beginning alone: further on
may stand what somebody said, or wants to have said, as in ``cannot digest 'CUDA error'``.
Sources: c10/cuda/CUDAException.cpp and ATen/cuda/Exceptions.h in PyTorch; src/cuda/utils.cc
in CTranslate2; onnxruntime/core/providers/cuda/cuda_call.cc; cudaGetErrorString in CUDA's Runtime API."""
_CONSTANTS: Final = re.compile(
    r"""
      \b(?:CUBLAS|CUDNN|CUSPARSE|CUSOLVER|CURAND)_STATUS_[A-Z]\w+
    | \bCUFFT_\w*(?:ERROR|FAILED)
    | \bcudaError[A-Z]\w+  # Thrust and CUB: parallel_for failed: cudaErrorIllegalAddress
    """,
    re.VERBOSE,
)
"""Names out of CUDA's headers: people do not say them, so that they count anywhere but in quotation marks."""
_QUOTED: Final = re.compile(r"(?<!\w)(['\"]).*\1", re.DOTALL)
_NO_FAULT: Final = re.compile(
    r"""
      out\ of\ memory
    | no\ kernel\ image
    | driver\ version\ is\ insufficient
    | no\ cuda-capable\ device
    | invalid\ device\ (?:ordinal|function)
    | unsupported\ toolchain
    | invalid\ configuration\ argument
    | too\ many\ resources\ requested\ for\ launch
    | (?:cublas|cudnn|cusparse|cusolver)_status_
        (?:not_supported|alloc_failed|arch_mismatch|invalid_value|bad_param)
    | cudaError(?:MemoryAllocation|NoKernelImageForDevice|InsufficientDriver|NoDevice|InvalidDevice
        |InvalidConfiguration|InvalidValue|InvalidDeviceFunction|LaunchOutOfResources)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What they write where the context is whole, or where a new process meets the same."""
_MEMORY: Final = re.compile(
    r"(?:CUDA|HIP)(?: driver)? error: out of memory|CUDA out of memory|CUDA failed with error out of memory"
    r"|CUDA error: CUBLAS_STATUS_ALLOC_FAILED|cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"
    r"|cuDNN error: CUDNN_STATUS_ALLOC_FAILED"
)
"""How errors begin that say that the GPU's memory does not suffice."""
_ACCELERATOR_ERROR: Final = "AcceleratorError"
"""PyTorch's class for what a device reports, by name: a worker must not import PyTorch to know it."""


def device_is_lost(error: BaseException, request: object = None) -> bool:
    """Tell whether *error*, or an exception that led to it, says that the device serves the process no more.

    The words are looked at here and go no further: an exception can quote what a user said. What stands in
    the *request* itself counts for nothing: somebody may have a log read aloud. A device that is lost all the
    same shows it again at the next one.

    Args:
        error: What an engine raised.
        request: What it was asked for, if it was asked for anything.
    """
    asked = _asked(request)
    return any(_is_fault(one, asked) for one in _chain(error))


def memory_ran_out(error: BaseException) -> bool:
    """Tell whether *error* is a library's word for a GPU without memory to spare."""
    return _is_native(error) and bool(_MEMORY.match(words(error)))


def own_words(pattern: re.Pattern[str], error: BaseException, request: object) -> str:
    """Return what *pattern* finds in a library's words; empty if it finds nothing, or what a user said.

    Args:
        pattern: Words of a library's.
        error: What an engine raised.
        request: What it was asked for.
    """
    if not _is_native(error):
        return ""
    asked = _asked(request)
    found = (it[0] for it in pattern.finditer(_QUOTED.sub("", words(error))))
    return next((it for it in found if _plain(it) not in asked), "")


def _is_native(error: BaseException) -> bool:
    # Python's own ValueError and its like speak of values, and may quote a text that speaks of CUDA.
    foreign = Exception in type(error).__bases__ and type(error).__module__ != "builtins"
    return isinstance(error, RuntimeError) or foreign


def _is_fault(error: BaseException, asked: str) -> bool:
    if not _is_native(error):
        return False
    said = words(error)
    if _NO_FAULT.search(said):
        return False
    if _ACCELERATOR_ERROR in {c.__name__ for c in type(error).__mro__}:
        return True
    wrapped = _WRAPPED.match(said)
    begins = _SIGNS.match(said, wrapped.end() if wrapped else 0)
    found = [begins] if begins else []
    found += _CONSTANTS.finditer(_QUOTED.sub("", said))
    return any(_plain(one[0]) not in asked for one in found)


def _asked(request: object) -> str:
    return " ".join(_plain(text) for text in _texts(request))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a request."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from _texts(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _texts(one)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and all exceptions behind it, those hidden by ``from None`` too."""
    seen: set[int] = set()
    found: list[BaseException | None] = [error]
    while found:
        link = found.pop()
        if link is None or id(link) in seen:  # a library can tie exceptions to a ring
            continue
        seen.add(id(link))
        yield link
        found += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            found += link.exceptions


def words(error: BaseException) -> str:
    """Return what *error* says; nothing if it cannot even do that."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # a class of a library can fail even at this
        return ""
