"""Whisper on a GPU: libraries that are missing, where they are found, and errors about them."""

import ctypes
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ctranslate2
import pytest

from speechhub.engine import (
    Audio,
    Call,
    Compute,
    EngineDeviceError,
    EngineLoadError,
    LoadContext,
    TranscribeRequest,
)
from speechhub_whisper import ENGINE, compute, start
from speechhub_whisper.engine import WhisperEngine
from speechhub_whisper.settings import WhisperSettings

GPU = LoadContext(model="mine", model_dir=None, device="cuda:0")
NO_CUBLAS = RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
UNSUPPORTED = RuntimeError("cuBLAS failed with status CUBLAS_STATUS_NOT_SUPPORTED")


@pytest.fixture
def opened(monkeypatch):
    """Note what is opened; what is not in `here` cannot be."""
    found = SimpleNamespace(names=[], here={"libcublasLt.so.12", "libcublas.so.12"})

    def cdll(name, mode=0):
        if Path(name).name not in found.here:
            raise OSError(f"{name}: cannot open shared object file")
        assert mode == ctypes.RTLD_GLOBAL
        found.names.append(name)

    monkeypatch.setattr(ctypes, "CDLL", cdll)
    return found


@pytest.fixture
def wheels(monkeypatch, tmp_path):
    """Pretend NVIDIA's wheels, with these files in each."""

    def install(**files):
        for library, names in files.items():
            folder = tmp_path / "nvidia" / library / "lib"
            folder.mkdir(parents=True)
            for name in names:
                (folder / name).touch()
            (folder.parent / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path))
        for name in [module for module in sys.modules if module.partition(".")[0] == "nvidia"]:
            monkeypatch.delitem(sys.modules, name)
        return tmp_path / "nvidia"

    return install


