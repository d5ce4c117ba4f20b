"""Loading on a GPU: what is measured, decided and logged, and its errors; the GPUs are pretended."""

import importlib.util
import logging

import pytest
import torch

from speechhub.engine import (
    EngineDeviceError,
    EngineLoadError,
    EngineOutOfMemoryError,
    Float32Cards,
    LoadContext,
)
from speechhub_qwen_asr import fitting
from speechhub_qwen_asr.fitting import explained, fit, meet
from speechhub_qwen_asr.settings import QwenAsrSettings
from speechhub_qwen_asr.suited import CLIP_BYTES, MARGIN_BYTES, Gpu

GB = 10**9
AMPERE = (8, 6)


@pytest.fixture
def card(monkeypatch):
    """Pretend a GPU of some capability."""

    def pretend(capability):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _=None: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: "a card")

    return pretend


@pytest.fixture
def folder(tmp_path):
    """A model of 2000 bytes with an aligner of 1000."""
    (tmp_path / "model.safetensors").write_bytes(bytes(2000))
    (tmp_path / "aligner").mkdir()
    (tmp_path / "aligner" / "model.safetensors").write_bytes(bytes(1000))
    return tmp_path


def test_what_was_left_to_us_is_decided_at_load(monkeypatch, folder, caplog):
    """By the card that is met, by its free memory, and by what is remembered of it."""
    caplog.set_level(logging.INFO)
    gpu = Gpu(name="a card", capability=(7, 5), free_bytes=MARGIN_BYTES + CLIP_BYTES + 3000)
    monkeypatch.setattr(fitting, "meet", lambda _: gpu)
    context = LoadContext(model="mine", model_dir=folder, device="cuda:0", work_dir=folder)
    cards = Float32Cards(folder)

    found = fit(context, QwenAsrSettings(), cards)

    assert (found.settings.dtype, found.settings.attention) == ("float16", "sdpa")
    assert (found.settings.aligner_device, found.clips) == ("cuda:0", 1)
    assert "a card: float16, sdpa, 1 clips at a time" in caplog.text
    assert "one clip at a time, since" in caplog.text

    cards.add(found.key)
    again = fit(context, QwenAsrSettings(), Float32Cards(folder))
    assert (again.settings.dtype, again.settings.aligner_device) == ("float32", "cpu")
    assert "16 bits went wrong on a card: float32" in caplog.text
    assert "loading it all the same" in caplog.text


@pytest.mark.parametrize(
    ("less", "options", "expected"),
    [
        (0, {}, ("cuda:0", 4)),
        (1, {}, ("cpu", 4)),
        (1001, {}, ("cpu", 3)),
        (1000, {"aligner_device": "cpu"}, ("cpu", 4)),
        (1000, {"aligner_device": "cuda:0"}, ("cuda:0", 3)),
        (1000, {"aligner_device": "cuda:1"}, ("cuda:1", 3)),
        (1000, {"aligner": "~/none"}, ("cpu", 4)),
        (-2000, {"aligner": "~/large"}, ("cuda:0", 4)),
        (-1999, {"aligner": "~/large"}, ("cpu", 4)),
    ],
)
def test_the_weights_are_counted(monkeypatch, folder, less, options, expected):
    """To a byte: the model's and the aligner's, and those of the operator's aligner in its place."""
    monkeypatch.setenv("HOME", str(folder))
    for name, size in (("none", 0), ("large", 3000)):
        (folder / name).mkdir()
        (folder / name / "model.safetensors").write_bytes(bytes(size))
    free = MARGIN_BYTES + 3000 + 4 * CLIP_BYTES - less
    monkeypatch.setattr(fitting, "meet", lambda _: Gpu(name="a card", capability=AMPERE, free_bytes=free))
    context = LoadContext(model="mine", model_dir=folder, device="cuda:0")

    found = fit(context, QwenAsrSettings(**options), Float32Cards(None))

    assert (found.settings.aligner_device, found.clips) == expected


