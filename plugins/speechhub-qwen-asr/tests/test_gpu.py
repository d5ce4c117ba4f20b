"""Arithmetic and memory on pretended GPUs; there is no GPU here."""

import importlib.util

import pytest
import torch

from speechhub_qwen_asr import devices
from speechhub_qwen_asr.suited import CLIP_BYTES, MARGIN_BYTES, Gpu, suit_gpu

GB = 10**9
MODEL, ALIGNER = 1_570_000_000, 1_840_000_000
"""Bytes of Qwen3-ASR-0.6B and of its aligner, in 16 bits."""
GENERATIONS = [
    ((12, 0), torch.bfloat16, "flash_attention_2", 4),
    ((9, 0), torch.bfloat16, "flash_attention_2", 4),
    ((8, 9), torch.bfloat16, "flash_attention_2", 4),
    ((8, 6), torch.bfloat16, "flash_attention_2", 4),
    ((8, 0), torch.bfloat16, "flash_attention_2", 4),
    ((7, 5), torch.float16, "sdpa", 1),
    ((7, 0), torch.float16, "sdpa", 1),
    ((6, 0), torch.float16, "sdpa", 1),
]


@pytest.fixture
def card(monkeypatch):
    """Pretend a GPU of some capability, which says of itself what PyTorch says of all."""

    def pretend(capability, *, flash=True):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _=None: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: "a card")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if flash else None)

    return pretend


@pytest.mark.invariant("fits-the-card")
@pytest.mark.parametrize(("capability", "dtype", "attention", "clips"), GENERATIONS)
def test_each_generation_has_its_arithmetic_and_attention(card, capability, dtype, attention, clips):
    """In the functions that ask PyTorch, and in the plan."""
    card(capability)
    name = str(dtype).removeprefix("torch.")

    assert devices.choose_dtype("auto", "cuda:0") is dtype
    assert devices.choose_attention("auto", "cuda:0", dtype) == attention
    found = suit_gpu(
        Gpu(name="a card", capability=capability, free_bytes=24 * GB),
        weights_bytes=MODEL,
        aligner_bytes=ALIGNER,
        has_flash=True,
    )
    assert (found.dtype, found.attention, found.clips, found.aligner_on_gpu) == (name, attention, clips, True)


@pytest.mark.parametrize("capability", [(6, 1), (5, 2)])
def test_cards_whose_16_bits_are_slow(card, capability):
    """float32 where it fits, with batches; else float16, one clip at a time."""
    card(capability)
    roomy, tight = (
        suit_gpu(
            Gpu(name="a card", capability=capability, free_bytes=size), weights_bytes=MODEL, aligner_bytes=0
        )
        for size in (8 * GB, int(3.5 * GB))
    )

    assert (roomy.dtype, roomy.attention, roomy.clips) == ("float32", "sdpa", 4)
    assert roomy.needed_bytes == 2 * (MODEL + 4 * CLIP_BYTES)
    assert (tight.dtype, tight.clips) == ("float16", 1)
    assert "float32 does not fit" in tight.reasons[0]
    assert devices.choose_dtype("auto", "cuda:0") is torch.float16


def test_flash_attention_needs_its_package_and_16_bits(card):
    """And a card; see above."""
    card((8, 6), flash=False)
    assert devices.choose_attention("auto", "cuda:0", torch.bfloat16) == "sdpa"
    card((8, 6))
    assert devices.choose_attention("auto", "cuda:0", torch.float32) == "sdpa"

    gpu = Gpu(name="a card", capability=(8, 6), free_bytes=24 * GB)
    for wishes in ({"has_flash": False}, {"has_flash": True, "dtype": "float32"}):
        assert suit_gpu(gpu, weights_bytes=MODEL, aligner_bytes=0, **wishes).attention == "sdpa"


def test_wishes_are_kept():
    """Of an operator who knows better."""
    found = suit_gpu(
        Gpu(name="a card", capability=(7, 5), free_bytes=3 * GB),
        weights_bytes=MODEL,
        aligner_bytes=ALIGNER,
        dtype="bfloat16",
        attention="eager",
        aligner_device="cuda:0",
    )

    assert (found.dtype, found.attention, found.aligner_on_gpu) == ("bfloat16", "eager", True)


@pytest.mark.parametrize(
    ("free", "aligner", "clips", "on_gpu"),
    [
        (MODEL + ALIGNER + 4 * CLIP_BYTES + MARGIN_BYTES, ALIGNER, 4, True),
        (MODEL + ALIGNER + 4 * CLIP_BYTES + MARGIN_BYTES - 1, ALIGNER, 4, False),
        (MODEL + 4 * CLIP_BYTES + MARGIN_BYTES, 0, 4, False),
        (MODEL + 4 * CLIP_BYTES + MARGIN_BYTES - 1, 0, 3, False),
        (MODEL + 1 * CLIP_BYTES + MARGIN_BYTES, 0, 1, False),
        (MODEL, 0, 1, False),
    ],
)
def test_each_step_of_the_plan_for_memory(free, aligner, clips, on_gpu):
    """The aligner goes first, and then one clip after the other; the GPU has the last word."""
    found = suit_gpu(
        Gpu(name="a card", capability=(8, 6), free_bytes=free), weights_bytes=MODEL, aligner_bytes=aligner
    )

    assert (found.clips, found.aligner_on_gpu) == (clips, on_gpu)
    assert found.needed_bytes == MODEL + (aligner if on_gpu else 0) + clips * CLIP_BYTES
    assert bool(found.reasons) is (clips < 4 or (bool(aligner) and not on_gpu))