@pytest.fixture
def cards(monkeypatch):
    """Have CTranslate2 see a GPU."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda device: {"float16"})


def test_the_spec_names_the_question():
    assert ENGINE.compute == f"{compute.compute.__module__}:{compute.compute.__name__}"


def test_all_that_is_needed_is_here(opened, cards):
    assert compute.compute() == Compute(kinds=("cuda", "cpu"))


@pytest.mark.parametrize("missing", ["libcublasLt.so.12", "libcublas.so.12"])
def test_without_cublas_it_is_the_cpu_and_the_command(opened, cards, missing):
    opened.here.remove(missing)

    answer = compute.compute()

    assert answer.kinds == ("cpu",)
    assert answer.problem == "NVIDIA's library libcublas.so.12 is not installed."
    assert answer.fix == f"{sys.executable} -m pip install 'nvidia-cublas-cu12>=12.1,<13'"


def test_an_environment_without_pip_is_mended_by_uv(opened, cards, monkeypatch):
    opened.here.clear()
    real = compute.importlib.util.find_spec
    monkeypatch.setattr(
        compute.importlib.util, "find_spec", lambda name: None if name == "pip" else real(name)
    )

    assert compute.compute().fix.startswith(f"uv pip install --python {sys.executable} ")


def test_a_driver_that_shows_no_gpu(opened, monkeypatch):
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)

    answer = compute.compute()

    assert (answer.kinds, "525.60.13" in answer.fix) == (("cpu",), True)


@pytest.mark.parametrize(
    ("said", "fix"),
    [("CUDA driver version is insufficient for CUDA runtime version", "525.60.13"), ("oh", "525.60.13")],
)
def test_a_driver_that_fails(opened, cards, monkeypatch, said, fix):
    def fail(device):
        raise RuntimeError(said)

    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", fail)

    answer = compute.compute()

    assert answer.kinds == ("cpu",)
    assert fix in answer.fix


def test_this_machine_answers():
    """With the real CTranslate2, whatever is here: it can use CUDA, or says what to do."""
    answer = compute.compute()

    assert "cuda" in answer.kinds or (answer.problem and answer.fix)


def test_wheels_are_opened_by_path_and_in_order(opened, wheels):
    """So that CTranslate2 finds them by name, without LD_LIBRARY_PATH."""
    opened.here.add("libcudnn.so.9")
    root = wheels(cublas=["libcublas.so.12", "libcublasLt.so.12"], cudnn=["libcudnn.so.9"])

    assert compute.open_cublas()
    assert opened.names == [
        str(root / "cublas/lib/libcublasLt.so.12"),
        str(root / "cublas/lib/libcublas.so.12"),
        str(root / "cudnn/lib/libcudnn.so.9"),
    ]


def test_libraries_of_the_system_are_opened_by_name(opened, wheels):
    wheels(cublas=[])

    assert compute.open_cublas()
    assert opened.names == ["libcublasLt.so.12", "libcublas.so.12"]


def test_the_extra_brings_what_is_asked_for():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())

    assert compute.CUBLAS_WHEEL in project["project"]["optional-dependencies"]["cuda"]


@pytest.mark.parametrize(
    ("said", "cause", "fix"),
    [
        (str(NO_CUBLAS), "library libcublas.so.12 is not installed", "nvidia-cublas-cu12"),
        ("libcublasLt.so.12: cannot open shared object file", "libcublasLt.so.12", "nvidia-cublas-cu12"),
        ("Unable to load any of {libcudnn_ops.so.9}: not found", "cuDNN", "nvidia-cudnn-cu12>=9"),
        ("Library libcudnn.so.9 is not found", "needs cuDNN, and libcudnn.so.9", "nvidia-cudnn-cu12>=9"),
        ("CUDA driver version is insufficient for CUDA runtime version", "too old for CUDA 12", "525.60.13"),
        ("no CUDA-capable device is detected", "no GPU that it can use", "525.60.13"),
        ("CUDA driver initialization failed", "no GPU that it can use", "525.60.13"),
        ("libcuda.so.1 cannot be loaded", "no GPU that it can use", "525.60.13"),
        ("no kernel image is available for execution on the device", "no code for this GPU", "ctranslate2>="),
        ("the provided PTX was compiled with an unsupported toolchain", "no code for this", "ctranslate2>="),
    ],
)
def test_what_a_gpu_owner_reads(said, cause, fix):
    error = compute.device_error(RuntimeError(said), "cuda:0")

    assert type(error) is EngineDeviceError
    assert "cuda:0" in error.message
    assert cause in error.message
    assert fix in error.message
    assert said in error.message


@pytest.mark.parametrize("said", ["CUDA failed with error out of memory", "Invalid model", str(UNSUPPORTED)])
def test_what_is_no_fault_of_the_environment(said):
    assert compute.device_error(RuntimeError(said), "cuda:0") is None


def test_a_gpu_that_is_not_there_is_the_environment_s_fault(model_dir):
    """With the real CTranslate2: the hub can go to the CPU on this one."""
    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a GPU")

    with pytest.raises(EngineDeviceError, match="cuda:0"):
        WhisperEngine().load(LoadContext(model="mine", model_dir=model_dir, device="cuda:0"))


class Starting:
    """What `start` calls, without a GPU: `broken` says what the warm-up fails with."""

    def __init__(self, monkeypatch, broken):
        self.tried = []
        self.broken = broken
        monkeypatch.setattr(start, "load_model", self.load)
        monkeypatch.setattr(start, "Decoder", lambda model, settings: SimpleNamespace(warm_up=model.warm_up))

    def load(self, context, compute_type):
        self.tried.append(compute_type)

        def warm_up():
            if error := self.broken.get(compute_type):
                raise error

        return SimpleNamespace(warm_up=warm_up)


def test_a_missing_library_is_met_by_the_load(monkeypatch):
    """CTranslate2 opens cuBLAS at its first multiplication; no request is to meet that."""
    Starting(monkeypatch, {"auto": NO_CUBLAS})

    with pytest.raises(EngineDeviceError, match="nvidia-cublas-cu12"):
        start.start(GPU, WhisperSettings())


@pytest.mark.parametrize(
    ("broken", "tried"),
    [
        ({}, ["auto"]),
        ({"auto": UNSUPPORTED}, ["auto", "float16"]),
        ({"auto": UNSUPPORTED, "float16": UNSUPPORTED}, ["auto", "float16", "float32"]),
    ],
)
def test_plainer_arithmetics_are_tried(monkeypatch, broken, tried):
    starting = Starting(monkeypatch, broken)

    start.start(GPU, WhisperSettings())

    assert starting.tried == tried


def test_no_arithmetic_at_all(monkeypatch):
    Starting(monkeypatch, dict.fromkeys(("auto", "float16", "float32"), UNSUPPORTED))

    with pytest.raises(EngineDeviceError, match="none of its compute types"):
        start.start(GPU, WhisperSettings())


def test_an_arithmetic_that_the_operator_named_is_not_replaced(monkeypatch):
    starting = Starting(monkeypatch, {"int8": UNSUPPORTED})

    with pytest.raises(EngineLoadError, match="does not support compute_type 'int8'") as caught:
        start.start(GPU, WhisperSettings(compute_type="int8"))

    assert not isinstance(caught.value, EngineDeviceError)
    assert starting.tried == ["int8"]


def test_another_failure_of_the_warm_up_is_told_as_it_is(monkeypatch):
    Starting(monkeypatch, {"auto": RuntimeError("CUDA failed with error out of memory")})

    with pytest.raises(RuntimeError, match="out of memory"):
        start.start(GPU, WhisperSettings())


def test_libraries_are_opened_on_a_gpu_alone(monkeypatch, model_dir):
    opened = []
    monkeypatch.setattr("speechhub_whisper.model.open_cublas", lambda: opened.append(1))
    monkeypatch.setattr("speechhub_whisper.model.Model", lambda *args, **kwargs: None)
    for device in ("cpu", "cuda:0"):
        context = LoadContext(model="mine", model_dir=model_dir, device=device)
        start.load_model(context, "float32")

    assert opened == [1]


def test_a_library_that_is_missed_at_work_is_told_as_at_load(engine, clip, monkeypatch):
    """Cause and next step; the client reads what kind of failure it is."""

    def fail(*_):
        raise NO_CUBLAS

    monkeypatch.setattr(engine, "_decode_group", fail)
    request = TranscribeRequest(audio=Audio(samples=clip("en"), sample_rate=16_000), language="en")

    with pytest.raises(EngineDeviceError, match="nvidia-cublas-cu12"):
        engine.transcribe([request], Call())


def test_a_gpu_that_is_not_found_may_be_later_and_a_library_may_not(opened, cards, monkeypatch):
    """The card may be another program's for a while; a library comes by being installed."""

    def busy():
        raise RuntimeError("CUDA failed with error all CUDA-capable devices are busy or unavailable")

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    none = compute.compute()
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", busy)
    taken = compute.compute()
    opened.here.clear()
    missing = compute.compute()

    assert [answer.kinds for answer in (none, taken, missing)] == [("cpu",)] * 3
    assert [answer.may_pass for answer in (none, taken, missing)] == [True, True, False]


def test_a_cudnn_that_cannot_be_opened_is_no_reason_against_the_gpu(opened, cards, wheels):
    """CTranslate2 4.8.5 does without."""
    wheels(cudnn=["libcudnn.so.9"])

    assert compute.compute() == Compute(kinds=("cuda", "cpu"))
