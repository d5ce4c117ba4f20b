"""Errors on their way from worker to hub."""

import inspect

import pytest

import speechhub.errors
from speechhub.engine import EngineDeviceError, SynthesizeRequest
from speechhub.errors import (
    EngineError,
    EngineLoadError,
    EngineOutOfMemoryError,
    InvalidLanguageError,
    InvalidValueError,
    QueueFullError,
    SpeechhubError,
)
from speechhub.worker.failures import describe, rebuild

KINDS = [
    kind
    for kind in vars(speechhub.errors).values()
    if inspect.isclass(kind) and issubclass(kind, SpeechhubError)
]


def raised(error):
    try:
        raise error  # noqa: TRY301  # it needs a traceback
    except BaseException as caught:  # noqa: BLE001
        return caught


def crossed(error, *, loading=False, request=None):
    return rebuild(describe(raised(error), loading=loading, request=request))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_crosses_whole(kind):
    """Class, message and code, whatever arguments its constructor takes."""
    error = kind.__new__(kind, "what happened")

    received = crossed(error)

    assert type(received) is kind
    assert received.message == "what happened"
    assert received.code == kind.code


def test_param_and_retry_after_cross():
    assert crossed(InvalidLanguageError("xx")).param == "language"
    assert crossed(InvalidLanguageError("xx")).message == InvalidLanguageError("xx").message
    assert crossed(QueueFullError("full", retry_after_s=7.5)).retry_after_s == 7.5


def test_error_class_of_an_engine_becomes_its_nearest_relative():
    class TooQuietError(InvalidValueError):
        code = "too_quiet"

    received = crossed(TooQuietError("speak up", param="file"))

    assert type(received) is InvalidValueError
    assert (received.message, received.code, received.param) == ("speak up", "too_quiet", "file")


def test_foreign_error_names_its_place_but_not_its_words():
    """What the exception says may be a transcript."""
    received = crossed(ValueError("secret"))

    assert type(received) is EngineError
    assert "ValueError" in received.message
    assert "test_worker_failures.py" in received.message
    assert "secret" not in received.message


def test_foreign_error_says_all_while_loading():
    """There is no user's text yet, and the operator needs to know."""
    received = crossed(FileNotFoundError("no model.bin"), loading=True)

    assert type(received) is EngineLoadError
    assert "no model.bin" in received.message


@pytest.mark.scenario("named-gpu-unusable")
@pytest.mark.parametrize("loading", [True, False])
def test_a_device_that_cannot_be_used_is_no_other_failure_to_load(loading):
    """The hub goes to the CPU on this one alone, so neither its class nor what to install may get lost."""
    received = crossed(EngineDeviceError("libcublas.so.12 is missing. Install it."), loading=loading)

    assert type(received) is EngineDeviceError
    assert isinstance(received, EngineLoadError)
    assert received.code == "engine_device_unusable"
    assert received.message == "libcublas.so.12 is missing. Install it."


@pytest.mark.parametrize(
    "said",
    [
        "CUDA failed with error CUDA driver version is insufficient for CUDA runtime version",
        "CUDA error: no kernel image is available for execution on the device",
        "CUDA failed with error no CUDA-capable device is detected",
        "the provided PTX was compiled with an unsupported toolchain.",
        "Library libcublas.so.12 is not found or cannot be loaded",
        "Library libcudnn_ops.so.9 cannot be loaded",
        "libcublasLt.so.12: cannot open shared object file: No such file or directory",
        "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
        "Torch not compiled with CUDA enabled",
    ],
)
def test_what_libraries_say_of_a_device_that_cannot_be_used(said):
    """An engine that maps nothing itself falls back to the CPU, too; at work the other words stay secret."""
    received = crossed(RuntimeError(said), loading=True)
    at_work = crossed(RuntimeError(f"{said} Dear Ann, I left him."))

    assert type(received) is EngineDeviceError
    assert said in received.message
    assert "speechhub doctor" in received.message
    assert type(at_work) is EngineDeviceError
    assert "Ann" not in at_work.message
    assert type(crossed(ValueError(said))) is EngineError  # it may quote a text that speaks of CUDA
    assert type(crossed(RuntimeError(f"cannot say {said!r}"))) is EngineError
    asked = SynthesizeRequest(text=f"Read   this: {said.upper()}", voice="a")
    assert type(crossed(RuntimeError(f"cannot say {said}"), request=asked)) is EngineError


@pytest.mark.parametrize("loading", [True, False])
def test_running_out_of_memory_is_known_by_class(loading):
    """PyTorch's class, too, which cannot be imported here."""

    class OutOfMemoryError(RuntimeError):
        pass

    assert type(crossed(MemoryError(), loading=loading)) is EngineOutOfMemoryError
    assert type(crossed(OutOfMemoryError("CUDA"), loading=loading)) is EngineOutOfMemoryError


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_exception_is_an_error_of_the_engine_all_the_same(error):
    assert type(crossed(error)) is EngineError


@pytest.mark.parametrize(
    "fields", [{}, {"kind": "Exception"}, {"kind": "Collection"}, {"kind": 5, "message": 6}]
)
def test_fields_that_we_never_write_become_an_engine_error(fields):
    assert type(rebuild(fields)) is EngineError


def test_the_cause_is_the_first_exception_and_not_its_words():
    """An engine that wraps its library's error is traced to the library, whatever ours says."""

    def library():
        raise KeyError("my pin is 4711")

    def engine():
        try:
            library()
        except KeyError as error:
            raise EngineLoadError("cannot load") from error

    with pytest.raises(EngineLoadError) as caught:
        engine()
    error = rebuild(describe(caught.value, loading=True), "Traceback …")

    assert error.cause.startswith("KeyError in test_worker_failures.py:")
    assert "library" in error.cause
    assert "4711" not in error.cause
    assert error.worker_traceback == "Traceback …"


def test_exceptions_tied_to_a_ring_have_a_cause():
    """A library that ties exceptions to a ring is followed once around, and no further."""
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first

    assert rebuild(describe(raised(first))).cause.startswith("TypeError")
