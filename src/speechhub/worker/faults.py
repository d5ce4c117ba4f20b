"""Faults after which a device serves this process no more, told by what an engine raises.

A failed kernel leaves the CUDA context of its process unusable: every later call fails in the same way, until
a new process makes a new context (CUDA's documentation calls such errors *sticky*).

Standard library only: this runs in workers.
"""

import re
from collections.abc import Iterator
from typing import Final

_SIGNS: Final = re.compile(
    r"""
      \b(?:cuda|hip|cublas|cudnn|cufft|cusparse|cusolver|curand)(?:lt)?\ (?:driver\ )?
        (?:error|failure|failed)\b
    | \b(?:cublas|cudnn|cusparse|cusolver|curand)_status
    | \bcufft_\w*(?:error|failed)
    | \bcudaerror[a-z]  # Thrust and CUB: cudaErrorIllegalAddress
    | \btriton\ error\ \[(?:cuda|hip)\]
    | \bdevice-side\ assert
    | \billegal\ memory\ access
    | \bunspecified\ launch\ failure
    | \bmisaligned\ address
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What libraries that compute on a GPU write into their errors."""
_NO_FAULT: Final = re.compile(
    r"""
      out\ of\ memory
    | no\ kernel\ image
    | driver\ version\ is\ insufficient
    | no\ cuda-capable\ device
    | invalid\ device\ ordinal
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What they write where the context is whole, or where a new process meets the same."""
_ACCELERATOR_ERROR: Final = "AcceleratorError"
"""PyTorch's class for what a device reports, by name: a worker must not import PyTorch to know it."""


def device_is_lost(error: BaseException) -> bool:
    """Tell whether *error*, or an exception that led to it, says that the device serves the process no more.

    The words are looked at here and go no further: an exception can quote what a user said.
    """
    return any(map(_is_fault, _chain(error)))


def _is_fault(error: BaseException) -> bool:
    # Python's own ValueError and its like speak of values, and may quote a text that speaks of CUDA.
    native = isinstance(error, RuntimeError)
    foreign = Exception in type(error).__bases__ and type(error).__module__ != "builtins"
    if not (native or foreign):
        return False
    said = _words(error)
    if _NO_FAULT.search(said):
        return False
    return _ACCELERATOR_ERROR in {c.__name__ for c in type(error).__mro__} or bool(_SIGNS.search(said))


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


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # a class of a library can fail even at this
        return ""
