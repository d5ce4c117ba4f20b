"""The program that meets a GPU for us: what it notices, and what it says of it."""

import asyncio
import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

from gpu_check import __main__ as program  # noqa: E402 - the path comes first
from gpu_check import steps  # noqa: E402
from gpu_check.report import Outcome, Report, summary  # noqa: E402
from gpu_check.steps import CannotTryError, Step  # noqa: E402
from gpu_check.subjects import kinds  # noqa: E402
from gpu_check.watcher import Watcher  # noqa: E402

from speechhub.gpu.values import GpuSample  # noqa: E402

HELD, FAILED = True, False
ABOUT = {"card": "a card", "size": "tiny", "engines": ["qwen-asr"], "models": [], "warm_up": "left out"}


def sample(used=100, **processes):
    held = {int(name[1:]): size for name, size in processes.items()}
    return GpuSample(used_bytes=used, free_bytes=1000 - used, total_bytes=1000, processes=held)


@pytest.fixture
def watcher():
    return Watcher(lambda: None, lambda: [1, 2])


def test_two_of_ours_at_once_are_noticed(watcher):
    """Strangers are none of ours, and one after the other is right."""
    for look in (sample(p1=5, p9=5), sample(p2=5, p8=5)):
        watcher.see(look)
    assert (watcher.most_at_once, watcher.seen) == (1, {1, 2})
    steps._must_be_alone(SimpleNamespace(watcher=watcher))

    watcher.see(sample(p1=5, p2=None))

    with pytest.raises(AssertionError, match="2 of our processes"):
        steps._must_be_alone(SimpleNamespace(watcher=watcher))


def test_most_memory_is_remembered_until_it_is_to_be_forgotten(watcher):
    for used in (10, 700, 20):
        watcher.see(sample(used))
    assert watcher.most_bytes == 700

    watcher.reset()
    watcher.see(sample(30))

    assert (watcher.most_bytes, watcher.samples) == (30, 1)


def test_silent_driver_proves_nothing(watcher):
    for look in (None, None, sample()):
        watcher.see(look)

    with pytest.raises(AssertionError, match="silent"):
        steps._must_be_alone(SimpleNamespace(watcher=watcher))


def test_watcher_looks_until_it_is_stopped():
    looks = []
    enough = threading.Event()

    def look():
        looks.append(sample())
        if len(looks) == 3:
            enough.set()

    watcher = Watcher(look, list)
    watcher.start()
    assert enough.wait(20)
    watcher.stop()

    seen = len(looks)
    assert watcher.samples == seen


def outcome(name, held, /, **values):
    return Outcome(name=name, held=held, took_s=1.5, limit_s=60, values=values, problem="" if held else "why")


@pytest.mark.parametrize(
    ("held", "all_held"),
    [([True, True], True), ([True, None], True), ([True, False], False), ([None], False), ([], False)],
)
def test_all_held_if_none_failed_and_one_held(held, all_held):
    report = Report(ABOUT)
    for number, one in enumerate(held):
        report.add(outcome(str(number), one))

    assert report.held is all_held


def test_report_is_read_back_and_amended(tmp_path):
    """``--only`` and ``--resume`` go on where a report of the same card, size and engines ended."""
    path = tmp_path / "gpu-report.json"
    first = Report(ABOUT)
    first.add(outcome("load", HELD, peak_bytes=5))
    first.add(outcome("turns", FAILED))
    first.write(path)

    again = Report(ABOUT | {"when": "later"})
    again.read(path)
    assert (again.has_held("load"), again.has_held("turns"), again.has_held("leak")) == (True, False, False)
    again.add(outcome("turns", HELD))
    again.write(path)

    content = json.loads(path.read_text())
    assert content["format"] == 1
    assert content["when"] == "later"
    assert [(step["name"], step["held"]) for step in content["steps"]] == [("load", True), ("turns", True)]
    assert content["steps"][0]["values"] == {"peak_bytes": 5}


@pytest.mark.parametrize(
    "change", [{"card": "other"}, {"size": "full"}, {"engines": []}, {"models": ["x"]}, {"format": 0}]
)
def test_report_of_something_else_counts_for_nothing(tmp_path, change):
    path = tmp_path / "gpu-report.json"
    first = Report(ABOUT)
    first.add(outcome("load", HELD))
    first.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    again = Report(ABOUT)
    again.read(path)

    assert not again.has_held("load")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1, "steps": [{}]}'])
def test_report_that_is_none_counts_for_nothing(tmp_path, text):
    path = tmp_path / "gpu-report.json"
    path.write_text(text)

    again = Report(ABOUT)
    again.read(path)
    again.read(tmp_path / "nowhere")

    assert not again.held


def test_table_can_be_pasted():
    report = Report(ABOUT)
    report.add(outcome("load", HELD, m={"peak_bytes": 2_500_000, "load_s": 1.23456, "deep": {"x": 1}}, n="x"))
    report.add(outcome("leak", FAILED))
    report.add(outcome("small", None))

    assert report.table().splitlines()[2:] == [
        "| load | ok | 1.5 | m (peak 2 MB; load_s 1.23); n x |",
        "| leak | FAILED | 1.5 | why |",
        "| small | skipped | 1.5 | why |",
        "",
        "Warm-up of the engines: left out.",
    ]
    assert summary({"a": [1, 2.0], "b": True, "c": None}) == "a 1, 2; b True; c None"


@pytest.mark.parametrize(
    ("error", "held", "problem"),
    [
        (AssertionError("two at once"), False, "two at once"),
        (CannotTryError("too small"), None, "too small"),
        (OSError(28, "No space left on device"), False, "OSError: [Errno 28] No space left on device"),
        (TimeoutError("of another kind"), False, "TimeoutError: of another kind"),
        (None, True, ""),
    ],
)
async def test_step_ends_as_it_went(error, held, problem):
    async def run(bench):
        if error:
            raise error
        return {"a": 1}

    found = await program._run(Step(name="s", limit_s=60, run=run), None)

    assert (found.held, found.problem) == (held, problem)
    assert found.values == ({} if error else {"a": 1})


async def test_step_that_takes_too_long_fails():
    async def run(bench):
        await asyncio.Event().wait()

    found = await program._run(Step(name="s", limit_s=0, run=run), None)

    assert (found.held, found.problem) == (
        False,
        "not done after 0 s; --only s --verbose shows where it stops",
    )


def test_memory_that_does_not_come_back_is_noticed(monkeypatch):
    monkeypatch.setattr(steps, "GIVE_BACK_S", 0)

    async def now():
        return sample(used=100_000_000)

    bench = SimpleNamespace(now=now)

    with pytest.raises(AssertionError, match="90 MB did not come back"):
        asyncio.run(steps._comes_back(bench, 10_000_000))
    asyncio.run(steps._comes_back(bench, 100_000_000 - steps.TOLERANCE_BYTES))


def test_engines_are_described_without_their_packages():
    """Their names, and those of the modules that write and pretend them, are right."""
    for name, kind in kinds().items():
        assert kind.spec.name == name
        assert set(kind.models) <= {model.id for model in kind.spec.models}
        for part in ("write", "engine"):
            assert (ROOT / "scripts" / "gpu_check" / f"{part}_{kind.module}.py").is_file()
