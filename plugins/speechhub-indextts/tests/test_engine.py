"""Speech of the engine for texts and voices, through the real packages on tiny checkpoints."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import yaml

from speechhub.engine import (
    Call,
    Emotion,
    EmotionMode,
    EngineLoadError,
    InvalidValueError,
    LoadContext,
    RequestCancelledError,
    SynthesizeRequest,
)
from speechhub_indextts.engine import IndexTtsEngine
from speechhub_indextts.gpu import Gpu
from speechhub_indextts.packages import torch
from speechhub_indextts.placement import Placement

from .conftest import QUICK, TEXT, pieces, reference, speak

GENERATIONS = ["2", "2.5"]


class SetAfter(Event):
    """An event that is set once it was asked some times."""

    def __init__(self, times):
        super().__init__()
        self.times, self.asked = times, 0

    def is_set(self):
        self.asked += 1
        return self.asked > self.times


def counted(monkeypatch, engine):
    """Count how often recordings are analysed."""
    calls, real = [], engine._generation._tts.get_emb
    monkeypatch.setattr(engine._generation._tts, "get_emb", lambda *given: calls.append(1) or real(*given))
    return calls


def test_seeds_repeat_even_for_a_voice_that_is_new(engine):
    """Analysing a voice draws random numbers; what it speaks with a seed does not depend on it."""
    fresh = reference(hertz=205.0)

    first, again = (speak(engine, reference=fresh, seed=5) for _ in range(2))

    assert np.array_equal(first, again)
    assert not np.array_equal(speak(engine, reference=fresh, seed=6), first)


def test_no_gradients_are_kept(engine):
    """Features of voices carry no graph, which would hold on to memory; and gradients are as they were."""
    speak(engine, reference=reference(hertz=206.0))
    left = pieces(engine, TEXT * 3)
    next(left)
    left.close()

    voices = [voice for found in engine._features._memory.values() for voice in found.values()]
    kept = [tensor for voice in voices for tensor in voice.values()]
    assert kept
    assert not any(tensor.requires_grad for tensor in kept)
    assert torch.is_grad_enabled()


def test_what_is_held_is_told_of_a_gpu_alone(engine, monkeypatch):
    """PyTorch has no books of the CPU's memory."""
    assert engine.memory() is None
    monkeypatch.setattr(torch.cuda, "memory_allocated", {"cuda:1": 7}.__getitem__)
    monkeypatch.setattr(torch.cuda, "memory_reserved", {"cuda:1": 70}.__getitem__)
    monkeypatch.setattr(engine, "_placement", replace(engine._placement, device="cuda:1"))

    held = engine.memory()

    assert (held.allocated_bytes, held.reserved_bytes) == (7, 70)


@pytest.mark.mission("6.10")
def test_pauses_are_as_long_as_asked(engine):
    """They stand between segments, and nowhere else."""
    short, long = (list(pieces(engine, TEXT * 3, silence_interval_ms=ms)) for ms in (0, 1000))

    assert len(long) == len(short) > 1
    assert len(long[0].samples) == len(short[0].samples)
    assert not np.any(long[1].samples[:22_050])
    assert np.any(short[1].samples[:2205])


def test_speech_that_follows_a_sentence_begins_with_the_pause(engine):
    """It is the pause between two segments, as asked for or as the operator set it; the rest is the same."""
    for fields, pause_s in (({}, 0.2), ({"silence_interval_ms": 500}, 0.5), ({"silence_interval_ms": 0}, 0)):
        alone = speak(engine, **fields)
        following = speak(engine, follows_sentence=True, **fields)
        pause = np.zeros(round(22_050 * pause_s), np.float32)
        assert np.array_equal(following, np.concatenate([pause, alone]))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_features_of_stored_voices_outlive_the_process(load, tmp_path, generation, monkeypatch):
    """A second engine analyses nothing and says the same; a clip of a request leaves nothing behind."""
    stored, passing = reference(hertz=150.0, stored=True), reference(hertz=300.0)
    first = load(generation, cache_dir=tmp_path)
    said = speak(first, reference=stored)
    speak(first, reference=passing)
    names = sorted(path.name for path in tmp_path.iterdir())
    first.close()

    second = load(generation, cache_dir=tmp_path)
    calls = counted(monkeypatch, second)

    assert np.array_equal(speak(second, reference=stored), said)
    assert calls == []
    assert len(names) == 2
    assert all(name.startswith(stored.digest) for name in names)
    next(tmp_path.iterdir()).write_bytes(b"cut off")
    third = load(generation, cache_dir=tmp_path)
    assert np.array_equal(speak(third, reference=stored), said)
    for engine in (second, third):
        engine.close()


