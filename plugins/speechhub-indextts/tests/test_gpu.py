"""Arithmetic and memory on pretended GPUs; there is no GPU here."""

import dataclasses
import re
from pathlib import Path

import pytest

from speechhub.engine import (
    EngineDeviceError,
    EngineLoadError,
    EngineOutOfMemoryError,
    LoadContext,
)
from speechhub_indextts.checkpoint import Generation
from speechhub_indextts.economy import PACES, STEPS, Effort, at_work_bytes
from speechhub_indextts.engine import IndexTtsEngine
from speechhub_indextts.gpu import Gpu, explained, key_of, meet, spared, wanted_effort
from speechhub_indextts.packages import torch
from speechhub_indextts.placement import MARGIN_BYTES, RUNTIME_BYTES, Placement, Sizes, plan
from speechhub_indextts.settings import IndexTtsSettings

GB = 10**9
V2 = Sizes(
    gpt=865_980_639, acoustic=103_752_672, vocoder=112_231_249,
    listener=411_231_104, speaker=51_054_368, feeling=596_049_920,
)  # fmt: skip
V25 = Sizes(
    gpt=734_776_150, acoustic=128_475_088, vocoder=112_199_472,
    listener=411_231_104, speaker=6_848_544, feeling=596_049_920,
)  # fmt: skip


def planned(free_gb, *, generation="2", **wishes):
    sizes = V2 if generation == "2" else V25
    return plan(sizes, device="cuda:0", memory_bytes=int(free_gb * GB), generation=generation, **wishes)


@pytest.mark.invariant("fits-the-card")
@pytest.mark.parametrize(
    ("capability", "generation", "half", "gpt", "feeling"),
    [
        ((12, 0), "2.5", True, "bfloat16", "bfloat16"),
        ((9, 0), "2.5", True, "bfloat16", "bfloat16"),
        ((8, 9), "2.5", True, "bfloat16", "bfloat16"),
        ((8, 6), "2.5", True, "bfloat16", "bfloat16"),
        ((8, 0), "2.5", True, "bfloat16", "bfloat16"),
        ((7, 5), "2.5", True, "float16", "float16"),
        ((7, 0), "2.5", True, "float16", "float16"),
        ((6, 1), "2.5", False, "float16", "float16"),
        ((6, 0), "2.5", True, "float16", "float16"),
        ((5, 2), "2.5", False, "float16", "float16"),
        ((8, 6), "2", True, "float16", "bfloat16"),
        ((7, 5), "2", True, "float16", "float16"),
        ((6, 1), "2", False, "float16", "float16"),
    ],
)
def test_each_generation_of_cards_has_its_arithmetic(capability, generation, half, gpt, feeling):
    """On a card with room for everything."""
    found = planned(24, generation=generation, capability=capability)

    assert (found.half, found.half_name, found.feeling_half) == (half, gpt, feeling)
    assert not found.steps


def test_a_card_that_is_slow_in_16_bits_and_has_no_room_for_float32():
    """Voices are rather analysed on the CPU than the GPT in 16 bits; if that does not do, it is 16 bits."""
    roomy, tight = (planned(free, capability=(6, 1)) for free in (6.5, 6.0))

    assert (roomy.half, roomy.analysis) == (False, "cpu")
    assert (tight.half, tight.analysis) == (True, "device")
    assert planned(24, capability=(6, 1), dtype="half").half


FIFTEEN, BEAM, VOCODER, EIGHT = (name for name, _ in STEPS)


@pytest.mark.invariant("fits-the-card")
@pytest.mark.parametrize(
    ("generation", "dtype", "ladder"),
    [
        (
            "2",
            "half",
            {(): 3.85, (FIFTEEN,): 3.54, (FIFTEEN, VOCODER): 3.31, (FIFTEEN, VOCODER, EIGHT): 3.24},
        ),
        (
            "2.5",
            "half",
            {(): 3.68, (FIFTEEN,): 3.31, (FIFTEEN, VOCODER): 3.00, (FIFTEEN, VOCODER, EIGHT): 2.93},
        ),
        (
            "2",
            "float32",
            {
                (): 6.33,
                (FIFTEEN,): 5.65,
                (FIFTEEN, BEAM): 5.27,
                (FIFTEEN, BEAM, VOCODER): 5.04,
                (FIFTEEN, BEAM, VOCODER, EIGHT): 4.97,
            },
        ),
    ],
)
def test_each_step_is_taken_when_it_must_be(generation, dtype, ladder):
    """One byte less than a step needs makes the next one; below the last it does not fit."""
    memory, taken = 24 * GB, {}
    wishes = {"generation": generation, "dtype": dtype, "analysis": "cpu", "feeling_device": "cpu"}
    sizes = V2 if generation == "2" else V25

    for _ in ladder:
        found = plan(sizes, device="cuda:0", memory_bytes=memory, **wishes)
        taken[found.steps] = found.needed_bytes / GB
        exact = plan(sizes, device="cuda:0", memory_bytes=found.needed_bytes + MARGIN_BYTES, **wishes)
        assert exact == found
        memory = found.needed_bytes + MARGIN_BYTES - 1
    with pytest.raises(EngineLoadError, match="this model needs at least"):
        plan(sizes, device="cuda:0", memory_bytes=memory, **wishes)

    assert list(taken) == list(ladder)
    assert all(taken[steps] == pytest.approx(needed, abs=0.01) for steps, needed in ladder.items())


