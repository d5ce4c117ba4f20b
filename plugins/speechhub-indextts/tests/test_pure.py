"""Parts that need no model: emotions, texts, placement, sound, settings."""

from dataclasses import replace

import numpy as np
import pytest

from speechhub.engine import EMOTIONS, ConfigurationError, EngineLoadError
from speechhub_indextts import ENGINE
from speechhub_indextts.checkpoint import read_checkpoint
from speechhub_indextts.emotion import capped, normalized, read_answer
from speechhub_indextts.placement import Sizes, plan
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.sound import after_pause, faded
from speechhub_indextts.text import detect_language, has_speech

V2 = Sizes(
    gpt=866_000_000,
    acoustic=103_800_000,
    vocoder=112_200_000,
    listener=411_200_000,
    speaker=51_100_000,
    feeling=596_000_000,
)
"""IndexTTS-2's, as benchmarks/indextts_memory.py prints them."""
V25 = replace(V2, gpt=734_800_000, acoustic=128_500_000, speaker=6_800_000)


def gigabytes(number):
    """Return what is free of a card of so many GB."""
    return int(0.93 * number * 2**30)


def emotion(vector):
    return {name: round(weight, 3) for name, weight in zip(EMOTIONS, vector, strict=True) if weight}


def test_a_vector_is_scaled_as_upstream_does():
    """Each weight has its bias, and all together leave a fifth to the voice."""
    assert normalized([0.4, 0, 0, 0, 0, 0, 0, 0]) == [0.375, 0, 0, 0, 0, 0, 0, 0]
    assert sum(normalized([1.0] * 8)) == pytest.approx(0.8)
    assert capped([0.1, 0.2]) == [0.1, 0.2]


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ('{"高兴": 0.5, "自然": 0.1}', {"happy": 0.5, "calm": 0.1}),
        ('Here it is: "愤怒": 0.3, "恐惧": 0.2}', {"angry": 0.3, "afraid": 0.2}),
        ('{"惊讶": "中", "反感": "0.1"}', {"surprised": 0.5, "disgusted": 0.1}),
        ('{"高兴": 9, "愤怒": -2, "other": 1}', {"happy": 0.8}),
        ('{"高兴": 0, "愤怒": 0}', {"calm": 0.8}),
        ("no idea", {"calm": 0.8}),
        ("", {"calm": 0.8}),
        ("[1, 2]", {"calm": 0.8}),
    ],
)
def test_an_answer_is_read_whatever_its_form(answer, read):
    """JSON, pieces of it, words for numbers: what is there counts, and nothing at all is calm."""
    assert emotion(read_answer(answer, "a text")) == read


def test_melancholy_is_told_from_sadness_by_the_description():
    """The model gives both the same label."""
    assert emotion(read_answer('{"悲伤": 0.6}', "Deeply depressed.")) == {"melancholic": 0.6}
    assert emotion(read_answer('{"悲伤": 0.6}', "Crying.")) == {"sad": 0.6}


@pytest.mark.parametrize("text", ["", "  \n", "?!", "…", "\N{SLIGHTLY SMILING FACE}", "---"])
def test_nothing_to_say_is_found_out(text):
    """Punctuation and emoji are no speech."""
    assert not has_speech(text)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello, this is a test.", "en"),
        ("Hola, ¿qué tal?", "es"),
        ("Esto es para usted.", "es"),
        ("你好，世界。", "zh"),  # noqa: RUF001
        ("我用 GPU 运行 speechhub。", "zh"),
        ("今日は良い天気です。", "ja"),
        ("مرحبا بالعالم", "ar"),
        ("OK", "en"),
        ("42", "en"),
    ],
)
def test_the_language_is_told_by_script_and_small_words(text, language):
    """IndexTTS-2.5 must be told one, and clients name none."""
    assert detect_language(text, "en") == language


def test_latin_text_that_tells_nothing_is_in_the_operators_language():
    """It is a setting."""
    assert detect_language("Speechhub 42", "es") == "es"


