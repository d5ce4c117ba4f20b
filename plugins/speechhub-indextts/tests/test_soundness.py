"""Half precision that fails, and is given up for float32; no GPU is needed."""

import weakref
from types import SimpleNamespace

import pytest

from speechhub.engine import EngineLoadError, LoadContext
from speechhub_indextts import loading
from speechhub_indextts.economy import Effort
from speechhub_indextts.loading import load_soundly
from speechhub_indextts.packages import torch
from speechhub_indextts.placement import Placement
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.soundness import NotNumbersError, halve_vocoder, watched


def context(work_dir):
    return LoadContext(model="indextts-2", model_dir=None, device="cuda:0", work_dir=work_dir)


class Speaker:
    """An engine that computes no numbers with some of its options."""

    def __init__(self, *, fails, refuses=False):
        self.fails, self.refuses = fails, refuses
        self.loads = []
        self.is_half = False
        self.model = lambda: None

    def bring_up(self, _context, settings):
        if self.refuses and settings.dtype == "float32":
            raise EngineLoadError("cuda:0 has 3.40 GB free")
        assert self.model() is None, "the first is still there"
        self.loads.append(settings.dtype)
        model = torch.nn.Module()
        model.__dict__["itself"] = model  # only the collector of garbage lets it go
        self.model = weakref.ref(model)
        self.is_half = settings.dtype != "float32"

    def take_down(self):
        self.loads.append("down")

    def warm_up(self):
        if self.loads[-1] in self.fails:
            raise NotNumbersError("GPT")


FREED = []


@pytest.fixture
def work_dir(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a card")
    monkeypatch.setattr(loading, "free_cached", FREED.append)
    FREED.clear()
    return tmp_path


def test_half_precision_that_works_stays(work_dir):
    """It is loaded once."""
    engine = Speaker(fails=())
    remark = load_soundly(engine, context(work_dir), IndexTtsSettings())

    assert (engine.loads, remark) == (["auto"], "")
    assert list(work_dir.iterdir()) == []


def test_half_precision_that_goes_wrong_becomes_float32(work_dir, caplog):
    """Once; the next load begins with it, unless the operator wants it otherwise."""
    first, second, third = (Speaker(fails=("auto",)) for _ in range(3))
    remarks = [
        load_soundly(first, context(work_dir), IndexTtsSettings()),
        load_soundly(second, context(work_dir), IndexTtsSettings()),
        load_soundly(third, context(work_dir), IndexTtsSettings(dtype="half")),
    ]

    assert first.loads == ["auto", "down", "float32"]
    assert FREED == ["cuda:0"]
    assert second.loads == ["float32"]
    assert third.loads == ["half"]
    assert remarks == [loading.IN_FLOAT32, loading.IN_FLOAT32, ""]
    assert "the GPT computes no finite numbers in half precision" in caplog.text
    assert "before; using float32" in caplog.text


def test_no_room_for_float32(work_dir):
    """The message says both, and nothing is remembered."""
    engine = Speaker(fails=("auto",), refuses=True)

    with pytest.raises(
        EngineLoadError, match=r"no finite numbers in half .* and in float32: cuda:0 has 3\.40 GB"
    ):
        load_soundly(engine, context(work_dir), IndexTtsSettings())
    assert not list(work_dir.iterdir())


@pytest.mark.parametrize(
    ("dtype", "said"), [("auto", "even in float32: its"), ("float32", "even in float32: its")]
)
def test_a_model_that_never_computes_numbers_is_damaged(work_dir, dtype, said):
    """Nothing is remembered of the card."""
    engine = Speaker(fails=("auto", "float32"))

    with pytest.raises(EngineLoadError, match=said):
        load_soundly(engine, context(work_dir), IndexTtsSettings(dtype=dtype))
    assert not list(work_dir.iterdir())


def test_on_the_cpu_nothing_is_spoken_at_load():
    """It takes long there, and float32 is what it computes in."""
    engine = Speaker(fails=("auto",))
    load_soundly(engine, LoadContext(model="indextts-2", model_dir=None), IndexTtsSettings())

    assert engine.loads == ["auto"]


@pytest.mark.parametrize("generation", ["2", "2.5"])
def test_real_models_are_looked_at(load, generation):
    """Scores that are no numbers are found before they are drawn from, and samples before they are heard."""
    engine = load(generation)
    engine.warm_up()

    tts = engine._generation._tts
    for module, name in ((tts.bigvgan, "vocoder"), (tts.gpt.inference_model, "GPT")):
        parameter = next(weights for weights in module.parameters() if weights.dim() > 1)
        parameter.data[:] = float("nan")
        with pytest.raises(NotNumbersError, match=name):
            engine.warm_up()
    assert not tts.bigvgan._forward_hooks
    engine.close()


def test_a_look_takes_whatever_models_return():
    """A tensor, or what has scores."""
    gpt = torch.nn.Identity()
    tts = SimpleNamespace(gpt=SimpleNamespace(inference_model=gpt), bigvgan=torch.nn.Identity())

    with watched(tts):
        gpt(SimpleNamespace(logits=torch.zeros(2)))
        with pytest.raises(NotNumbersError, match="GPT"):
            gpt(SimpleNamespace(logits=torch.tensor([1.0, float("inf")])))
    gpt(SimpleNamespace(logits=torch.tensor([float("nan")])))


@pytest.mark.parametrize("generation", ["2", "2.5"])
def test_a_vocoder_in_half_precision_says_nearly_the_same(load, generation):
    """Between spectrogram and samples in float32."""
    engine = load(generation)
    vocoder = engine._generation._tts.bigvgan
    mel = torch.randn(1, vocoder.h.num_mels if hasattr(vocoder, "h") else 80, 20)
    with torch.no_grad():
        wanted = vocoder(mel)
        halve_vocoder(vocoder)
        heard = vocoder(mel)

    assert heard.dtype is torch.float32
    assert next(vocoder.parameters()).dtype is torch.float16
    assert torch.allclose(heard, wanted, atol=0.02)
    engine.close()


@pytest.mark.parametrize("effort", [Effort(), Effort(vocoder_half=True)])
@pytest.mark.parametrize("generation", ["2", "2.5"])
def test_a_plan_with_half_precision_is_carried_out(load, generation, effort, monkeypatch):
    """By stages, as on a small GPU, but all of it on the CPU."""
    placement = Placement(
        device="cpu", half=True, half_name="float16", analysis="cpu", feeling_device="cpu", effort=effort
    )
    monkeypatch.setattr("speechhub_indextts.engine.place", lambda *_: placement)
    monkeypatch.setattr(Placement, "by_stages", True)

    engine = load(generation)
    tts = engine._generation._tts

    assert tts.dtype is torch.float16
    assert next(tts.gpt.parameters()).dtype is torch.float16
    assert next(tts.bigvgan.parameters()).dtype is (torch.float16 if effort.vocoder_half else torch.float32)
    assert engine.is_half
    engine.close()


def test_the_newer_generation_takes_the_half_that_suits_the_card():
    """Its package knows bfloat16 alone."""
    from speechhub_indextts.generation25 import _gpt_in
    from speechhub_indextts.packages import indextts25

    kind = indextts25.infer_v2_5.UnifiedVoice
    gpt = kind.__new__(kind)
    torch.nn.Module.__init__(gpt)
    gpt.layer = torch.nn.Linear(1, 1)

    with _gpt_in(torch.float16):
        gpt.bfloat16()
    assert gpt.layer.weight.dtype is torch.float16
    gpt.bfloat16()
    assert gpt.layer.weight.dtype is torch.bfloat16
