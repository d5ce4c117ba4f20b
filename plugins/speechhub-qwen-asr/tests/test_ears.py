"""16 bits that fail, and float32 in their place."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from speechhub.engine import EngineError, EngineLoadError, Float32Cards, LoadContext
from speechhub_qwen_asr import ears
from speechhub_qwen_asr.ears import Ears, dominated, speech_like
from speechhub_qwen_asr.engine import QwenAsrEngine
from speechhub_qwen_asr.fitting import Fitting
from speechhub_qwen_asr.generation import Wish
from speechhub_qwen_asr.recognizer import Clip, Heard
from speechhub_qwen_asr.settings import QwenAsrSettings
from speechhub_qwen_asr.suited import MARGIN_BYTES

from .conftest import TEXT, transcribe

GB = 10**9


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


def ears_on(*, dtype=torch.float16, clips=4, free=GB, key="key", **said):
    model = Model(dtype)
    asr = SimpleNamespace(model=model, processor=SimpleNamespace(tokenizer=Tokenizer()), dtype=dtype)
    listener = Listener(model, **said)
    cards = Float32Cards(None)
    made = Ears(
        asr, listener, Fitting(settings=QwenAsrSettings(), clips=clips, key=key), cards, lambda _: free
    )
    return made, asr, listener, cards


def test_clips_go_together_as_far_as_it_suits_the_device():
    """Each is heard, in order."""
    made, _, listener, _ = ears_on(clips=2)

    assert [one.text for one in made.hear([CLIP] * 5, Wish())] == ["fine"] * 5
    assert listener.sizes == [2, 2, 1]


def test_what_was_stopped_has_no_more_text():
    """But as many answers as clips."""
    made, asr, listener, _ = ears_on(clips=1, narrow="!")
    wish = Wish(stopped=lambda: len(listener.sizes) > 1)

    assert [one.text for one in made.hear([CLIP] * 3, wish)] == ["!", "!", ""]
    assert asr.model.dtype is torch.float16, "what is not wanted any more is not looked at"


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


@pytest.mark.parametrize(("spare", "dtype"), [(2, torch.float32), (1, torch.float16)])
def test_float32_takes_as_much_again(spare, dtype):
    """To a byte: the model has one weight, of two bytes."""
    made, asr, *_ = ears_on(narrow="!", free=MARGIN_BYTES + spare)
    made.hear([CLIP], Wish())

    assert asr.model.dtype is dtype


def test_other_attention_stays_in_float32():
    """Only flash attention needs 16 bits."""
    made, asr, *_ = ears_on(loud=2.0)
    asr.model.config._attn_implementation = asr.model.attention = "eager"
    made.warm_up()

    assert asr.model.attention == "eager"


def test_a_cpu_is_not_remembered():
    """It has no key."""
    made, asr, _, cards = ears_on(loud=2.0, key="")
    made.warm_up()

    assert asr.model.dtype is torch.float32
    assert "" not in cards


@pytest.mark.parametrize(("dtype", "free"), [(torch.float16, GB), (torch.float32, 0)])
def test_a_model_that_never_computes_numbers_is_damaged(dtype, free):
    """Nothing is remembered of the card, and in float32 no room is asked for."""
    made, _, _, cards = ears_on(dtype=dtype, free=free, loud=float("nan"))

    with pytest.raises(EngineLoadError, match="even in float32"):
        made.warm_up()
    assert "key" not in cards


@pytest.mark.parametrize("narrow", ["!!!!", "seems fine"])
def test_scores_that_are_no_numbers_later(narrow):
    """The clip is heard once more; without room it is an error, since the text is nonsense."""
    made, asr, _, cards = ears_on(loud=2.0, narrow=narrow, wide="fine")
    assert [one.text for one in made.hear([CLIP], Wish())] == ["fine"]
    assert asr.model.dtype is torch.float32
    assert "key" in cards

    made, *_ = ears_on(loud=2.0, free=0)
    with pytest.raises(EngineError, match="16 bits fail on cpu"):
        made.hear([CLIP], Wish())


def test_one_batch_that_goes_wrong_is_noticed():
    """Though the next goes well."""
    made, asr, listener, _ = ears_on(clips=1)

    def loud_at_first():
        listener.loud = 1.0 if listener.sizes else 2.0
        return False

    made.hear([CLIP] * 2, Wish(stopped=loud_at_first))

    assert asr.model.dtype is torch.float32


@pytest.mark.parametrize("nonsense", [NONSENSE, "!", "!!!!", "! !"])
def test_nonsense_is_heard_again_in_float32(nonsense):
    """And the card is remembered if that made sense of it."""
    made, asr, _, cards = ears_on(narrow=nonsense, wide="fine")

    assert [one.text for one in made.hear([CLIP], Wish())] == ["fine"]
    assert asr.model.dtype is torch.float32
    assert "key" in cards


def test_what_is_said_so_in_float32_too_was_said():
    """Laughter: nothing is remembered."""
    made, _, listener, cards = ears_on(narrow=NONSENSE, wide=NONSENSE)

    assert [one.text for one in made.hear([CLIP], Wish())] == [NONSENSE]
    made.hear([CLIP], Wish())
    assert len(listener.sizes) == 3
    assert "key" not in cards


def test_no_room_for_float32_later(caplog):
    """The text stays as it is, since it may be right; it is doubted once."""
    made, asr, listener, _ = ears_on(narrow=NONSENSE, free=0)

    for _ in range(2):
        assert [one.text for one in made.hear([CLIP], Wish())] == [NONSENSE]
    assert asr.model.dtype is torch.float16
    assert len(listener.sizes) == 2
    assert caplog.text.count("16 bits fail on cpu") == 1


@pytest.mark.parametrize(
    ("dtype", "text", "after"),
    [
        (torch.bfloat16, NONSENSE, torch.bfloat16),  # it has float32's range
        (torch.bfloat16, "!!!!", torch.float32),
        (torch.float16, "", torch.float16),
    ],
)
def test_what_is_doubted_in_which_arithmetic(dtype, text, after):
    made, asr, _, _ = ears_on(dtype=dtype, narrow=text)
    made.hear([CLIP], Wish())

    assert asr.model.dtype is after


def test_nonsense_in_float32_is_heard_once():
    """There is nothing wider."""
    made, _, listener, _ = ears_on(dtype=torch.float32, wide="!!!!")
    made.hear([CLIP], Wish())

    assert len(listener.sizes) == 1


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
    assert samples.shape == (32_000,)
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


@pytest.mark.invariant("fits-the-card")
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