@pytest.mark.parametrize("less", [0, 1])
def test_too_little_memory_is_told(monkeypatch, caplog, less):
    """To a byte; what the sum says is tried all the same."""
    gpu = Gpu(name="a card", capability=AMPERE, free_bytes=MARGIN_BYTES + CLIP_BYTES - less)
    monkeypatch.setattr(fitting, "meet", lambda _: gpu)

    fit(LoadContext(model="mine", model_dir=None, device="cuda:0"), QwenAsrSettings(), Float32Cards(None))

    assert ("loading it all the same" in caplog.text) is bool(less)


def test_on_the_cpu_nothing_is_decided(folder):
    """The options stay as they are, and no GPU is asked."""
    settings = QwenAsrSettings()

    found = fit(LoadContext(model="mine", model_dir=folder), settings, Float32Cards(None))

    assert (found.settings, found.clips, found.key) == (settings, 4, "")


@pytest.fixture
def a_card(monkeypatch):
    monkeypatch.setattr(fitting, "meet", lambda _: Gpu(name="a card", capability=AMPERE, free_bytes=9 * GB))


def test_a_card_is_remembered_by_name_model_and_library(a_card):
    found = fit(
        LoadContext(model="mine", model_dir=None, device="cuda:0"), QwenAsrSettings(), Float32Cards(None)
    )

    assert found.key == f"a card | mine | torch {torch.__version__}"


def test_an_operators_wishes_reach_the_plan(a_card):
    settings = QwenAsrSettings(dtype="float16", attention="eager")

    found = fit(LoadContext(model="mine", model_dir=None, device="cuda:0"), settings, Float32Cards(None))

    assert (found.settings.dtype, found.settings.attention) == ("float16", "eager")


@pytest.mark.parametrize("installed", [True, False])
def test_flash_attention_is_looked_for(monkeypatch, a_card, installed):
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if (name == "flash_attn") is installed else None
    )

    found = fit(
        LoadContext(model="mine", model_dir=None, device="cuda:0"), QwenAsrSettings(), Float32Cards(None)
    )

    assert found.settings.attention == ("flash_attention_2" if installed else "sdpa")


@pytest.mark.parametrize(
    ("before", "told"), [(3_900_000_000, "0.50 GB"), (3_300_000_000, "0.00 GB"), (None, "")]
)
def test_the_context_of_cuda_is_measured(monkeypatch, card, caplog, before, told):
    """What is free after the first product is what the plan gets."""
    caplog.set_level(logging.INFO)
    card((7, 5))
    free = [3_800_000_000]

    class Square:
        def __matmul__(self, other):
            free.append(3_400_000_000)
            return torch.zeros(1)

        def sum(self):
            return torch.zeros(1)

    monkeypatch.setattr(torch, "ones", lambda *_, device: {"cuda:0": Square()}[device])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free[-1], 4_000_000_000))

    gpu = meet(LoadContext(model="mine", model_dir=None, device="cuda:0", memory_bytes=before))

    assert gpu == Gpu(name="a card", capability=(7, 5), free_bytes=3_400_000_000)
    assert (f"CUDA itself takes {told}" in caplog.text) is bool(told)


@pytest.mark.parametrize(
    ("said", "kind", "shown"),
    [
        (
            "no kernel image is available for execution on the device",
            EngineDeviceError,
            (
                "no code for a card (compute capability 6.1). Install one that has: "
                "speechhub engines install qwen-asr --build cu126"
            ),
        ),
        ("CUBLAS_STATUS_ALLOC_FAILED", EngineOutOfMemoryError, "free on cuda:0"),
        ("The NVIDIA driver on your system is too old", EngineDeviceError, "Upgrade the driver"),
    ],
)
def test_cudas_errors_are_explained(card, said, kind, shown):
    """With the card's name, and the command for this engine."""
    card((6, 1))

    with pytest.raises(kind) as raised, explained("cuda:0"):
        raise RuntimeError(said)

    assert shown in raised.value.message
    assert str(raised.value.__cause__) == said


def test_a_card_that_cannot_be_asked(monkeypatch):
    """Its errors are explained without its name."""

    def gone(_):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(torch.cuda, "get_device_name", gone)

    with pytest.raises(EngineDeviceError, match="no code for this GPU"), explained("cuda:0"):
        raise RuntimeError("no kernel image is available")


def test_other_errors_pass():
    """As they are."""
    with pytest.raises(EngineLoadError, match=r"^damaged$"), explained("cuda:0"):
        raise EngineLoadError("damaged")
