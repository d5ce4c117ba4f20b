"""Models that wait in the host's memory: what `prepare` leaves to `load`, on a card that is pretended."""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from speechhub.engine import EngineLoadError, Held, LoadContext
from speechhub_indextts import engine as engine_module
from speechhub_indextts import prepared
from speechhub_indextts.engine import IndexTtsEngine
from speechhub_indextts.placement import Sizes
from speechhub_indextts.settings import IndexTtsSettings

from .conftest import QUICK, speak

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

from gpu_check.pretended import Card

ROOM = 10**11
GB = 10**9


@pytest.fixture
def card(tmp_path):
    """A card of 24 GB that PyTorch takes for a real one."""
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "total").write_text(str(24 * GB))
    made = Card(folder)
    with made.in_place():
        yield made


def context(folder, *, device="cuda:0", room=None, **options):
    """What a worker is told; in `prepare`, with room for models."""
    return LoadContext(
        model="mine",
        model_dir=folder,
        device=device,
        threads=1,
        options=QUICK | {"dtype": "float32"} | options,
        host_memory_bytes=room,
    )


def left_behind():
    """Return the engines' folders that there are."""
    return {path.name for path in Path(tempfile.gettempdir()).glob(f"{prepared.PREFIX}*")}


@pytest.mark.parametrize("generation", ["2", "2.5"])
def test_load_takes_what_was_prepared(card, checkpoints, load, generation, monkeypatch):
    """Models are built once, before the card is touched, and speak as they do when loaded at once."""
    before = left_behind()
    waited = IndexTtsEngine()
    with card.another_s_turn():
        waited.prepare(context(checkpoints(generation), room=ROOM))
    assert card.held_bytes == 0
    assert left_behind() == before, "a worker that stands by is killed, and deletes nothing"
    monkeypatch.setattr(engine_module, "load_generation", None)  # nothing is built again
    monkeypatch.setattr(engine_module.IndexTtsEngine, "warm_up", lambda _: None)

    with card.weights():
        waited.load(context(checkpoints(generation)))

    assert card.held_bytes > checkpoints(generation).joinpath("gpt.pth").stat().st_size
    tts = waited._generation._tts
    assert str(tts.device) == waited._placement.device == "cuda:0"
    monkeypatch.undo()
    at_once = load(generation)
    np.testing.assert_array_equal(speak(waited, "Hello world."), speak(at_once, "Hello world."))
    waited.close()
    at_once.close()
    assert left_behind() == before


@pytest.fixture
def waiting(monkeypatch, checkpoints):
    """Prepare, with nothing built; return whether `load` would get it, if it was told *then*."""

    def built(_checkpoint, _folder, settings, *_):
        assert settings.num_beams == QUICK["num_beams"], "the operator's options"
        return SimpleNamespace()

    monkeypatch.setattr(prepared, "load_generation", built)
    sizes = Sizes(gpt=100, acoustic=30, vocoder=30, listener=50, speaker=10, feeling=1000)
    monkeypatch.setattr(prepared, "measure", lambda *_: sizes)
    folder = checkpoints("2.5")

    def prepare(then=None, change=lambda: None, **now):
        held = Held()
        told = context(folder, **{"room": ROOM} | now)
        prepared.prepare_generation(told, told.settings(IndexTtsSettings), {}, held)
        change()
        taken = held.take(prepared.stamp_of(context(folder, **then or {})))
        return taken is not None

    return prepare


def test_room_is_what_they_take_or_what_building_takes(waiting):
    """In 32 bits, the GPT twice while its file is read; the emotion model is not there yet."""
    assert waiting(room=4 * 220)
    assert not waiting(room=4 * 220 - 1)
    heavy = Sizes(gpt=100, acoustic=1, vocoder=1, listener=1, speaker=1, feeling=0)
    assert prepared.needed_bytes(heavy) == 4 * 200


@pytest.mark.parametrize("room", [None, 0])
def test_without_room_nothing_waits(waiting, room):
    assert not waiting(room=room)


def test_a_cpu_has_nothing_wait(waiting):
    """Its models are where they would wait."""
    assert not waiting(device="cpu", then={"device": "cpu"})


@pytest.mark.parametrize("then", [{"device": "cuda:1"}, {"dtype": "half"}])
def test_another_device_or_option_builds_anew(waiting, then):
    """What waits was made for something else."""
    assert not waiting(then=then)


@pytest.mark.parametrize("name", ["gpt.pth", "hf_cache/w2v-bert-2.0/model.safetensors"])
def test_files_that_changed_are_read(waiting, checkpoints, name):
    """Those of the other repositories count, too."""
    assert not waiting(change=checkpoints("2.5").joinpath(name).touch)


def test_missing_files_are_told_in_preparation(tmp_path):
    """The hub then has no worker stand by, and the load says it again."""
    with pytest.raises(EngineLoadError, match=r"config\.yaml"):
        IndexTtsEngine().prepare(context(tmp_path, room=ROOM))
