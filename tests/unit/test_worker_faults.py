"""Which exceptions say that a device serves its process no more."""

import pytest

from speechhub.errors import EngineDeviceError, EngineError, EngineOutOfMemoryError
from speechhub.worker.failures import describe, rebuild
from speechhub.worker.faults import device_is_lost

ASSERT = "CUDA error: device-side assert triggered"


class AcceleratorError(RuntimeError):
    """As PyTorch calls it."""


class OutOfMemoryError(RuntimeError):
    """As PyTorch calls it."""


class Fail(Exception):  # noqa: N818  # as ONNX Runtime calls it
    """As ONNX Runtime calls it."""


class OddError(Exception):
    """Cannot say what it is."""

    def __str__(self):
        raise TypeError


def raised(error, *, cause=None, context=None):
    error.__cause__, error.__context__ = cause, context
    return error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"{ASSERT}\nCUDA kernel errors might be asynchronously reported at some other API call"),
        RuntimeError("CUDA error: unspecified launch failure"),
        RuntimeError("CUDA driver error: unknown error"),
        RuntimeError("HIP error: the operation cannot be performed in the present state"),
        RuntimeError("CUDA failed with error unknown error"),  # CTranslate2
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_INTERNAL_ERROR"),
        RuntimeError("call returned CUBLAS_STATUS_EXECUTION_FAILED"),
        RuntimeError("cuDNN error: 4"),
        RuntimeError("GET was unable to find an engine: CUDNN_STATUS_MAPPING_ERROR"),
        RuntimeError("the plan ended in CUFFT_INTERNAL_ERROR"),
        RuntimeError("cublasLt error: 14"),
        RuntimeError("cusparse_status 7"),
        RuntimeError("parallel_for failed: cudaErrorMisc"),
        RuntimeError("Triton Error [CUDA]: unknown"),
        RuntimeError("device-side assert"),
        RuntimeError("an illegal memory access was encountered"),
        RuntimeError("an Unspecified Launch Failure"),
        RuntimeError("misaligned address"),
        AcceleratorError("something new"),
        type("DeviceError", (AcceleratorError,), {})("something new"),
        Fail("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 700"),
        Fail("CUDNN failure 8"),
    ],
    ids=str,
)
def test_what_libraries_say_of_a_dead_context_is_known(error):
    assert device_is_lost(error)


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA failed with error out of memory"),
        AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        RuntimeError("CUDA driver error: CUDA driver version is insufficient for CUDA runtime version"),
        RuntimeError("CUDA error: no CUDA-capable device is detected"),
        RuntimeError("CUDA error: invalid device ordinal"),
        RuntimeError("Expected all tensors to be on the same device, but found cuda:0 and cpu"),
        ValueError(f"cannot digest {ASSERT!r}"),
        KeyError(ASSERT),
        AssertionError("Torch not compiled with CUDA enabled"),
        EngineError("The engine failed."),
        OddError(),
        MemoryError(),
    ],
    ids=repr,
)
def test_what_leaves_the_context_whole_is_no_fault(error):
    """Running out of memory, what a new process would meet again, and errors that quote a user's text."""
    assert not device_is_lost(error)


def test_a_fault_behind_another_exception_is_found():
    """Whichever way the one led to the other, and shown or not."""
    fault = RuntimeError(ASSERT)
    hidden = raised(EngineError("no"), context=fault)
    hidden.__suppress_context__ = True

    assert device_is_lost(raised(EngineError("no"), cause=fault))
    assert device_is_lost(raised(ValueError("no"), context=fault))
    assert device_is_lost(hidden)
    assert device_is_lost(raised(EngineError("no"), cause=raised(ValueError("no"), cause=fault)))
    assert device_is_lost(ExceptionGroup("two", [ValueError("no"), fault]))


def test_exceptions_tied_to_a_ring_are_looked_at_once():
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first

    assert not device_is_lost(first)


@pytest.mark.parametrize(("loading", "again"), [(True, True), (False, False)])
def test_a_load_that_lost_its_device_may_be_tried_again(loading, again):
    """The hub learns that, and what was said goes with a load alone."""
    error = rebuild(describe(RuntimeError(ASSERT), loading=loading))

    assert getattr(error, "again", False) is again
    assert (ASSERT in error.message) is loading


def test_a_load_without_memory_or_kernels_is_not_tried_again():
    error = rebuild(describe(RuntimeError("CUDA error: no kernel image is available"), loading=True))

    assert not error.again
    refused = raised(EngineDeviceError("no"), cause=RuntimeError(ASSERT))
    assert not rebuild(describe(refused, loading=True)).again
    assert type(rebuild(describe(OutOfMemoryError(), loading=True))) is EngineOutOfMemoryError
