"""Which engines and models a machine gets, and what that costs."""

from dataclasses import replace

import pytest

from speechhub.engine import ModelSpec, Slot
from speechhub.environments.builds import CudaCard, Driver
from speechhub.environments.known import KnownEngine, known_engines
from speechhub.errors import ConfigurationError
from speechhub.gpu.monitor import NoGpus
from speechhub.gpu.values import GpuDevice
from speechhub.services.machine import Machine, as_with_a_gpu, look
from speechhub.services.setup import choose_models, make_plan
from speechhub.settings import Settings
from speechhub.store import Licences, ModelState
from speechhub.store.status import ModelStatus

GIB = 1024**3
GB = 1_000_000_000


def card(memory_bytes=4 * GIB, capability="7.5", driver="550.54.15"):
    return GpuDevice(
        index=0, uuid="GPU-1", name="A card", driver=driver, cuda="12.4", compute_capability=capability,
        total_bytes=memory_bytes,
    )  # fmt: skip


def machine(gpu=None, **fields):
    gpu = gpu or card()
    capability = tuple(map(int, gpu.compute_capability.split(".")))
    driver = Driver(version=gpu.driver, cards=(CudaCard(name=gpu.name, capability=capability),))
    told = {"host_memory_bytes": 16 * GIB, "free_bytes": 100 * GB, "builds": {}}
    return Machine(card=gpu, driver=driver, **told | fields)


class Files:
    """A store in which these models are, with these optional parts."""

    def __init__(self, **here):
        self._here = here

    def status(self, model):
        if model.id not in self._here:
            return ModelStatus(state=ModelState.HUB)
        return ModelStatus(state=ModelState.READY, parts=self._here[model.id])


@pytest.fixture
def plan(tmp_path):
    def make(where, *, files=None, accepted=(), **wishes):
        licences = Licences(tmp_path / "licences.json", accepted=accepted)
        return make_plan(where, store=files or Files(), licences=licences, **wishes)

    return make


@pytest.mark.parametrize(
    ("gib", "models", "too_large"),
    [
        (2, [], ["qwen3-asr-0.6b", "indextts-2"]),
        (3, ["qwen3-asr-0.6b"], ["indextts-2"]),
        (4, ["qwen3-asr-0.6b", "indextts-2"], []),
        (6, ["qwen3-asr-0.6b", "indextts-2"], []),
        (8, ["qwen3-asr-0.6b", "indextts-2"], []),
        (24, ["qwen3-asr-0.6b", "indextts-2"], []),
    ],
)
def test_models_for_a_memory(gib, models, too_large):
    """The preferred model of each task that fits; docs/hardware.md has the same sizes."""
    chosen, left = choose_models(gib * GIB, known_engines())

    assert [one.model.id for one in chosen] == models
    assert [model.id for model in left] == too_large


def test_a_smaller_model_of_the_family_stands_in():
    """Where the preferred one does not fit; another engine's does not, nor one for the CPU."""
    small, large = (ModelSpec(id=name, memory_bytes=n, preference=n) for name, n in [("s", 2), ("l", 9)])
    family = KnownEngine(
        distribution="speechhub-a", engine="a", slot=Slot.STT, devices=("cuda", "cpu"), models=(small, large)
    )
    other = replace(family, engine="b", models=(ModelSpec(id="o", memory_bytes=1, preference=3),))
    for_cpu = replace(family, engine="c", devices=("cpu", "cuda"), models=(ModelSpec(id="c", preference=99),))

    chosen, left = choose_models(8, [other, family, for_cpu])
    assert ([one.model.id for one in chosen], left) == (["s"], [])
    chosen, left = choose_models(1, [other, family, for_cpu])
    assert (chosen, left) == ([], [large])


def test_the_plan_for_a_new_machine(plan):
    """Both engines and both models, in the build for this driver; the second engine's PyTorch is cached."""
    made = plan(machine())

    assert [(it.engine.name, it.build, it.todo) for it in made.engines] == [
        ("qwen-asr", "cu126", True),
        ("indextts", "cu126", True),
    ]
    assert [(it.model.id, it.todo, it.must_accept) for it in made.weights] == [
        ("qwen3-asr-0.6b", True, False),
        ("indextts-2", True, True),
    ]
    assert made.defaults == {Slot.STT: "qwen3-asr-0.6b", Slot.TTS: "indextts-2"}
    assert [it.download_bytes for it in made.engines] == [3_500_000_000, 500_000_000]
    assert [it.download_bytes for it in made.weights] == [1_880_000_000, 8_875_000_000]
    assert made.download_bytes == 14_755_000_000
    assert made.disk_bytes == 2 * 6_500_000_000 + 10_755_000_000
    assert [model.id for model in made.to_accept] == ["indextts-2"]
    assert made.larger == ()


def test_nothing_is_done_twice(plan):
    """Engines with a build that serves, files in place, and a licence that is accepted."""
    builds = {"qwen-asr": "cu126", "indextts": "cu126", "whisper": None}
    here = Files(**{"qwen3-asr-0.6b": (), "indextts-2": ()})

    made = plan(machine(builds=builds), files=here, accepted=["indextts-2"])

    assert not made.todo
    assert (made.download_bytes, made.disk_bytes) == (0, 0)


def test_a_licence_alone_is_something_to_do(plan):
    """Files that are in place cannot be loaded before it is accepted."""
    builds = {"qwen-asr": "cu126", "indextts": "cu126"}
    made = plan(machine(builds=builds), files=Files(**{"qwen3-asr-0.6b": (), "indextts-2": ()}))

    assert made.todo
    assert made.download_bytes == 0