def test_nothing_is_given_up_before_the_analysis_goes():
    """Voices are analysed once; each text is heard."""
    assert planned(5.9).analysis == "device"
    assert planned(5.5).analysis == "staged"
    assert planned(4.5).analysis == "cpu"
    assert planned(4.5).steps == ()


def test_cudas_own_part_is_what_was_measured():
    """A context that takes more leaves less."""
    assert planned(4.0, runtime_bytes=400_000_000).steps == ()
    assert planned(4.0, runtime_bytes=670_000_000).steps == ("segments of 15 s",)
    assert planned(4.0, runtime_bytes=400_000_000).needed_bytes == (
        planned(4.0, runtime_bytes=500_000_000).needed_bytes - 100_000_000
    )


def test_a_margin_is_left():
    """For what CUDA's libraries load later."""
    needed = planned(24, analysis="cpu", feeling_device="cpu").needed_bytes

    exact = plan(V2, device="cuda:0", memory_bytes=needed + MARGIN_BYTES, analysis="cpu")
    less = plan(V2, device="cuda:0", memory_bytes=needed + MARGIN_BYTES - 1, analysis="cpu")

    assert (exact.steps, less.steps) == ((), ("segments of 15 s",))


def test_the_emotion_model_goes_where_it_fits_or_is_wanted():
    """To the last byte; one that was left out takes nothing."""
    whole, without = planned(24), plan(dataclasses.replace(V2, feeling=0), device="cuda:0", memory_bytes=None)
    exact, less = (
        plan(V2, device="cuda:0", memory_bytes=whole.needed_bytes + MARGIN_BYTES - taken) for taken in (0, 1)
    )

    assert (exact.feeling_device, less.feeling_device) == ("cuda:0", "cpu")
    assert (without.feeling_device, without.needed_bytes) == ("cpu", less.needed_bytes)
    for wish in ("cuda:0", "cuda:1"):
        assert planned(4, feeling_device=wish).feeling_device == wish
        assert planned(4, feeling_device=wish).needed_bytes > planned(4).needed_bytes


def test_what_an_operator_wants_counts():
    """More beams and longer segments take more, and shorter ones are never made longer."""
    pace = PACES["2"]
    wanted = wanted_effort(IndexTtsSettings(num_beams=10, max_mel_tokens=1815), "2")
    assert wanted == Effort(segment_s=36.3, beams=10)
    assert at_work_bytes(pace, wanted, half=True) > 3 * at_work_bytes(pace, Effort(), half=True)

    short = wanted_effort(IndexTtsSettings(max_mel_tokens=500), "2")
    assert planned(3.5, effort=short).effort.segment_s == 10
    assert planned(24).effort == wanted_effort(IndexTtsSettings(), "2")
    assert wanted_effort(IndexTtsSettings(max_mel_tokens=500), "2.5").segment_s == 20


def test_what_is_given_up_becomes_options():
    """Of the operator's, the smaller ones stay."""
    tight = Placement(
        device="cuda:0", half=True, analysis="cpu", feeling_device="cpu",
        effort=Effort(segment_s=15.0, beams=1), steps=("segments of 15 s", "one beam"),
    )  # fmt: skip

    found = spared(IndexTtsSettings(), tight, "2")
    assert (found.num_beams, found.segment_tokens, found.max_mel_tokens) == (1, 60, 750)
    found = spared(IndexTtsSettings(segment_tokens=20, max_mel_tokens=200), tight, "2.5")
    assert (found.segment_tokens, found.max_mel_tokens) == (20, 200)
    found = spared(IndexTtsSettings(), tight, "2.5")
    assert (found.segment_tokens, found.max_mel_tokens) == (30, 375)
    settings = IndexTtsSettings()
    assert spared(settings, dataclasses.replace(tight, steps=()), "2") is settings


def context(**fields):
    return LoadContext(model="indextts-2", model_dir=None, device="cuda:0", **fields)