def test_a_cancelled_speech_stops_inside_a_segment(engine):
    """Not at its end, which can be long in coming; the engine works on."""
    cancelled = SetAfter(5)

    with pytest.raises(RequestCancelledError):
        list(pieces(engine, call=Call(cancel_event=cancelled)))

    assert cancelled.asked == 6
    assert np.any(speak(engine))


def test_bad_recordings_are_refused(engine):
    """Too short for a voice, or none at all."""
    with pytest.raises(InvalidValueError, match=r"lasts 0\.20 s"):
        speak(engine, reference=reference(duration_s=0.2))
    with pytest.raises(InvalidValueError, match="no voices of its own"):
        speak(engine, reference=None)


def test_random_emotions_follow_the_seed(engine):
    """Another row of the table is chosen, and the seed decides which."""
    vector = (0.8, 0, 0, 0, 0, 0, 0, 0)
    chance = Emotion(mode=EmotionMode.VECTOR, vector=vector, random=True)

    assert np.array_equal(speak(engine, emotion=chance, seed=4), speak(engine, emotion=chance, seed=4))
    muted = Emotion(mode=EmotionMode.VECTOR, vector=vector, alpha=0.0)
    assert np.array_equal(speak(engine, emotion=muted), speak(engine))


def test_recordings_are_not_left_lying_about(engine):
    """What was written for the packages to read is gone, and what marks a voice is empty."""
    speak(engine, reference=reference(hertz=222.0))

    folder = Path(engine._folder.name)
    assert sorted(path.name for path in folder.iterdir()) == ["marks", "model"]
    assert all(path.stat().st_size == 0 for path in (folder / "marks").iterdir())


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_config_that_names_the_authors_files_is_mended(load, checkpoints, tmp_path, generation):
    """As published for 2.5; the store itself is left alone."""
    folder = shutil.copytree(checkpoints(generation), tmp_path / "model", symlinks=True)
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config |= {"gpt_checkpoint": "/home/author/gpt.pth", "s2mel_checkpoint": "/home/author/s2mel.pth"}
    path.write_text(yaml.safe_dump(config))
    before = path.read_bytes()

    engine = load(generation, model_dir=folder)

    assert np.any(speak(engine))
    assert path.read_bytes() == before
    engine.close()


@pytest.mark.mission("6.3")
@pytest.mark.parametrize("generation", GENERATIONS)
def test_missing_and_broken_files_are_told(load, checkpoints, tmp_path, generation):
    """By their names, before anything heavy is loaded; weights that are cut off, too."""
    folder = shutil.copytree(checkpoints(generation), tmp_path / "model", symlinks=True)
    (folder / "hf_cache" / "campplus").unlink()
    with pytest.raises(EngineLoadError, match="campplus_cn_common"):
        load(generation, model_dir=folder)

    whole = shutil.copytree(checkpoints(generation), tmp_path / "whole", symlinks=True)
    (whole / "s2mel.pth").write_bytes((whole / "s2mel.pth").read_bytes()[:1000])
    with pytest.raises(EngineLoadError, match=f"IndexTTS-{generation} cannot load"):
        load(generation, model_dir=whole)


def test_without_its_emotion_model_words_are_refused(load, checkpoints, tmp_path):
    """Everything else goes on working."""
    folder = shutil.copytree(checkpoints("2.5"), tmp_path / "model", symlinks=True)
    (folder / "qwen0.6bemo4-merge").unlink()
    engine = load("2.5", model_dir=folder)

    with pytest.raises(InvalidValueError, match="without its emotion model"):
        speak(engine, emotion=Emotion(mode=EmotionMode.TEXT, text="happy"))
    assert np.any(speak(engine))
    engine.close()