@pytest.mark.parametrize(
    ("sizes", "card", "analysis", "feeling", "needed"),
    [
        (V2, 4, "cpu", "cpu", 3.85),
        (V25, 4, "cpu", "cpu", 3.68),
        (V2, 6, "device", "cpu", 5.70),
        (V25, 6, "device", "cpu", 5.35),
        (V2, 8, "device", "cuda:0", 6.99),
        (V25, 12, "device", "cuda:0", 6.65),
    ],
)
def test_a_card_gets_the_best_plan_that_fits(sizes, card, analysis, feeling, needed):
    """The table of docs/engines/indextts.md."""
    generation = "2" if sizes is V2 else "2.5"
    placement = plan(sizes, device="cuda:0", memory_bytes=gigabytes(card), generation=generation)

    assert (placement.half, placement.analysis, placement.feeling_device) == (True, analysis, feeling)
    assert placement.needed_bytes / 1e9 == pytest.approx(needed, abs=0.02)
    assert placement.by_stages is (analysis != "device")


def test_what_does_not_fit_is_refused_with_the_sum():
    """The message adds up to what it says."""
    with pytest.raises(EngineLoadError) as refused:
        plan(V2, device="cuda:0", memory_bytes=3_000_000_000)

    said = str(refused.value)
    terms = [float(word) for word in said.partition("there: ")[2].partition(". It")[0].split() if "." in word]
    assert "cuda:0 has 3.00 GB free" in said
    assert f"needs at least {sum(terms):.2f} GB" in said
    assert "needs at least 3.34 GB" in said, "with all given up"
    for part in ("CUDA 0.50", "vocoder 0.22", "at work 0.37", "margin 0.10"):
        assert part in said
    assert "CPU" in said


def test_the_operator_decides_if_it_fits():
    """Visiting models rest in the host's memory; float32 needs more; the CPU needs no sum."""
    staged = plan(V2, device="cuda:0", memory_bytes=None, analysis="staged", feeling_device="cpu")
    assert (staged.analysis_device, staged.rest_device, staged.by_stages) == ("cuda:0", "cpu", True)
    assert plan(V2, device="cuda:0", memory_bytes=None, analysis="cpu").analysis_device == "cpu"
    with pytest.raises(EngineLoadError, match="halves the GPT"):
        plan(V2, device="cuda:0", memory_bytes=gigabytes(4), dtype="float32")
    here = plan(V2, device="cpu", memory_bytes=None)
    assert (here.half, here.by_stages, here.feeling_device) == (False, False, "cpu")


def test_segments_join_without_a_click():
    """Their ends are led to zero, and what is between is as it was."""
    samples = np.full(2205, 0.5, np.float32)

    soft = faded(samples, 22_050)

    assert (soft[0], soft[-1], soft[1000]) == (0.0, 0.0, 0.5)
    assert len(after_pause(soft, 200, 22_050)) == 2205 + 4410
    assert faded(samples[:1], 22_050).tolist() == [0.5]


@pytest.mark.mission("6.2")
@pytest.mark.parametrize(
    "options", [{"dtype": "int8"}, {"num_beams": 0}, {"language": "xx"}, {"grammars": ("xx",)}]
)
def test_wrong_options_are_refused(options):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        IndexTtsSettings(**options)


@pytest.mark.mission("10.5")
def test_on_a_gpu_the_older_generation_is_the_default():
    """It is before 2.5, and on a CPU Piper, whose preference is 10, is before both."""
    older, newer = ENGINE.models

    assert 10 > older.preference > newer.preference >= 0
    assert older.must_accept_licence
    assert newer.must_accept_licence


def test_a_checkpoint_names_no_file_elsewhere(tmp_path):
    """config.yaml, which comes with the weights, has no file loaded that lies outside their folder."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "evil.pth").write_bytes(b"")
    names = ("w2v_stat", "s2mel_checkpoint", "emo_matrix", "spk_matrix")
    lines = [f"{section}: {{}}" for section in ("dataset", "gpt", "s2mel", "vocoder", "semantic_codec")]
    lines += [f"{name}: {name}.pt" for name in names]
    for name in names:
        (folder / f"{name}.pt").write_bytes(b"")

    for outside in ("../evil.pth", str(tmp_path / "evil.pth"), "sub/../../evil.pth"):
        (folder / "config.yaml").write_text("\n".join([*lines, f"gpt_checkpoint: {outside}"]))
        with pytest.raises(EngineLoadError, match=r"lacks evil\.pth"):
            read_checkpoint(folder, "m")
