"""Weights that wait in the host's memory: what `prepare` leaves to `load`, on a card that is pretended."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from speechhub.engine import EngineLoadError, Held, LoadContext
from speechhub_qwen_asr import ALIGNER, devices, model, prepared
from speechhub_qwen_asr.engine import QwenAsrEngine
from speechhub_qwen_asr.settings import QwenAsrSettings

from .conftest import WORDS, transcribe

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

from gpu_check.pretended import Card

ROOM = 10**10


@pytest.fixture
def card(tmp_path):
    """A card of 8 GB that PyTorch takes for a real one."""
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "total").write_text(str(8 * 10**9))
    made = Card(folder)
    with made.in_place():
        yield made


@pytest.fixture
def folder(checkpoints, tmp_path):
    """A model with its aligner."""
    made = shutil.copytree(checkpoints("script"), tmp_path / "model")
    shutil.copytree(checkpoints("aligner"), made / ALIGNER.folder)
    return made


def context(folder, *, room=None, device="cuda:0", **options):
    """What a worker is told; in `prepare`, with room for weights."""
    return LoadContext(
        model="mine", model_dir=folder, device=device, threads=1, options=options, host_memory_bytes=room
    )


def test_load_takes_what_was_prepared(card, folder, monkeypatch):
    """Weights are read once, before the card is touched; text and times are as ever."""
    engine = QwenAsrEngine()
    with card.another_s_turn():
        engine.prepare(context(folder, room=ROOM))
    assert card.held_bytes == 0
    monkeypatch.setattr(model, "read_model", None)  # nothing is read again

    with card.weights():
        engine.load(context(folder))

    assert card.held_bytes > folder.joinpath("model.safetensors").stat().st_size
    words = [word for segment in transcribe(engine, word_timestamps=True).segments for word in segment.words]
    assert [(word.text.strip(), word.start_s, word.end_s) for word in words] == WORDS


def test_prepared_weights_suit_the_device(card, folder, monkeypatch):
    """Arithmetic and attention are chosen in `load`; it comes to what weights are that were read for them."""
    stood_by, cold = QwenAsrEngine(), QwenAsrEngine()
    with card.another_s_turn():
        stood_by.prepare(context(folder, room=ROOM))
    monkeypatch.setattr(devices, "choose_dtype", lambda *_: torch.float16)
    monkeypatch.setattr(devices, "choose_attention", lambda *_: "eager")

    for engine in (stood_by, cold):
        engine.load(context(folder))

    assert stood_by._asr.dtype is torch.float16
    for ours, theirs in zip(
        *([engine._asr, engine._asr.forced_aligner] for engine in (stood_by, cold)), strict=True
    ):
        layers = [module.config for module in ours.model.modules() if hasattr(module, "config")]
        assert {layer._attn_implementation for layer in layers} == {"eager"}
        tensors = [
            dict(one.model.named_parameters()) | dict(one.model.named_buffers()) for one in (ours, theirs)
        ]
        assert tensors[0].keys() == tensors[1].keys()
        for name, tensor in tensors[0].items():
            assert tensor.dtype is tensors[1][name].dtype, name
            assert tensor.equal(tensors[1][name]), name


@pytest.fixture
def waiting(monkeypatch, folder):
    """Prepare, with nothing read; return what `load` would get, if it was told *then*."""
    asr = SimpleNamespace(forced_aligner=None, model=SimpleNamespace(parameters=list))
    monkeypatch.setattr(prepared, "read_model", lambda *_: asr)

    def prepare(then=None, change=lambda: None, **now):
        held = Held()
        told = context(folder, **{"room": ROOM} | now)
        prepared.prepare_model(told, told.settings(QwenAsrSettings), held)
        change()
        told = context(folder, **then or {})
        taken = held.take(prepared.stamp_of_model(told, told.settings(QwenAsrSettings)))
        assert held._kept is None, "nothing waits any longer"
        return taken is not None

    return prepare


@pytest.mark.parametrize("room", [None, 0, 1_000_000])
def test_without_room_nothing_waits(waiting, room):
    """The hub says how much of the host's memory may be taken, and the engine obeys."""
    assert waiting()
    assert not waiting(room=room)


def test_twice_the_room_is_needed_for_32_bits(waiting, folder):
    """Weights are published in 16 bits; the aligner's count."""
    size = sum(path.stat().st_size for path in folder.rglob("model.safetensors"))
    wide = {"dtype": "float32"}

    assert waiting(room=size)
    assert not waiting(room=size - 1)
    assert waiting(room=2 * size, then=wide, **wide)
    assert not waiting(room=2 * size - 1, then=wide, **wide)


def test_a_cpu_has_nothing_wait(waiting):
    """Its weights are where they would wait."""
    assert not waiting(device="cpu", then={"device": "cpu"})


@pytest.mark.parametrize("changed", ["model.safetensors", f"{ALIGNER.folder}/model.safetensors"])
def test_files_that_were_replaced_are_read(waiting, folder, changed):
    """A pull puts another file in place while weights wait: what is loaded is what is there."""

    def pull():
        shutil.copy2(folder / changed, folder.parent / "new")
        (folder.parent / "new").replace(folder / changed)

    assert not waiting(change=pull)


def test_an_aligner_elsewhere_counts(waiting, folder, tmp_path):
    """So does one that the operator has in a folder of its own."""
    elsewhere = shutil.copytree(folder / ALIGNER.folder, tmp_path / "elsewhere")
    option = {"aligner": str(elsewhere)}

    assert waiting(then=option, **option)
    assert not waiting(change=(elsewhere / "model.safetensors").touch, then=option, **option)


@pytest.mark.parametrize("then", [{"device": "cuda:1"}, {"dtype": "float16"}])
def test_another_device_or_option_reads_anew(waiting, then):
    """What waits was made for something else."""
    assert not waiting(then=then)


def test_broken_files_are_told_in_preparation(folder):
    """The hub then has no worker stand by, and the load says it again."""
    (folder / "config.json").write_text("{")

    with pytest.raises(EngineLoadError, match=r"config\.json"):
        QwenAsrEngine().prepare(context(folder, room=ROOM))


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ({}, ("auto", "sdpa")),
        ({"dtype": "float16", "attention": "eager"}, (torch.float16, "eager")),
    ],
)
def test_weights_are_read_as_wished(waiting, monkeypatch, options, read):
    """What is left to us is decided in `load`: until then they are as their files have them."""
    seen, made = [], prepared.read_model
    monkeypatch.setattr(prepared, "read_model", lambda *args: seen.append(args[2]) or made(*args))
    waiting(**options)

    assert seen == [{"dtype": read[0], "use_safetensors": True, "attn_implementation": read[1]}]


def test_without_a_folder_nothing_waits():
    """The load then says what is wrong."""
    held = Held()
    prepared.prepare_model(context(None, room=ROOM), QwenAsrSettings(), held)

    assert held._kept is None
