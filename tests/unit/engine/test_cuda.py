"""engine.cuda, engine.cuda_faults, engine.cards: what a GPU computes in, and what is said where it cannot."""

import json
import re
from pathlib import Path

import pytest

from speechhub.engine import (
    CUDA_ARITHMETIC,
    EngineDeviceError,
    EngineOutOfMemoryError,
    Float32Cards,
    arithmetic_of,
    card_key,
    explain_cuda,
)
from speechhub.engine.cuda_faults import CUDA_FAULTS


@pytest.mark.parametrize(
    ("capability", "half", "prefers_float32", "batches", "flash"),
    [
        ((12, 0), "bfloat16", False, True, True),
        ((10, 3), "bfloat16", False, True, True),
        ((9, 0), "bfloat16", False, True, True),
        ((8, 9), "bfloat16", False, True, True),
        ((8, 6), "bfloat16", False, True, True),
        ((8, 0), "bfloat16", False, True, True),
        ((7, 5), "float16", False, False, False),
        ((7, 0), "float16", False, False, False),
        ((6, 2), "float16", True, False, False),
        ((6, 1), "float16", True, False, False),
        ((6, 0), "float16", False, False, False),
        ((5, 3), "float16", True, False, False),
        ((5, 2), "float16", True, False, False),
        ((5, 0), "float16", True, False, False),
    ],
)
def test_each_generation_has_its_arithmetic(capability, half, prefers_float32, batches, flash):
    """bfloat16 and flash attention from Ampere on; float32 where 16 bits are slow."""
    row = arithmetic_of(capability)

    assert (row.half, row.prefers_float32, row.batches, row.flash_attention) == (
        half, prefers_float32, batches, flash,
    )  # fmt: skip


def test_the_newest_cards_come_first():
    """Or an older row would hide a newer one."""
    assert [row.oldest for row in CUDA_ARITHMETIC] == sorted(
        (row.oldest for row in CUDA_ARITHMETIC), reverse=True
    )


PASCAL = {"card": "GTX 1080", "capability": (6, 1)}
TURING = {"card": "GTX 1650", "capability": (7, 5)}
MESSAGES = [
    (
        "CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be",
        PASCAL,
        EngineDeviceError,
        (
            "This build of PyTorch has no code for GTX 1080 (compute capability 6.1). Install one that has: "
            "speechhub engines install qwen-asr --build cu126."
        ),
    ),
    (
        "CUDA error: no kernel image is available for execution on the device",
        {"card": "RTX 5090", "capability": (12, 0)},
        EngineDeviceError,
        "speechhub engines install qwen-asr --build cu130.",
    ),
    ("CUDA error: no kernel image is available", {}, EngineDeviceError, "no code for this GPU. Install"),
    (
        "CUDA driver version is insufficient for CUDA runtime version",
        TURING,
        EngineDeviceError,
        (
            "NVIDIA's driver is too old for this build of PyTorch. Upgrade the driver, or install a build "
            "that runs on it, which this chooses: speechhub engines install qwen-asr."
        ),
    ),
    (
        "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver",
        {},
        EngineDeviceError,
        "Upgrade the driver",
    ),
    (
        "the provided PTX was compiled with an unsupported toolchain.",
        TURING,
        EngineDeviceError,
        "Upgrade the driver",
    ),
    (
        "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx( handle, opa, opb, m, n, k)`",
        TURING,
        EngineDeviceError,
        (
            "GTX 1650 (compute capability 7.5) cannot compute in the arithmetic that was chosen. Set "
            '[engines.qwen-asr] dtype = "float32", and install the build that fits: '
            "speechhub engines install qwen-asr."
        ),
    ),
    ("CUDA error: CUBLAS_STATUS_ARCH_MISMATCH", PASCAL, EngineDeviceError, 'dtype = "float32"'),
    ("cuDNN error: CUDNN_STATUS_ARCH_MISMATCH", PASCAL, EngineDeviceError, 'dtype = "float32"'),
    ("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED", PASCAL, EngineDeviceError, 'dtype = "float32"'),
    (
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        TURING,
        EngineOutOfMemoryError,
        "Too little memory is free on cuda:0. The command nvidia-smi shows which programs hold it",
    ),
    ("CUDA error: out of memory", {}, EngineOutOfMemoryError, "Too little memory is free on cuda:0."),
    ("cudaErrorNoKernelImageForDevice", {}, EngineDeviceError, "no code for this GPU"),
    ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", {}, EngineOutOfMemoryError, 'device = "cpu"'),
    (
        "CUDA out of memory. Tried to allocate 20.00 MiB.",
        TURING,
        EngineOutOfMemoryError,
        "or choose a smaller model, or the CPU",
    ),
    (
        "Torch not compiled with CUDA enabled",
        {},
        EngineDeviceError,
        (
            "This is PyTorch's build for the CPU, which cannot use cuda:0. Install the one for your GPU: "
            "speechhub engines install qwen-asr."
        ),
    ),
    (
        "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed",
        {},
        EngineDeviceError,
        "No NVIDIA GPU can be reached from here. Run nvidia-smi",
    ),
    ("CUDA error: no CUDA-capable device is detected", {}, EngineDeviceError, "--gpus all"),
    ("No CUDA GPUs are available", {}, EngineDeviceError, "--gpus all"),
    (
        "libcublas.so.12: cannot open shared object file: No such file or directory",
        {},
        EngineDeviceError,
        (
            "The environment lacks libcublas.so.12, a CUDA library. Install the engine again: "
            "speechhub engines install qwen-asr."
        ),
    ),
    (
        "Library libcudnn_ops.so.9 is not found",
        {},
        EngineDeviceError,
        "lacks libcudnn_ops.so.9, a CUDA library",
    ),
    (
        "libcublasLt.so.13: cannot open shared object file: No such file or directory",
        {},
        EngineDeviceError,
        "lacks libcublasLt.so.13",
    ),
    *(
        (f"{name}: cannot open shared object file", {}, EngineDeviceError, f"lacks {name}, a CUDA library")
        for name in (
            "libcudart.so.13",
            "libcufft.so.12",
            "libcurand.so.10",
            "libcusparse.so.12",
            "libcusolver.so.12",
            "libcupti.so.13",
        )
    ),
    (
        "Library libcudnn_cnn.so.9 is not found. Library libcudnn.so.9 is not found",
        {},
        EngineDeviceError,
        "lacks libcudnn_cnn.so.9, a CUDA library",
    ),
    *(
        ("no kernel image is available", {"capability": capability}, EngineDeviceError, f"--build {build}.")
        for capability, build in (((7, 5), "cu130"), ((7, 2), "cu126"))
    ),
    ("\nCUDA out of memory.\nTried", {}, EngineOutOfMemoryError, "(RuntimeError: "),
    ("CUDA out of memory.", {}, EngineOutOfMemoryError, "(RuntimeError: CUDA out of memory)"),
    ("libnvJitLink.so.13 cannot be loaded", {}, EngineDeviceError, "lacks libnvJitLink.so.13"),
    ("libnvrtc.so.13: cannot open shared object file", {}, EngineDeviceError, "lacks libnvrtc.so.13"),
]


