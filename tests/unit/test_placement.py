"""Where each model runs, out of the engines, the settings and the machine's devices."""

from dataclasses import replace
from pathlib import Path

import pytest

from speechhub.discovery import InstalledEngine
from speechhub.engine import (
    Compute,
    EngineSpec,
    HubSource,
    ModelFile,
    ModelPart,
    ModelSpec,
    Slot,
    SttCapabilities,
)
from speechhub.errors import ConfigurationError
from speechhub.placement import Device, devices_of, notes, place
from speechhub.settings import ModelSettings, Settings
from tests.fakes.gpus import FakeGpus
from tests.fakes.placements import placement

GPU0, GPU1 = Device(name="cuda:0", exclusive=True), Device(name="cuda:1", exclusive=True)
CPU = Device(name="cpu", exclusive=False, memory_bytes=100)


def engine(name, *models, devices=("cpu",), accepts_any_model=False, version=1):
    spec = EngineSpec(
        name=name,
        slot=Slot.STT,
        factory="nowhere:Engine",
        capabilities=SttCapabilities(),
        models=tuple(ModelSpec(id=model, languages=("en",)) for model in models),
        devices=devices,
        accepts_any_model=accepts_any_model,
    )
    return InstalledEngine(spec=spec, distribution=f"{name} {version}", python=Path("/nowhere"))


def test_a_machine_has_its_gpus_first_and_a_shared_cpu():
    """GPUs hold one engine each; the CPU shares three quarters of the machine's memory."""
    gpus = FakeGpus(count=2).devices()

    devices = devices_of(Settings(), gpus=gpus, host_memory_bytes=400)

    assert devices == (
        replace(GPU0, capability="8.6"),
        replace(GPU1, capability="8.6"),
        Device(name="cpu", exclusive=False, memory_bytes=300),
    )


def test_the_operator_sizes_the_cpu_or_keeps_it_for_one():
    """Both settings of the CPU reach its device."""
    settings = Settings(cpu_exclusive=True, cpu_memory_bytes=7)

    assert devices_of(settings, gpus=[], host_memory_bytes=400) == (
        Device(name="cpu", exclusive=True, memory_bytes=7),
    )


@pytest.mark.parametrize(
    ("kinds", "devices", "expected"),
    [
        (("cuda", "cpu"), (GPU0, GPU1, CPU), "cuda:0"),
        (("cuda", "cpu"), (CPU,), "cpu"),
        (("cpu",), (GPU0, CPU), "cpu"),
        (("cpu", "cuda"), (GPU0, CPU), "cpu"),
    ],
)
def test_an_engine_runs_on_its_best_device_that_is_there(kinds, devices, expected):
    """The engine's order of kinds decides, then the machine's order of devices."""
    found = place([engine("e", "m", devices=kinds)], Settings(), devices)

    assert found["m"].device.name == expected


def test_an_engine_whose_device_is_missing_is_left_out():
    """An engine for GPUs alone is no error on a machine without one."""
    found = place([engine("big", "m", devices=("cuda",)), engine("small", "n")], Settings(), (CPU,))

    assert set(found) == {"n"}


def test_the_setting_device_is_for_all_and_an_engine_s_option_for_one():
    """`device` moves every engine that can go there; `engines.NAME.device` wins, and is no engine option."""
    engines = [engine("a", "m", devices=("cuda", "cpu")), engine("b", "n", devices=("cuda", "cpu"))]
    settings = Settings(device="cuda:1", engines={"b": {"device": "cpu", "beam_size": 2}})

    found = place(engines, settings, (GPU0, GPU1, CPU))

    assert {name: p.device.name for name, p in found.items()} == {"m": "cuda:1", "n": "cpu"}
    assert found["n"].options == {"beam_size": 2}


NO_CUDA = Compute(kinds=("cpu",), problem="libcublas.so.12 is missing.", fix="pip install it")
OLD = Compute(kinds=("cuda", "cpu"), architectures=("sm_75",), fix="install another build")