@pytest.fixture
def card(monkeypatch):
    """Pretend a GPU whose tensors are on the CPU."""

    def pretend(capability=(7, 5), free=3_400_000_000):
        ones, emptied = torch.ones, []

        def on_the_cpu(*size, device):
            assert device == "cuda:0"
            return ones(*size)

        monkeypatch.setattr(torch, "ones", on_the_cpu)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(free))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (sum(emptied[:1]), 4 * GB))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a card")

    return pretend


def test_the_context_of_cuda_is_measured(card):
    """Free before and free after; where nothing was told before, it is assumed."""
    card()

    assert meet(context(memory_bytes=3_900_000_000)) == Gpu(
        capability=(7, 5), memory_bytes=3_900_000_000, runtime_bytes=500_000_000
    )
    assert meet(context()) == Gpu(
        capability=(7, 5), memory_bytes=3_400_000_000 + RUNTIME_BYTES, runtime_bytes=RUNTIME_BYTES
    )
    assert meet(context(memory_bytes=3_300_000_000)).runtime_bytes == 0


def test_a_card_is_remembered_with_model_and_library(card):
    """Another of any of them gets another chance."""
    card()

    assert key_of(context()) == f"a card | indextts-2 | torch {torch.__version__}"


@pytest.mark.parametrize(
    ("said", "kind", "shown"),
    [
        ("no kernel image is available", EngineDeviceError, "engines install indextts --build cu126"),
        ("no kernel image is available", EngineDeviceError, "a card (compute capability 6.1)"),
        ("Torch not compiled with CUDA enabled", EngineDeviceError, "cannot use cuda:0."),
        ("CUDA out of memory", EngineOutOfMemoryError, '[engines.indextts] device = "cpu"'),
        ("Torch not compiled with CUDA enabled", EngineDeviceError, "engines install indextts."),
    ],
)
def test_cudas_errors_are_explained(card, said, kind, shown):
    """With the card's name, and the command for this engine."""
    card((6, 1))

    with pytest.raises(kind) as raised, explained("cuda:0"):
        raise RuntimeError(said)

    assert shown in raised.value.message
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_a_context_that_cannot_be_made_is_explained(card, monkeypatch):
    """When the card is met, which is the first that is asked of it."""
    card()
    monkeypatch.setattr(torch, "ones", fail_of_memory)

    with pytest.raises(EngineOutOfMemoryError):
        meet(context())


def fail_of_memory(*_size, **_options):
    raise RuntimeError("CUDA out of memory")


def test_other_errors_pass():
    """As they are."""
    with pytest.raises(EngineLoadError, match=r"^damaged$"), explained("cuda:0"):
        raise EngineLoadError("damaged")


def test_a_gpu_that_is_not_there_is_explained(checkpoints):
    """By the real PyTorch, which is the CPU's."""
    engine = IndexTtsEngine()

    with pytest.raises(EngineDeviceError, match=r"cannot use cuda:0\. Install .* engines install indextts"):
        engine.load(LoadContext(model="indextts-2", model_dir=checkpoints("2"), device="cuda:0"))


def test_generations_have_a_pace():
    """Each of them."""
    assert set(PACES) == {generation.value for generation in Generation}


PAGE = Path(__file__).parents[3] / "docs" / "engines" / "indextts.md"
CAPABILITIES = {"Turing": (7, 5), "Ampere": (8, 6), "Ada": (8, 9), "Pascal": (6, 1)}


def test_the_plans_on_the_page_are_those_of_the_code():
    """For each card and each generation that the page names."""
    rows = re.findall(
        r"^\| ([\d, ]+) GB \| ([\w, ]+) \| (.*?) \| (.*?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    seen = set()
    for cards, generations, *shown in rows:
        for card in cards.split(", "):
            for name in generations.split(", "):
                seen.add((int(card), name))
                for generation, sizes, text in zip(("2", "2.5"), (V2, V25), shown, strict=True):
                    it = plan(
                        sizes,
                        device="cuda:0",
                        memory_bytes=int(int(card) * 0.93 * 2**30),
                        generation=generation,
                        capability=CAPABILITIES[name],
                    )
                    arithmetic = it.half_name if it.half else "float32"
                    where = "CPU" if it.feeling_device == "cpu" else "GPU"
                    assert text == (
                        f"{it.needed_bytes / GB:.2f} GB, {arithmetic}, analysis `{it.analysis}`, "
                        f"emotion model on the {where}"
                    ), (card, name)
                    assert not it.steps

    assert seen == {
        *((card, name) for card in (4, 6, 8, 12, 24) for name in ("Turing", "Ampere", "Ada")),
        (8, "Pascal"),
    }
