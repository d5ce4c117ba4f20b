"""Arithmetic and memory on pretended GPUs, and 16 bits that go wrong; there is no GPU here."""

import importlib.util
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from speechhub.engine import (
    EngineDeviceError,
    EngineError,
    EngineLoadError,
    EngineOutOfMemoryError,
    Float32Cards,
    LoadContext,
)
from speechhub_qwen_asr import devices, ears, fitting
from speechhub_qwen_asr.ears import Ears, dominated, speech_like
from speechhub_qwen_asr.engine import QwenAsrEngine
from speechhub_qwen_asr.fitting import Fitting, explained, fit, meet
from speechhub_qwen_asr.generation import Wish
from speechhub_qwen_asr.recognizer import Clip, Heard
from speechhub_qwen_asr.settings import QwenAsrSettings
from speechhub_qwen_asr.suited import CLIP_BYTES, MARGIN_BYTES, Gpu, suit_gpu

from .conftest import TEXT, transcribe

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
    assert "it is tried all the same" in caplog.text


def test_on_the_cpu_nothing_is_decided(folder):
    """The options stay as they are, and no GPU is asked."""
    settings = QwenAsrSettings()

    found = fit(LoadContext(model="mine", model_dir=folder), settings, Float32Cards(None))

    assert (found.settings, found.clips, found.key) == (settings, 4, "")


def test_the_context_of_cuda_is_measured(monkeypatch, card, caplog):
    """What is free afterwards is what the plan gets."""
    caplog.set_level(logging.INFO)
    card((7, 5))
    ones = torch.ones

    def on_the_cpu(*size, device):
        assert device == "cuda:0"
        return ones(*size)

    monkeypatch.setattr(torch, "ones", on_the_cpu)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (3_400_000_000, 4_000_000_000))

    gpu = meet(LoadContext(model="mine", model_dir=None, device="cuda:0", memory_bytes=3_900_000_000))

    assert gpu == Gpu(name="a card", capability=(7, 5), free_bytes=3_400_000_000)
    assert "CUDA itself takes 0.50 GB" in caplog.text


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