def test_an_engine_that_cannot_use_the_gpu_runs_on_the_cpu():
    """With the reason and what to do; another engine stays on the GPU, and may fall back to the CPU."""
    both = ("cuda", "cpu")
    engines = [engine("a", "m", devices=both), engine("b", "n", devices=both)]

    found = place(engines, Settings(), (GPU0, CPU), {"a": NO_CUDA})

    assert (found["m"].device, found["m"].fallback) == (CPU, None)
    assert found["m"].device_note == (
        "It runs on cpu and not on cuda:0: libcublas.so.12 is missing. To change that: pip install it"
    )
    assert (found["n"].device, found["n"].fallback, found["n"].device_note) == (GPU0, CPU, "")


def test_the_card_that_has_kernels_is_taken():
    old, new = replace(GPU0, capability="6.1"), replace(GPU1, capability="7.5")

    found = place([engine("e", "m", devices=("cuda", "cpu"))], Settings(), (old, new, CPU), {"e": OLD})

    assert (found["m"].device, found["m"].fallback) == (new, CPU)
    assert "not on cuda:0" in found["m"].device_note
    assert "6.1" in found["m"].device_note


@pytest.mark.parametrize(
    "settings", [Settings(device="cuda:0"), Settings(engines={"e": {"device": "cuda:0"}})]
)
def test_a_device_that_the_operator_names_is_kept(settings):
    """There the engine says itself what is wrong; nothing falls back in silence."""
    found = place([engine("e", "m", devices=("cuda", "cpu"))], settings, (GPU0, CPU), {"e": NO_CUDA})

    assert (found["m"].device, found["m"].fallback) == (GPU0, None)
    assert found["m"].device_note.startswith("cuda:0 was requested but cannot be used: libcublas")


def test_a_named_device_that_can_be_used_has_no_fallback():
    found = place([engine("e", "m", devices=("cuda", "cpu"))], Settings(device="cuda:0"), (GPU0, CPU))

    assert (found["m"].device, found["m"].fallback, found["m"].device_note) == (GPU0, None, "")


def test_an_engine_for_gpus_alone_that_cannot_use_one_stays_and_says_so():
    """Its model is known, so that a request is told what to install."""
    found = place([engine("e", "m", devices=("cuda",))], Settings(), (GPU0, CPU), {"e": NO_CUDA})

    assert (found["m"].device, found["m"].fallback) == (GPU0, None)
    assert found["m"].device_note.startswith("It cannot use cuda:0: libcublas")


def test_an_engine_that_prefers_the_cpu_does_not_fall_back():
    found = place([engine("e", "m", devices=("cpu", "cuda"))], Settings(), (GPU0, CPU))

    assert (found["m"].device, found["m"].fallback) == (CPU, None)


def test_each_reason_is_told_once_for_an_engine():
    models = [engine("a", "m", "n", devices=("cuda", "cpu")), engine("b", "o")]

    found = place(models, Settings(), (GPU0, CPU), {"a": NO_CUDA})

    assert notes(found.values()) == [("a", found["m"].device_note)]


def test_a_placement_falls_back_once():
    [placed] = place([engine("e", "m", devices=("cuda", "cpu"))], Settings(), (GPU0, CPU)).values()

    fallen = placed.fallen_back("No kernels.")

    assert (fallen.device, fallen.fallback) == (CPU, None)
    assert fallen.device_note == "It runs on cpu and no longer on cuda:0: No kernels."
    with pytest.raises(ValueError, match="no other device"):
        fallen.fallen_back("Again.")


def test_a_device_that_an_engine_cannot_use_is_passed_over():
    """`device=cuda:0` does not take CPU engines away."""
    found = place([engine("e", "m")], Settings(device="cuda:0"), (GPU0, CPU))

    assert found["m"].device == CPU