@pytest.mark.parametrize(("said", "known", "kind", "shown"), MESSAGES)
def test_cudas_messages_have_a_cause_and_a_next_step(said, known, kind, shown):
    """As they come, and as the cause of what a library or an engine made of them."""
    fault = RuntimeError(said)
    for error in (fault, _behind(fault, cause=True), _behind(fault, cause=False)):
        found = explain_cuda(error, engine="qwen-asr", device="cuda:0", **known)

        assert type(found) is kind
        assert shown in found.message
        assert said.splitlines()[0].rstrip(".") in found.message
        assert "\n" not in found.message


def _behind(fault, *, cause):
    """Return an error that *fault* led to, as its cause or as what was being handled."""
    error = ValueError("cannot load")
    error.__cause__, error.__context__ = (fault, None) if cause else (None, fault)
    return error


def test_each_fault_has_an_example():
    """So that none can be broken unseen."""
    patterns = [pattern for fault in CUDA_FAULTS for pattern in fault.said]

    for pattern in patterns:
        assert any(re.search(pattern, said) for said, *_ in MESSAGES), pattern


@pytest.mark.parametrize("said", ["size mismatch for lm_head.weight", "device-side assert triggered", ""])
def test_other_errors_are_no_faults_of_the_device(said):
    """They stay what they are."""
    assert explain_cuda(RuntimeError(said), engine="qwen-asr", device="cuda:0") is None


def test_errors_in_a_ring():
    """Libraries can tie them so."""
    one, two = RuntimeError("a"), RuntimeError("b")
    one.__cause__, two.__cause__ = two, one

    assert explain_cuda(one, engine="qwen-asr", device="cuda:0") is None


KEY = card_key(card="GTX 1650", model="m", library="torch 2.13.0+cu126")


def test_a_card_is_remembered(tmp_path):
    """By the next process too, and beside what another one added meanwhile."""
    first, second = Float32Cards(tmp_path), Float32Cards(tmp_path)
    assert KEY not in first

    first.add(KEY)
    second.add("another")

    again = Float32Cards(tmp_path)
    assert KEY in first
    assert KEY in again
    assert "another" in again
    for other in ({"card": "GTX 1660"}, {"model": "n"}, {"library": "torch 2.14.0+cu126"}):
        assert (
            card_key(**{"card": "GTX 1650", "model": "m", "library": "torch 2.13.0+cu126"} | other)
            not in again
        )
    assert [path.name for path in tmp_path.iterdir()] == ["float32.json"]


def test_cards_stay_known_when_their_file_goes(tmp_path):
    """An operator may delete it while an engine runs; what is in it is sorted."""
    cards = Float32Cards(tmp_path)
    for key in ("c", "b", "a"):
        (tmp_path / "float32.json").unlink(missing_ok=True)
        cards.add(key)

    assert json.loads((tmp_path / "float32.json").read_text()) == ["a", "b", "c"]


def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    """What cannot be finished leaves the old one, and nothing beside it."""
    Float32Cards(tmp_path).add("old")

    def full(_, __):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    Float32Cards(tmp_path).add("new")

    assert [path.name for path in tmp_path.iterdir()] == ["float32.json"]
    assert "new" not in Float32Cards(tmp_path)


def test_without_a_folder_it_is_remembered_for_this_process():
    """There is no other place."""
    cards = Float32Cards(None)
    cards.add(KEY)

    assert KEY in cards


@pytest.mark.parametrize("content", ["", "{", "3", json.dumps({"a": 1}), "[1]"])
def test_a_file_that_cannot_be_read_is_replaced(tmp_path, content):
    """It holds nothing that cannot be found again."""
    (tmp_path / "float32.json").write_text(content)

    cards = Float32Cards(tmp_path)
    assert KEY not in cards
    cards.add(KEY)
    assert KEY in Float32Cards(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path, caplog):
    """A warning, and remembered for this process."""
    cards = Float32Cards(tmp_path / "none")
    cards.add(KEY)

    assert KEY in cards
    assert "cannot save that this GPU needs float32: FileNotFoundError" in caplog.text
