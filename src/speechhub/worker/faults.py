"""Faults after which this process can no longer use its device, recognised in an engine's exceptions.

A failed kernel leaves the CUDA context of its process unusable: every later call fails in the same way, until
a new process creates a new context (CUDA's documentation calls such errors *sticky*).

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
"""Prefixes that libraries put before the message of a lower-level library. They contain no user text."""
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
"""Beginnings of errors from libraries that compute on a GPU. They count only at the beginning: what follows
may quote a text or transcript, as in ``cannot digest 'CUDA error'``.
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
"""Names from CUDA's headers: people do not say them, so they count anywhere except in quotation marks."""
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
"""Errors after which the context still works, or which a new process would meet again."""
_MEMORY: Final = re.compile(
    r"(?:CUDA|HIP)(?: driver)? error: out of memory|CUDA out of memory|CUDA failed with error out of memory"
    r"|CUDA error: CUBLAS_STATUS_ALLOC_FAILED|cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"
    r"|cuDNN error: CUDNN_STATUS_ALLOC_FAILED"
)
"""Beginnings of errors about too little GPU memory."""
_ACCELERATOR_ERROR: Final = "AcceleratorError"
"""PyTorch's class for errors of a device, by name: a worker must not import PyTorch to recognise it."""


def device_is_lost(error: BaseException, request: object = None) -> bool:
    """Tell whether *error*, or an exception that led to it, shows that the process lost its device.

    The message is only examined here and not passed on: an exception can quote what a user said. Words that
    are in the *request* itself are ignored: a user may have a log read aloud. If the device is lost in that
    case too, the next request shows it.

    Args:
        error: The engine's exception.
        request: The request that failed, if any.
    """
    asked = _asked(request)
    return any(_is_fault(one, asked) for one in _chain(error))


def memory_ran_out(error: BaseException) -> bool:
    """Tell whether *error* is a library's error about too little GPU memory."""
    return _is_native(error) and bool(_MEMORY.match(words(error)))


def own_words(pattern: re.Pattern[str], error: BaseException, request: object) -> str:
    """Return what *pattern* finds in a library's message; empty if it finds nothing, or only a user's words.

    Args:
        pattern: Messages of libraries.
        error: The engine's exception.
        request: The request that failed.
    """
    if not _is_native(error):
        return ""
    asked = _asked(request)
    found = (match[0] for match in pattern.finditer(_QUOTED.sub("", words(error))))
    return next((said for said in found if _plain(said) not in asked), "")


def _is_native(error: BaseException) -> bool:
    # Python's own exceptions, such as ValueError, are about values, and may quote a text that mentions CUDA.
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
    """Yield *error* and all exceptions behind it, including those hidden by ``from None``."""
    seen: set[int] = set()
    found: list[BaseException | None] = [error]
    while found:
        link = found.pop()
        if link is None or id(link) in seen:  # a library can link exceptions in a cycle
            continue
        seen.add(id(link))
        yield link
        found += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            found += link.exceptions


def words(error: BaseException) -> str:
    """Return the message of *error*; empty if it cannot be converted to text."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # a library's class can fail even here
        return ""