def test_a_device_that_is_not_there_is_an_error():
    """A slip in the name must not move an engine somewhere else in silence."""
    with pytest.raises(ConfigurationError, match="no device 'cuda:3' on this machine; it has cuda:0, cpu"):
        place([engine("e", "m")], Settings(device="cuda:3"), (GPU0, CPU))


def test_whoever_names_a_gpu_hears_why_there_is_none():
    """Not those who mistyped the CPU."""
    engines, problem = [engine("e", "m")], "The container was not given it."

    with pytest.raises(ConfigurationError, match=r"it has cpu\. The container was not given it\.$"):
        place(engines, Settings(device="cuda:0"), (CPU,), gpu_problem=problem)
    with pytest.raises(ConfigurationError, match=r"it has cpu\.$"):
        place(engines, Settings(device="cup"), (CPU,), gpu_problem=problem)


def test_options_for_an_engine_that_is_not_there_are_an_error():
    """The message has the setting and what is installed."""
    settings = Settings(engines={"wisper": {}})

    with pytest.raises(ConfigurationError, match=r"Setting engines\.wisper: .* installed: a, b"):
        place([engine("b", "n"), engine("a", "m")], settings, (CPU,))
    with pytest.raises(ConfigurationError, match="installed: none"):
        place([], settings, (CPU,))


def test_an_operator_adds_a_model_from_a_folder():
    """The folder is used as it is, and made absolute; the engine's own models stay."""
    own = ModelSettings(engine="e", path=Path("~/weights"), languages=("de",))

    found = place([engine("e", "m", accepts_any_model=True)], Settings(models={"mine": own}), (CPU,))

    assert set(found) == {"m", "mine"}
    assert found["mine"].path == Path.home() / "weights"
    assert found["mine"].model == ModelSpec(id="mine", languages=("de",))


def test_an_operator_adds_a_model_from_the_hub():
    """Repository, revision, folder and files become the model's description."""
    own = ModelSettings(engine="e", hub="owner/name@v2", prefix="onnx/", files=("a.bin", "b.json"))
    plain = ModelSettings(engine="e", hub="owner/name")

    found = place(
        [engine("e", accepts_any_model=True)], Settings(models={"mine": own, "plain": plain}), (CPU,)
    )

    assert found["mine"].model == ModelSpec(
        id="mine",
        hub=HubSource(repo="owner/name", revision="v2", prefix="onnx/"),
        files=(ModelFile(path="a.bin"), ModelFile(path="b.json")),
    )
    assert found["mine"].path is None
    assert found["plain"].model.hub == HubSource(repo="owner/name", revision="main")


def test_an_operator_may_say_where_a_known_model_comes_from():
    """A setting with the name of an engine's own model takes its place, whatever the engine accepts."""
    settings = Settings(models={"m": ModelSettings(engine="e", path=Path("/weights"))})

    found = place([engine("e", "m")], settings, (CPU,))

    assert [(p.model.id, p.path) for p in found.values()] == [("m", Path("/weights"))]


def test_a_known_model_with_other_files_stays_what_the_engine_says_it_is():
    """Its memory, licence and parts are the model's; files and hub are the operator's business."""
    part = ModelPart(name="ear", folder="ear", hub=HubSource(repo="a/ear"))
    known = ModelSpec(
        id="m",
        files=(ModelFile(path="x"),),
        hub=HubSource(repo="a/m"),
        licence="MIT",
        parts=(part,),
        memory_bytes=7,
    )
    mine = engine("e")
    mine = replace(mine, spec=replace(mine.spec, models=(known,)))
    settings = Settings(models={"m": ModelSettings(engine="e", hub="b/m")})

    found = place([mine], settings, (CPU,))["m"].model

    assert found == replace(known, files=(), hub=HubSource(repo="b/m"))