class Thinker(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lm_head = torch.nn.Linear(1, 1, bias=False)


class Model(torch.nn.Module):
    """A head whose score overflows in float16 when it hears something loud."""

    def __init__(self, dtype):
        super().__init__()
        self.thinker = Thinker()
        self.thinker.lm_head.weight.data = torch.tensor([[60000.0]])
        self.to(dtype)
        self.config = SimpleNamespace(_attn_implementation="flash_attention_2")
        self.attention = "flash_attention_2"

    @property
    def dtype(self):
        return self.thinker.lm_head.weight.dtype

    @property
    def device(self):
        return torch.device("cpu")

    def set_attn_implementation(self, name):
        self.attention = name


class Tokenizer:
    def encode(self, text, *, add_special_tokens):
        assert not add_special_tokens
        return text.split()


class Listener:
    """Says `narrow` in 16 bits and `wide` in float32, at a loudness."""

    def __init__(self, model, *, loud=1.0, narrow="fine", wide="fine"):
        self.model, self.loud, self.said = model, loud, (narrow, wide)
        self.sizes = []

    def hear(self, clips, wish):
        self.sizes.append(len(clips))
        with torch.no_grad():
            self.model.thinker.lm_head(torch.tensor([[self.loud]]).to(self.model.dtype))
        text = self.said[self.model.dtype is torch.float32]
        return [Heard(text=text, language="") for _ in clips]


CLIP = Clip(samples=np.zeros(100, np.float32))
NONSENSE = "a a a a a b c d"


def ears_on(*, dtype=torch.float16, clips=4, free=GB, **said):
    model = Model(dtype)
    asr = SimpleNamespace(model=model, processor=SimpleNamespace(tokenizer=Tokenizer()), dtype=dtype)
    listener = Listener(model, **said)
    cards = Float32Cards(None)
    made = Ears(
        asr, listener, Fitting(settings=QwenAsrSettings(), clips=clips, key="key"), cards, lambda _: free
    )
    return made, asr, listener, cards


def test_clips_go_together_as_far_as_it_suits_the_device():
    """Each is heard, in order."""
    made, _, listener, _ = ears_on(clips=2)

    assert [one.text for one in made.hear([CLIP] * 5, Wish())] == ["fine"] * 5
    assert listener.sizes == [2, 2, 1]


def test_what_was_stopped_has_no_more_text():
    """But as many answers as clips."""
    made, _, listener, _ = ears_on(clips=1)
    wish = Wish(stopped=lambda: len(listener.sizes) > 1)

    assert [one.text for one in made.hear([CLIP] * 3, wish)] == ["fine", "fine", ""]


def test_16_bits_that_work_stay():
    """The look at them changes nothing."""
    made, asr, _, cards = ears_on()
    made.warm_up()
    made.hear([CLIP], Wish())

    assert asr.model.dtype is torch.float16
    assert "key" not in cards


def test_scores_that_are_no_numbers_make_float32_at_load():
    """The model goes on in float32, without flash attention, and the card is remembered."""
    made, asr, _, cards = ears_on(loud=2.0)
    made.warm_up()

    assert asr.model.dtype is torch.float32
    assert asr.dtype is torch.float32
    assert asr.model.attention == "sdpa"
    assert "key" in cards


def test_no_room_for_float32_at_load():
    """The message says how much lacks."""
    made, asr, _, cards = ears_on(loud=2.0, free=MARGIN_BYTES)

    with pytest.raises(EngineLoadError, match=r"float32 needs 0\.00 GB more there, and 0\.10 GB are free"):
        made.warm_up()
    assert asr.model.dtype is torch.float16
    assert "key" not in cards


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_model_that_never_computes_numbers_is_damaged(dtype):
    """Nothing is remembered of the card."""
    made, _, _, cards = ears_on(dtype=dtype, loud=float("nan"))

    with pytest.raises(EngineLoadError, match="in float32 either"):
        made.warm_up()
    assert "key" not in cards


def test_scores_that_are_no_numbers_later():
    """The clip is heard once more; without room it is an error, since the text is nonsense."""
    made, asr, _, cards = ears_on(loud=2.0, narrow="!!!!", wide="fine")
    assert [one.text for one in made.hear([CLIP], Wish())] == ["fine"]
    assert asr.model.dtype is torch.float32
    assert "key" in cards

    made, *_ = ears_on(loud=2.0, free=0)
    with pytest.raises(EngineError, match="16 bits go wrong on cpu"):
        made.hear([CLIP], Wish())


@pytest.mark.parametrize("nonsense", [NONSENSE, "!", "!!!!"])
def test_nonsense_is_heard_again_in_float32(nonsense):
    """And the card is remembered if that made sense of it."""
    made, asr, _, cards = ears_on(narrow=nonsense, wide="fine")

    assert [one.text for one in made.hear([CLIP], Wish())] == ["fine"]
    assert asr.model.dtype is torch.float32
    assert "key" in cards


def test_what_is_said_so_in_float32_too_was_said():
    """Somebody laughs: nothing is remembered."""
    made, _, listener, cards = ears_on(narrow=NONSENSE, wide=NONSENSE)

    assert [one.text for one in made.hear([CLIP], Wish())] == [NONSENSE]
    made.hear([CLIP], Wish())
    assert len(listener.sizes) == 3
    assert "key" not in cards


def test_no_room_for_float32_later():
    """The text stays as it is, since it may be right; it is doubted once."""
    made, asr, listener, _ = ears_on(narrow=NONSENSE, free=0)

    assert [one.text for one in made.hear([CLIP], Wish())] == [NONSENSE]
    assert asr.model.dtype is torch.float16
    assert len(listener.sizes) == 1


def test_bfloat16_is_not_doubted_for_a_word_that_comes_often():
    """It has float32's range."""
    made, asr, _, _ = ears_on(dtype=torch.bfloat16, narrow=NONSENSE)
    made.hear([CLIP], Wish())

    assert asr.model.dtype is torch.bfloat16


def test_a_stream_stays_as_it_is_out():
    """What follows is heard in float32."""
    made, asr, listener, cards = ears_on(loud=2.0, narrow="!!!!")

    assert [one.text for one in made.hear([CLIP], Wish(on_token=print))] == ["!!!!"]
    assert len(listener.sizes) == 1
    assert asr.model.dtype is torch.float32
    assert "key" in cards


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [([1] * 5 + [2, 3, 4], True), ([1] * 4 + [2, 3, 4, 5], False), ([1] * 7, False), ([], False)],
)
def test_one_token_over_half_of_an_answer(tokens, expected):
    """Of eight and more."""
    assert dominated(tokens) is expected


def test_the_warm_up_sounds_like_speech():
    """Loud enough, bounded, and never the same for long."""
    samples = speech_like()

    assert samples.dtype == np.float32
    assert 0.3 < np.abs(samples).max() < 0.7
    loudness = np.abs(samples.reshape(-1, 1600)).max(axis=1)
    assert loudness.max() > 3 * loudness.min()


def test_free_memory_counts_what_the_allocator_keeps(monkeypatch):
    """On the CPU nothing is asked."""
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 50)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 1000))

    assert ears.free_bytes(torch.device("cuda:0")) == 120
    assert ears.free_bytes(torch.device("cpu")) > GB


def test_a_real_model_that_overflows_in_float16(checkpoints, tmp_path):
    """Its text is right all the same."""
    folder = tmp_path / "loud"
    folder.mkdir()
    for path in checkpoints("script").iterdir():
        (folder / path.name).symlink_to(path)
    weights = load_file(folder / "model.safetensors")
    weights["thinker.lm_head.weight"] *= 20000 / weights["thinker.lm_head.weight"].abs().max()
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    engine = QwenAsrEngine()

    engine.load(LoadContext(model="mine", model_dir=folder, threads=1, options={"dtype": "float16"}))

    assert engine._asr.model.dtype is torch.float32
    assert transcribe(engine).text == TEXT
