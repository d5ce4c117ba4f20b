"""Folders that are no model, or not all of it, and options that make no sense."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechhub.engine import ConfigurationError, EngineDeviceError, EngineLoadError, LoadContext
from speechhub_qwen_asr import ALIGNER, devices
from speechhub_qwen_asr.engine import QwenAsrEngine

from .conftest import TEXT, WORDS, transcribe


@pytest.fixture
def folder(checkpoints, tmp_path):
    """A copy of a checkpoint, to be damaged."""
    return shutil.copytree(checkpoints("script"), tmp_path / "model")


def load(folder, **options):
    engine = QwenAsrEngine()
    context = LoadContext(model="mine", model_dir=folder, threads=1, options={"dtype": "float32"} | options)
    engine.load(context)
    return engine


@pytest.mark.parametrize(
    "missing", ["config.json", "preprocessor_config.json", "tokenizer_config.json", "model.safetensors"]
)
def test_a_missing_file_is_named(folder, missing):
    """What a folder lacks is said."""
    (folder / missing).unlink()

    with pytest.raises(EngineLoadError, match=f"'mine'.*{missing}"):
        load(folder)


def test_a_missing_folder_is_named(tmp_path):
    """Nothing is looked for anywhere else."""
    with pytest.raises(EngineLoadError, match="does not exist"):
        load(tmp_path / "nowhere")


def test_weights_that_were_cut_off_are_named(folder):
    """A download that broke off is told from a good one by its length."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])

    with pytest.raises(EngineLoadError, match=r"model\.safetensors of model 'mine' is damaged"):
        load(folder)


def test_a_missing_tensor_is_an_error(folder):
    """Transformers would fill it with random numbers, and only warn."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["thinker.audio_tower.proj1.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(EngineLoadError, match=r"1 tensors are missing: thinker\.audio_tower\.proj1\.weight"):
        load(folder)


def test_the_layout_of_newer_transformers_is_named(folder):
    """Users download the -hf repositories, which have other files and other names."""
    config = json.loads((folder / "config.json").read_text())
    del config["thinker_config"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").unlink()

    with pytest.raises(EngineLoadError, match=r"layout of transformers .* without -hf"):
        load(folder)


def test_weights_by_other_names_are_refused(folder):
    """Or random numbers would be served."""
    tensors = {
        name.replace("thinker.", "model."): tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(EngineLoadError, match=r"not in the layout that qwen-asr reads.*they have 0"):
        load(folder)


def test_a_shard_that_is_not_there_is_named(folder):
    """Weights in several files are complete or refused."""
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(EngineLoadError, match=r"no model-2\.safetensors"):
        load(folder)


def test_another_model_is_refused(folder):
    """The wrong folder is told by what is in it."""
    (folder / "config.json").write_text('{"model_type": "whisper"}')

    with pytest.raises(EngineLoadError, match="holds whisper, not Qwen3-ASR"):
        load(folder)


def test_model_and_aligner_are_not_interchangeable(checkpoints):
    """Each is refused in the other's place."""
    with pytest.raises(EngineLoadError, match="holds Qwen3-ForcedAligner, not Qwen3-ASR"):
        load(checkpoints("aligner"))
    with pytest.raises(EngineLoadError, match="aligner holds Qwen3-ASR, not Qwen3-ForcedAligner"):
        load(checkpoints("script"), aligner=str(checkpoints("script")))


def test_an_aligner_beside_the_model_is_used(checkpoints, folder):
    """The model's part is loaded where it is, and gives words their times."""
    shutil.copytree(checkpoints("aligner"), folder / ALIGNER.folder)

    transcript = transcribe(load(folder), word_timestamps=True)

    words = [
        (word.text.strip(), word.start_s, word.end_s)
        for segment in transcript.segments
        for word in segment.words
    ]
    assert words == WORDS


def test_the_operators_aligner_comes_first(checkpoints, folder, tmp_path):
    """The option names another folder than the part's, which is not looked at."""
    (folder / ALIGNER.folder).mkdir()

    engine = load(folder, aligner=str(checkpoints("aligner")))

    assert engine._asr.forced_aligner is not None
    with pytest.raises(EngineLoadError, match=r"aligner has no config\.json"):
        load(folder)


def test_broken_json_is_an_error(folder):
    """A config that is no JSON is named."""
    (folder / "config.json").write_text("{")

    with pytest.raises(EngineLoadError, match=r"config\.json of model 'mine' cannot be read"):
        load(folder)


def test_no_gpu_is_an_error_not_a_crash(checkpoints):
    """A device that is not there is named."""
    with pytest.raises(EngineDeviceError, match=r"cuda:7\. Install .* speechhub engines install qwen-asr"):
        QwenAsrEngine().load(
            LoadContext(
                model="mine", model_dir=checkpoints("script"), device="cuda:7", options={"dtype": "float32"}
            )
        )


@pytest.mark.mission("5.3")
@pytest.mark.parametrize(
    "options", [{"dtype": "int4"}, {"attention": "none"}, {"repetition_penalty": 0}, {"no_such": 1}]
)
def test_wrong_options_are_refused(checkpoints, options):
    """A mistake in the operator's options is found before the model is loaded."""
    with pytest.raises(ConfigurationError):
        load(checkpoints("script"), **options)


@pytest.mark.mission("5.4")
def test_bfloat16_and_eager_attention_work(checkpoints):
    """The text does not depend on arithmetic or attention."""
    engine = load(checkpoints("script"), dtype="bfloat16", attention="eager")

    assert engine._asr.model.dtype is torch.bfloat16
    assert transcribe(engine).text == TEXT


def test_what_is_held_is_told_of_gpus_alone(monkeypatch):
    """Model and aligner may share one, and then it counts once; of the CPU's memory PyTorch has no books."""
    monkeypatch.setattr(torch.cuda, "memory_allocated", {"cuda:0": 5, "cuda:1": 7}.__getitem__)
    monkeypatch.setattr(torch.cuda, "memory_reserved", {"cuda:0": 50, "cuda:1": 70}.__getitem__)

    held = devices.held_memory(["cuda:0", "cpu", "cuda:0", "cuda:1"])

    assert (held.allocated_bytes, held.reserved_bytes) == (12, 120)
    assert devices.held_memory(["cpu"]) is None


def test_attention_and_arithmetic_suit_the_device():
    """Flash attention is for GPUs and 16 bits; a wish is a wish."""
    assert devices.choose_attention("auto", "cpu", torch.bfloat16) == "sdpa"
    assert devices.choose_attention("eager", "cuda:0", torch.float16) == "eager"
    assert devices.choose_dtype("float16", "cpu") is torch.float16
    assert devices.choose_dtype("auto", "cpu") in {torch.bfloat16, torch.float32}


@pytest.mark.parametrize(
    ("flag", "dtype"),
    [("avx512_bf16", torch.bfloat16), ("amx_bf16", torch.bfloat16), ("avx2", torch.float32)],
)
def test_cpus_with_16_bits_take_them(monkeypatch, flag, dtype):
    monkeypatch.setattr(devices, "_cpu_flags", lambda: {"sse2", flag})

    assert devices.choose_dtype("auto", "cpu") is dtype