def test_texts_come_ready_to_the_packages(load):
    """Without normalization digits stay and no grammar is built; pronunciations are whole."""
    from indextts25.utils import nemo_tn

    def texts(engine, text, language=None, **options):
        request = SynthesizeRequest(text=text, voice="", reference=reference(), language=language)
        return [segment.text for segment in engine._generation.segments(engine._line(request))]

    newer, older = load("2.5", segment_tokens=40), load("2")
    before = set(nemo_tn.get_text_normalizer()._cache)  # other tests have theirs

    assert texts(newer, "I <read|R EH1 D . IH0> 5.") == [
        "i <|SPECIAL_TOKEN_1|>R EH1 D . IH0<|SPECIAL_TOKEN_1|> 5."
    ]
    assert texts(newer, "<行|xing2>\N{FULLWIDTH DIGIT FIVE}個") == [
        "<|SPECIAL_TOKEN_2|>XING2<|SPECIAL_TOKEN_2|>5个"
    ]
    assert texts(newer, "<今日|きょう>は東京で<read|R EH1 D>", "ja") == [
        " きょう は 東京 で <|SPECIAL_TOKEN_1|>R EH1 D<|SPECIAL_TOKEN_1|>"
    ]
    long = texts(newer, "<going|G OW1 . IH0 NG>" * 12 + ".")
    assert len(long) > 1
    assert all(part.count("<|SPECIAL_TOKEN_1|>") % 2 == 0 for part in long)
    assert texts(newer, "%5") == ["%5"]
    assert texts(newer, "---") == []
    assert set(nemo_tn.get_text_normalizer()._cache) == before
    said = "".join(texts(older, "銀<行|hang2>, we'll <read|R EH1 D> ju3 it"))
    assert "HANG2" in said.replace(" ", "")
    assert "WILLREADJV3IT" in said.replace(" ", "")
    assert texts(older, "a") == [" A."]
    for engine in (newer, older):
        engine.close()


def test_digits_that_the_older_model_cannot_say_are_warned_of(load, caplog):
    """Where the operator turned normalization off; the text itself is not logged."""
    engine = load("2")

    assert np.any(speak(engine, "My secret is 42."))

    assert "2 are not spoken" in caplog.text
    assert "secret" not in caplog.text
    engine.close()


def test_long_segments_of_the_newer_model_are_warned_of(load, caplog):
    """What is longer than half a minute is pressed into it."""
    load("2.5", segment_tokens=120).close()
    assert "segment_tokens" not in caplog.text

    load("2.5", segment_tokens=121).close()

    assert "segment_tokens is 121" in caplog.text


def test_weights_that_hold_code_are_refused(checkpoints, load, tmp_path):
    """A .pth whose pickle would run a program is an error of the load, and runs nothing."""
    ran = tmp_path / "ran"

    class Bad:
        def __reduce__(self):
            return Path.touch, (ran,)

    folder = tmp_path / "model"
    shutil.copytree(checkpoints("2.5"), folder, symlinks=True)
    bad = folder / "s2mel.pth"
    bad.unlink()
    torch.save({"net": Bad()}, bad)

    with pytest.raises(EngineLoadError, match=r"[Ww]eights"):
        load("2.5", model_dir=folder)
    assert not ran.exists()


def test_a_library_that_asks_for_pickles_gets_data(tmp_path):
    """weights_only=False in a library's code is overruled in this process."""
    torch.save({"path": Path("x")}, tmp_path / "file.pth")

    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "file.pth", weights_only=False)


def test_japanese_is_spoken(load):
    """With the dictionary that is among the pins."""
    engine = load("2.5")

    assert np.any(speak(engine, "今日は良い天気です。"))
    engine.close()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_too_little_memory_is_told_before_anything_is_loaded(checkpoints, generation, monkeypatch):
    """The sum is that of the checkpoint's own sizes, as the packages' classes have them."""
    gpu = Gpu(capability=(7, 5), memory_bytes=600_000_000, runtime_bytes=400_000_000)
    monkeypatch.setattr("speechhub_indextts.model.meet", lambda _: gpu)
    monkeypatch.setattr("speechhub_indextts.loading.key_of", lambda _: "a card")
    context = LoadContext(model="any", model_dir=checkpoints(generation), device="cuda:0", options=QUICK)

    with pytest.raises(
        EngineLoadError, match=r"cuda:0 has 0\.60 GB free, .* needs at least 0\.\d\d GB there: CUDA 0\.40"
    ):
        IndexTtsEngine().load(context)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_models_that_move_say_the_same(load, generation, monkeypatch):
    """As on a small GPU, but from one place to the same: loaded by stages, gathered to analyse, sent back."""
    plain = load(generation)
    wanted = speak(plain)
    plain.close()
    staged = Placement(device="cpu", half=False, analysis="staged", feeling_device="cpu")
    monkeypatch.setattr("speechhub_indextts.engine.place", lambda *_: staged)
    monkeypatch.setattr(Placement, "by_stages", True)
    moving = load(generation)
    moved = []
    monkeypatch.setattr(moving._generation, "_gather", lambda _, where: moved.append(where))

    moving.warm_up()

    assert moved == ["cpu", "cpu", "cpu"] * 2
    assert np.array_equal(speak(moving), wanted)
    moving.close()
