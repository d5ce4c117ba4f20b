"""Which exceptions say that a device serves its process no more."""

import numpy as np
import pytest

from speechhub.domain.audio import Audio
from speechhub.engine import SynthesizeRequest, TranscribeRequest
from speechhub.errors import EngineDeviceError, EngineError, EngineOutOfMemoryError
from speechhub.worker.failures import describe, rebuild
from speechhub.worker.faults import device_is_lost

SILENCE = Audio(samples=np.zeros(160, np.float32), sample_rate=16_000)
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
        RuntimeError("cusolver error: 7"),
        RuntimeError("cuRAND error: 201"),
        RuntimeError("call returned CUSOLVER_STATUS_INTERNAL_ERROR"),
        RuntimeError("call returned CURAND_STATUS_LAUNCH_FAILURE"),
        RuntimeError("the plan ended in CUFFT_EXEC_FAILED"),
        RuntimeError("Triton Error [CUDA]: unknown"),
        RuntimeError("Triton Error [HIP]: unknown"),
        RuntimeError("device-side assert"),
        RuntimeError("an illegal memory access was encountered"),
        RuntimeError("an Unspecified Launch Failure"),
        RuntimeError("misaligned address"),
        AcceleratorError("something new"),
        type("DeviceError", (AcceleratorError,), {})("something new"),
        Fail("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 700"),
        Fail("CUDNN failure 8"),
        Fail(
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv. "
            "Name:'a' Status Message: CUDNN failure 4: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0"
        ),
        RuntimeError(
            "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most "
            "recent call last):\nRuntimeError: CUDA error: an illegal memory access was encountered"
        ),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa)`"),
        RuntimeError("cuda runtime error (59) : device-side assert triggered at /pytorch/aten/x.cu:110"),
        RuntimeError("trivial_device_copy D->H failed: cudaErrorLaunchFailure: unspecified launch failure"),
        RuntimeError("cuMemcpyDtoH failed: an illegal memory access was encountered"),
        RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        RuntimeError("CUDA error: the launch timed out and was terminated"),
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
        RuntimeError("CUDA error: invalid configuration argument"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        ValueError(f"cannot digest {ASSERT!r}"),
        RuntimeError(f"cannot digest {ASSERT!r}"),
        RuntimeError(f"cannot digest: {ASSERT}"),
        RuntimeError(f"no phonemes for\n{ASSERT}"),
        RuntimeError("cannot digest 'see CUBLAS_STATUS_EXECUTION_FAILED'"),
        Fail(f"the text {ASSERT} is too odd"),
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


@pytest.mark.parametrize(
    "request_",
    [
        SynthesizeRequest(text="Read this: CUDA   error: device-side assert triggered.", voice="a"),
        SynthesizeRequest(text="CUBLAS_STATUS_EXECUTION_FAILED, it says", voice="cuda error"),
        [TranscribeRequest(audio=SILENCE, prompt="Cuda Error and cublas_status_execution_failed")],
    ],
    ids=["text", "constant", "prompt"],
)
@pytest.mark.parametrize("error", [RuntimeError(ASSERT), RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED: no")])
def test_words_of_the_request_count_for_nothing(request_, error):
    """An engine may raise the text alone, as it is."""
    spoken = str(error).partition(":")[0].casefold() in str(request_).casefold().replace("   ", " ")

    assert device_is_lost(error, request_) is not spoken
    assert device_is_lost(error)
    assert device_is_lost(AcceleratorError(ASSERT), request_)


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: out of memory\nCUDA kernel errors might",
        "CUDA failed with error out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_memory_that_ran_out_is_told_by_each_library_in_its_own_words(said):
    assert type(rebuild(describe(RuntimeError(said)))) is EngineOutOfMemoryError
    assert type(rebuild(describe(AcceleratorError(said)))) is EngineOutOfMemoryError
    assert type(rebuild(describe(RuntimeError(f"cannot say {said!r}")))) is EngineError


def test_what_every_process_would_meet_is_no_lost_device():
    """CTranslate2's words for a driver that is too old for its kernels: the model moves instead."""
    assert not device_is_lost(
        RuntimeError("CUDA failed with error the provided PTX was compiled with an unsupported toolchain.")
    )


@pytest.mark.parametrize(
    "library",
    ["CUDA", "CUDA driver", "HIP", "cuBLAS", "cublasLt", "cuDNN", "cuFFT", "cuSPARSE", "cuSOLVER", "cuRAND"],
)
@pytest.mark.parametrize("how", ["error: 7", "failed with status 7"])
def test_each_library_that_computes_there_can_tell(library, how):
    """At the beginning of what it says; Python's own errors tell nothing of a device."""
    assert device_is_lost(RuntimeError(f"{library} {how}"))
    assert not device_is_lost(LookupError(f"{library} {how}"))
    assert not device_is_lost(type("OwnError", (LookupError,), {})(f"{library} {how}"))