def test_another_model_of_the_family_can_have_the_same_optional_parts():
    """What all of an engine's models can have is no model's own; the rest is."""
    ear, nose = (
        ModelPart(name=name, folder=name, hub=HubSource(repo=f"a/{name}"), optional=True)
        for name in ("ear", "nose")
    )
    needed = ModelPart(name="mouth", folder="mouth", hub=HubSource(repo="a/mouth"))
    models = ModelSpec(id="m", parts=(needed, ear, nose)), ModelSpec(id="n", parts=(needed, ear))
    mine = engine("e", accepts_any_model=True)
    settings = Settings(models={"mine": ModelSettings(engine="e", hub="b/m")})

    found = place([replace(mine, spec=replace(mine.spec, models=models))], settings, (CPU,))

    assert found["mine"].model.parts == (ear,)


@pytest.mark.parametrize("free", [False, True])
def test_another_name_is_no_way_around_a_licence(free):
    """A model that only the operator knows is under the licence of its siblings, if all must be accepted."""
    bound = ModelSpec(id="m", licence="Own-1.0", licence_url="https://a.example", must_accept_licence=True)
    models = (bound, ModelSpec(id="n", licence="MIT")) if free else (bound, replace(bound, id="n"))
    mine = engine("e", accepts_any_model=True)
    settings = Settings(
        models={
            "mine": ModelSettings(engine="e", path=Path("/weights")),
            "m": ModelSettings(engine="e", path=Path("/weights")),
        }
    )

    found = place([replace(mine, spec=replace(mine.spec, models=models))], settings, (CPU,))

    assert found["m"].model.must_accept_licence
    assert found["mine"].model == (ModelSpec(id="mine") if free else replace(bound, id="mine"))


def test_what_a_model_lacks_without_a_part():
    """A part that is there, or that an option stands for, gives its capability."""
    part = ModelPart(
        name="ear", folder="ear", hub=HubSource(repo="a/ear"), optional=True, enables="prompt", option="ear"
    )
    plain = ModelPart(name="nose", folder="nose", hub=HubSource(repo="a/nose"), optional=True)
    it = placement("m", parts=(part, plain))

    assert it.lacks([]) == {"prompt": part}
    assert it.lacks(["ear"]) == {}
    assert replace(it, options={"ear": "/ear"}).lacks([]) == {}


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (ModelSettings(engine="gone", path=Path("/w")), "there is no engine 'gone'; installed: e"),
        (ModelSettings(engine="e", path=Path("/w")), "engine 'e' runs its own models only: m"),
    ],
)
def test_a_model_that_no_engine_takes_is_an_error(own, says):
    """An engine must be there, and must accept models that it does not know."""
    with pytest.raises(ConfigurationError, match=rf"Setting models\.mine: {says}"):
        place([engine("e", "m")], Settings(models={"mine": own}), (CPU,))


@pytest.mark.parametrize("fields", [{}, {"path": Path("/w"), "hub": "a/b"}])
def test_a_model_comes_from_one_place(fields):
    """Neither source, or both, is an error."""
    settings = Settings(models={"mine": ModelSettings(engine="e", **fields)})

    with pytest.raises(ConfigurationError, match=r"Setting models\.mine: set either path or hub"):
        place([engine("e", accepts_any_model=True)], settings, (CPU,))


def test_two_engines_with_one_model_are_an_error_that_names_both():
    """Either choice would surprise somebody, so the operator chooses."""
    with pytest.raises(ConfigurationError, match="Model 'm' is served by two engines: a 1 and b 2"):
        place([engine("a", "m"), engine("b", "m", version=2)], Settings(), (CPU,))


def test_a_model_s_twin_on_a_missing_device_does_not_count():
    """Of two engines with one model, only the one that can run here is asked for."""
    engines = [engine("gpu-only", "m", devices=("cuda",)), engine("cpu", "m")]

    assert place(engines, Settings(), (CPU,))["m"].engine.spec.name == "cpu"