@pytest.mark.parametrize(
    ("gpu", "build", "todo"),
    [
        (card(), "cpu", True),
        (card(), "cu130", True),  # this driver is too old for it
        (card(driver="580.1"), "cu126", False),
        (card(driver="580.1", capability="12.0"), "cu126", True),  # no code for this card
        (card(), None, False),  # beside the hub: its operator's own
        (card(), "", False),  # an environment without PyTorch
    ],
)
def test_an_environment_that_does_not_serve_is_made_anew(plan, gpu, build, todo):
    """By the table of builds; the plan names what it takes the place of."""
    step = plan(machine(gpu, builds={"qwen-asr": build})).engines[0]

    assert step.todo is todo
    assert step.former == ((build or "") if todo else "")
    assert step.build == ({"580.1": "cu130"}.get(gpu.driver, "cu126") if todo else build or "")


def test_no_build_serves_the_card(plan):
    """The driver is too old: what to do is told before anything is asked."""
    with pytest.raises(ConfigurationError, match="Upgrade NVIDIA's driver to 580"):
        plan(machine(card(capability="12.0")))


def test_parts_that_are_asked_for(plan):
    """They count where they are missing, with the model or alone."""
    new = plan(machine(), parts=["aligner"]).weights[0]
    assert (new.parts, new.download_bytes) == (("aligner",), 3_720_000_000)

    without = Files(**{"qwen3-asr-0.6b": ()})
    alone = plan(machine(), files=without, parts=["aligner"]).weights[0]
    assert (alone.todo, alone.download_bytes) == (True, 1_840_000_000)

    whole = Files(**{"qwen3-asr-0.6b": ("aligner",)})
    for asked in (["aligner"], []):
        there = plan(machine(), files=whole, parts=asked).weights[0]
        assert (there.todo, there.parts) == (False, ("aligner",))


def test_a_larger_card_may_have_a_larger_model(plan):
    """It is named, and not taken: it is slower to load, and the smaller one is the default."""
    assert [it.id for it in plan(machine(card(6 * GIB))).larger] == ["qwen3-asr-1.7b"]


def test_one_engine_alone(plan):
    """By the name that `engines install` takes; others are no engines for a GPU."""
    assert [it.engine.name for it in plan(machine(), only=["qwen-asr"]).engines] == ["qwen-asr"]
    with pytest.raises(
        ConfigurationError, match="no engine 'piper' for a GPU; there are: indextts, qwen-asr"
    ):
        plan(machine(), only=["piper"])


def test_for_the_cpu(plan):
    """The build for it, with twice the memory for each model; what is there serves, whatever its build."""
    made = plan(machine(builds={"indextts": "cu126"}), on_cpu=True)

    assert made.card is None
    assert [(it.build, it.todo) for it in made.engines] == [("cpu", True), ("cu126", False)]
    assert [it.download_bytes for it in made.engines] == [400_000_000, 0]
    assert [it.disk_bytes for it in made.engines] == [1_200_000_000, 0]
    newer = plan(machine(builds={"qwen-asr": "cu130", "indextts": "cpu"}), on_cpu=True)
    assert not any(it.todo for it in newer.engines)
    small = plan(machine(host_memory_bytes=6 * GIB), on_cpu=True)
    assert [it.model.id for it in small.weights] == ["qwen3-asr-0.6b"]


def test_a_machine_without_a_gpu_is_told_of_the_smallest_that_does(plan):
    """Everything fits on it."""
    bare = Machine(
        card=None,
        driver=None,
        problem="None.",
        host_memory_bytes=GIB,
        free_bytes=GB,
        builds={"indextts": "cpu"},
    )

    made = plan(as_with_a_gpu(bare))

    assert made.too_large == ()
    assert [it.model.id for it in made.weights] == ["qwen3-asr-0.6b", "indextts-2"]


def test_too_little_disk(plan):
    """The sum of environments and models has to be free."""
    made = plan(machine())

    assert made.disk_fault(made.disk_bytes) == ""
    assert made.disk_fault(made.disk_bytes - 1).startswith("This takes about 24 GB of disk, and 23.8 GB are")


def test_looking_at_a_machine_without_a_gpu(tmp_path):
    """The disk of a home that is not there yet is its parent's; engines are told by their environments."""
    found = look(
        Settings(home=tmp_path / "not" / "there"), monitor=NoGpus(), driver=None, host_memory_bytes=GIB
    )

    assert (found.card, found.problem) == (None, "There is no GPU here.")
    assert found.free_bytes > 0
    assert found.builds["echo-stt"] is None  # beside the hub


@pytest.mark.parametrize(
    ("sizes_gib", "larger"), [([4], None), ([4, 8, 8], 1), ([8, 4], None), ([8, 8], None), ([4, 6, 8], 2)]
)
def test_looking_at_a_machine_with_several_cards(tmp_path, sizes_gib, larger):
    """The first one counts; the largest is named if it is another one, and has more memory."""
    cards = tuple(
        replace(card(), index=n, uuid=f"GPU-{n}", total_bytes=size * GIB) for n, size in enumerate(sizes_gib)
    )

    monitor = NoGpus()
    monitor.devices = lambda: cards

    found = look(Settings(home=tmp_path), monitor=monitor, driver=None, host_memory_bytes=GIB)

    assert found.card == cards[0]
    assert found.larger_card == (None if larger is None else cards[larger])


def test_part_sizes_are_known():
    """Each part that the engines for a GPU can take has a size, or the sums are too small."""
    models = [
        model for it in known_engines() if it.devices[0] == "cuda" for model in it.models if model.parts
    ]
    parts = [part for model in models for part in model.parts]

    assert all(it.download_bytes for it in [*models, *parts])
