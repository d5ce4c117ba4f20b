"""The plan for a GPU: options and edge cases; see test_gpu.py for the table."""

import pytest

from speechhub_qwen_asr.suited import CLIP_BYTES, MARGIN_BYTES, Gpu, suit_gpu

GB = 10**9
AMPERE, PASCAL = (8, 6), (6, 1)


def suited(capability, free=24 * GB, **wishes):
    gpu = Gpu(name="a card", capability=capability, free_bytes=free)
    return suit_gpu(gpu, **{"weights_bytes": GB, "aligner_bytes": GB} | wishes)


@pytest.mark.parametrize(("less", "dtype"), [(0, "float32"), (1, "float16")])
def test_float32_needs_room_for_one_clip(less, dtype):
    """To a byte, on a card whose 16 bits are slow."""
    found = suited(PASCAL, MARGIN_BYTES + 2 * (GB + CLIP_BYTES) - less, aligner_bytes=0)

    assert found.dtype == dtype
    assert found.reasons[0].startswith("16 bits are slow on a card")


def test_float16_goes_together_where_the_card_can():
    """An operator wants it on a newer card."""
    assert suited(AMPERE, dtype="float16").clips == 4


def test_the_aligner_stays_away_where_it_is_wished_to():
    """Though there is room."""
    assert not suited(AMPERE, aligner_device="cpu").aligner_on_gpu


def test_a_clip_takes_what_the_page_says():
    """docs/engines/qwen3-asr.md has the sum."""
    assert suited(AMPERE, aligner_bytes=0).needed_bytes == GB + 4 * 165_000_000
