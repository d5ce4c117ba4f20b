"""Errors on their way from worker to hub.

Our own errors are sent complete. Any other exception becomes an `EngineError` that names the exception and
where it was raised, but not its message: engines' exceptions often quote the text or transcript that they
failed on. While a model loads there is no such text yet, so the message is included.

Standard library only: both sides import this module.
"""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

import speechhub.errors
from speechhub.errors import (
    EngineDeviceError,
    EngineError,
    EngineLoadError,
    EngineOutOfMemoryError,
    SpeechhubError,
)
from speechhub.errors.origin import calls
from speechhub.worker.faults import device_is_lost, memory_ran_out, own_words, words

_FRAMES = 3
"""How many of the innermost calls are named; enough to tell an engine's bug from its library's."""


_UNUSABLE: Final = re.compile(
    r"CUDA driver version is insufficient"
    r"|no kernel image is available"
    r"|no CUDA-capable device is detected"
    r"|PTX was compiled with an unsupported toolchain"
    r"|libcu(?:blas|dnn|dart|fft|rand|sparse|solver)[\w.]* (?:is not found|cannot be loaded)"
    r"|libcu(?:blas|dnn|dart|fft|rand|sparse|solver)[\w.]*: cannot open shared object file"
    r"|Found no NVIDIA driver"
    r"|not compiled with CUDA enabled"
)
"""Messages of CUDA, CTranslate2 and PyTorch when an environment cannot compute on a GPU, whatever the model.
Source: cudaGetErrorString in CUDA's Runtime API reference, and both libraries' sources."""


def describe(error: BaseException, *, loading: bool = False, request: object = None) -> dict[str, object]:
    """Return *error* as the fields of an ERROR frame.

    Args:
        error: The exception.
        loading: Whether a model was loading, so that the message cannot contain user text.
        request: The request that failed, if any; words that it contains are ignored.
    """
    raised, cause = error, _cause(error)
    if not isinstance(error, SpeechhubError):
        error = _translate(error, loading=loading, request=request)
    kind = next(c for c in type(error).__mro__ if getattr(speechhub.errors, c.__name__, None) is c)
    return {
        "kind": kind.__name__,
        "message": error.message,
        "code": error.code,
        "param": getattr(error, "param", None),
        "retry_after_s": getattr(error, "retry_after_s", None),
        "cause": cause,
        # If the environment cannot compute on the device, another attempt fails in the same way.
        "again": loading and not isinstance(error, EngineDeviceError) and device_is_lost(raised),
    }


def rebuild(fields: Mapping[str, object], traceback_text: str = "") -> SpeechhubError:
    """Return the error that `describe` was given, or the one that it was translated to."""
    kind = getattr(speechhub.errors, str(fields.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, SpeechhubError)):
        kind = EngineError
    # Not kind(...): some classes build their message from other arguments, but here it is already built.
    error: SpeechhubError = kind.__new__(kind, str(fields.get("message", "The engine failed.")))
    error.code = _text(fields.get("code"))
    error.cause = _text(fields.get("cause")) or ""
    error.worker_traceback = traceback_text
    if isinstance(error, EngineLoadError):
        error.again = fields.get("again") is True
    if isinstance(error, speechhub.errors.RequestError):
        error.param = _text(fields.get("param"))
    if isinstance(error, speechhub.errors.UnavailableError):
        seconds = fields.get("retry_after_s")
        error.retry_after_s = float(seconds) if isinstance(seconds, (int, float)) else 1.0
    return error


def _translate(error: BaseException, *, loading: bool, request: object) -> EngineError:
    where = _where(error)
    # torch.cuda.OutOfMemoryError and its like, by name: this module must not import torch.
    named = any(c.__name__ == "OutOfMemoryError" for c in type(error).__mro__)
    if named or isinstance(error, MemoryError) or memory_ran_out(error):
        return EngineOutOfMemoryError(f"The engine ran out of memory ({type(error).__name__} in {where}).")
    said = words(error).strip()
    told = own_words(_UNUSABLE, error, request)  # the rest may quote a user's text
    if loading and _UNUSABLE.search(said):
        told = said
    if told:
        return EngineDeviceError(
            f"{type(error).__name__}: {told} (in {where}). The engine's environment cannot compute on "
            "this device. Run 'speechhub doctor'; if it finds nothing, install the engine again."
        )
    if loading:
        return EngineLoadError(f"{type(error).__name__}{f': {said}' if said else ''} (in {where})")
    return EngineError(f"The engine failed with {type(error).__name__} in {where}.")


def _cause(error: BaseException) -> str:
    """Name the class of the first exception behind *error*, and where it was raised."""
    seen = {id(error)}
    while (
        earlier := error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    ) is not None:
        if id(earlier) in seen:  # a library can link exceptions in a cycle
            break
        seen.add(id(earlier))
        error = earlier
    return name(error)


def name(error: BaseException) -> str:
    """Name the class of *error* and where it was raised, without its message."""
    return f"{type(error).__name__} in {_where(error)}"


def _where(error: BaseException) -> str:
    """Name the innermost calls: ``stt.py:40 transcribe ← child.py:77 _run``; never contains user text."""
    stack = calls(error)[-_FRAMES:]
    named = [f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in reversed(stack)]
    return " ← ".join(named) or "an unknown place"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
