"""Steps of the check. Each raises AssertionError if its condition does not hold."""

import asyncio
import os
import signal
import statistics
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gpu_check.bench import TOLERANCE_BYTES, Bench, loop_s
from speechhub.engine import EngineOutOfMemoryError
from speechhub.errors import SpeechhubError
from speechhub.lifecycle.switches import Step as Phase
from speechhub.lifecycle.switches import Switch

SHARE: Final = 0.25
"""Of a cold turn that a turn with standby may take, at full size."""
GIVE_BACK_S: Final = 10.0
SMALL_BYTES: Final = 4_000_000_000
"""What a card of 4 GB has."""
DESKTOP_BYTES: Final = 280_000_000
"""What its driver and a desktop keep of it: 7 %."""
LEAK_BYTES: Final = 1_000_000
"""Growth from call to call that is none of a leak's."""
LONG_S: Final = 30.0

Values = dict[str, Any]


class CannotTryError(Exception):
    """This card, or this run, lacks something for a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to be checked."""

    name: str
    limit_s: float
    run: Callable[[Bench], Awaitable[Values]]


async def context(bench: Bench) -> Values:
    """How much a CUDA context takes, and that it comes back."""
    before = (await bench.now()).used_bytes
    async with bench.stranger() as stranger:
        await stranger.hold(0)
        taken = (await bench.now()).used_bytes - before
    await _comes_back(bench, before)
    _must(taken > 0, "a process with a CUDA context takes no memory")
    return {"context_bytes": taken}


async def load(bench: Bench) -> Values:
    """Load each model cold; have it work; end it. Time by phase, memory at each moment."""
    base = await bench.empty()
    found: Values = {}
    for target in bench.distinct:
        bench.watcher.reset()
        switch = await bench.turn(target, standby=False)
        warm_up = _warm_up([bench.warm_up_s(target)])
        loaded, load_peak = (await bench.now()).used_bytes - base, bench.watcher.most_bytes - base
        bench.watcher.reset()
        seconds = LONG_S if bench.plan.size == "full" else 2.0
        began = loop_s()
        await bench.work(target, seconds=seconds)
        long_s = loop_s() - began
        rate = await bench.work(target)
        peak = bench.watcher.most_bytes - base
        began = loop_s()
        await bench.manager.unload(target)
        await _comes_back(bench, base)
        found[target] = {
            **_phases(switch),
            "loaded_bytes": loaded,
            "peak_in_load_bytes": max(load_peak, loaded),
            "peak_at_work_bytes": max(peak, loaded),
            "given_back_s": loop_s() - began,
            **warm_up,
            "first_and_long_call_s": long_s,
            "seconds_for_each_second": rate,
        }
        _must(loaded > 0, f"{target} is loaded and takes no memory of the card")
    _must_be_alone(bench)
    return found


async def turns(bench: Bench) -> Values:
    """Turn to and fro, cold and with a worker that stands by; at most one of ours is ever on the card."""
    first, second, *_ = bench.subjects
    await bench.manager.switch_to(first)
    bench.watcher.reset()
    cold: dict[str, list[Switch]] = {first: [], second: []}
    warm: dict[str, list[Switch]] = {first: [], second: []}
    warm_ups: dict[str, list[float | None]] = {first: [], second: []}
    for _ in range(bench.plan.rounds):
        for kind, standby in ((cold, False), (warm, True)):
            for target in (second, first):
                kind[target].append(await bench.turn(target, standby=standby))
                warm_ups[target].append(bench.warm_up_s(target))
    found: Values = {"page_cache": "warm"}
    for target in (first, second):
        found[target] = {
            "cold_s": _median(cold[target]),
            "standby_s": _median(warm[target]),
            "share": _median(warm[target]) / _median(cold[target]),
            **_warm_up(warm_ups[target]),
            "cold": _steps(cold[target]),
            "standby": _steps(warm[target]),
        }
    if bench.plan.cold_cache:
        for target in (second, first):
            found[target]["dropped_bytes"] = _drop_from_cache(bench.subjects[target].folder)
            found[target]["cold_from_disk_s"] = (await bench.turn(target, standby=False)).total_s
    found["most_at_once"] = bench.watcher.most_at_once
    found["samples"] = bench.watcher.samples
    _must_be_alone(bench)
    if bench.plan.size == "full":
        slow = [target for target in (first, second) if found[target]["share"] > SHARE]
        _must(not slow, f"a turn with standby takes more than {SHARE} of a cold one: {', '.join(slow)}")
    return found


async def kill(bench: Bench) -> Values:
    """Kill -9 an engine at work, and one that loads; the next request is served."""
    first, second, *_ = bench.subjects
    if bench.manager.current_model(bench.device.name) == second:  # whichever is there
        first, second = second, first
    await bench.manager.switch_to(first)
    bench.watcher.reset()
    worker = bench.worker(first)
    working = asyncio.create_task(bench.work(first, seconds=LONG_S))
    await asyncio.sleep(0.05)
    os.killpg(worker.pid, signal.SIGKILL)
    _must(isinstance(await _outcome(working), SpeechhubError), "work of a killed engine came to an end")
    began = loop_s()
    await bench.work(first)
    found = {"back_after_work_s": loop_s() - began}
    loading = asyncio.create_task(bench.manager.switch_to(second))
    await _takes_memory(bench, second, loading)
    os.killpg(bench.worker(second).pid, signal.SIGKILL)
    failed = isinstance(await _outcome(loading), SpeechhubError)
    began = loop_s()
    await _served(bench, second)
    _must_be_alone(bench)
    return found | {"load_failed": failed, "back_after_load_s": loop_s() - began}


async def memory(bench: Bench) -> Values:
    """Let the card run full; the engine says so, or makes do, and works again when there is room."""
    found: Values = {}
    for target in _here_first(bench):
        await bench.manager.switch_to(target)
        async with bench.stranger() as stranger:
            await stranger.hold(0)
            # What is left is less than a call needs; what the engine has reserved it may still use.
            await stranger.hold(max((await bench.now()).free_bytes - 30_000_000, 0))
            outcome = await _outcome(asyncio.create_task(bench.work(target, seconds=LONG_S)))
        _must(
            outcome is None or isinstance(outcome, EngineOutOfMemoryError),
            f"{target}, out of memory: {type(outcome).__name__}: {outcome}",
        )
        await _served(bench, target)
        found[target] = "made do" if outcome is None else "said so"
    return found


async def stranger(bench: Bench) -> Values:
    """A stranger takes memory, and gives it, between turns; no request is refused while there is enough."""
    first, second, *_ = bench.subjects
    waits = []
    sizes = ((0, first), (300_000_000, second), (150_000_000, first), (450_000_000, second))
    async with bench.stranger() as other:
        for size, target in sizes[:2] if bench.plan.size == "tiny" else sizes:
            await other.hold(size)
            began = loop_s()
            await bench.work(target, seconds=2.0)
            waits.append(loop_s() - began)
    began = loop_s()
    await bench.work(target, seconds=2.0)  # the stranger is gone altogether
    return {"longest_s": max(waits), "after_s": loop_s() - began}


async def leak(bench: Bench) -> Values:
    """Call each engine again and again: what it holds stays the same."""
    found: Values = {}
    for target in _here_first(bench):
        held = []
        for _ in range(bench.plan.calls):
            await bench.work(target, seconds=2.0)
            report = bench.worker(target).report
            if report is not None and report.memory is not None:
                held.append(report.memory.allocated_bytes)
        _must(len(held) == bench.plan.calls, f"{target} does not tell what it holds")
        half = len(held) // 2
        grown = (statistics.median(held[half:]) - statistics.median(held[:half])) / max(half, 1)
        found[target] = {"calls": len(held), "grown_for_each_call_bytes": grown}
        _must(grown < LEAK_BYTES, f"{target} holds {grown:.0f} bytes more after each call")
    return found


async def small(bench: Bench) -> Values:
    """Let the card be one of 4 GB, a stranger holding the rest: each model does its work there."""
    base = await bench.empty()
    total = (await bench.now()).total_bytes
    if total < SMALL_BYTES:
        raise CannotTryError("the card is smaller")
    found: Values = {}
    async with bench.stranger() as other:
        await other.hold(0)
        await other.hold(max((await bench.now()).free_bytes - (SMALL_BYTES - DESKTOP_BYTES), 0))
        found["free_bytes"] = (await bench.now()).free_bytes
        for target in bench.distinct:
            bench.watcher.reset()
            rate = await bench.work(target, seconds=LONG_S if bench.plan.size == "full" else 2.0)
            left = total - bench.watcher.most_bytes
            found[target] = {"seconds_for_each_second": rate, "left_at_peak_bytes": left}
        await bench.empty()
    await _comes_back(bench, base)
    return found


STEPS: Final = {
    step.name: step
    for step in (
        Step(name="context", limit_s=60, run=context),
        Step(name="load", limit_s=240, run=load),
        Step(name="turns", limit_s=600, run=turns),
        Step(name="kill", limit_s=180, run=kill),
        Step(name="memory", limit_s=180, run=memory),
        Step(name="stranger", limit_s=180, run=stranger),
        Step(name="leak", limit_s=240, run=leak),
        Step(name="small", limit_s=240, run=small),
    )
}


def _must(condition: bool, problem: str) -> None:  # reads like an assertion
    if not condition:
        raise AssertionError(problem)


def _must_be_alone(bench: Bench) -> None:
    watcher = bench.watcher
    _must(watcher.silent < max(watcher.samples // 2, 1), "the driver was silent most of the time")
    _must(watcher.most_at_once <= 1, f"{watcher.most_at_once} of our processes were on the card at once")


async def _comes_back(bench: Bench, before: int) -> None:
    """Wait until no more is taken of the card than *before*."""
    end = loop_s() + GIVE_BACK_S
    while (taken := (await bench.now()).used_bytes - before) > TOLERANCE_BYTES:
        _must(loop_s() < end, f"{taken / 1e6:.0f} MB did not come back within {GIVE_BACK_S:.0f} s")
        await asyncio.sleep(0.02)


async def _outcome(task: "asyncio.Task[Any]") -> Exception | None:
    try:
        await task
    except Exception as error:  # noqa: BLE001  # what it was is looked at
        return error
    return None


async def _served(bench: Bench, target: str) -> None:
    """Work once; a failure before may have the model left alone for a moment."""
    for _ in range(20):
        error = await _outcome(asyncio.create_task(bench.work(target)))
        if error is None:
            return
        retry_s = getattr(error, "retry_after_s", None)
        _must(retry_s is not None, f"{target} does not serve again: {type(error).__name__}: {error}")
        await asyncio.sleep(min(float(retry_s or 1), 2.0))
    raise AssertionError(f"{target} does not serve again")


def _here_first(bench: Bench) -> list[str]:
    """Return the models that tell something new, the one that is on the card first."""
    here = bench.manager.current_model(bench.device.name)
    if here is not None and len(bench.distinct) == 1:
        return [here]  # its twin, perhaps, which spares a turn
    return sorted(bench.distinct, key=lambda target: target != here)


async def _takes_memory(bench: Bench, target: str, loading: "asyncio.Task[Any]") -> None:
    """Wait until a model that comes has begun to take memory of the card, or is there."""
    free_of_all: int | None = None
    while not loading.done():
        epoch = bench.manager.state(target).epoch
        if epoch is not None and bench.manager._workers.get(epoch) is not None:  # noqa: SLF001
            taken = (await bench.now()).used_bytes
            free_of_all = taken if free_of_all is None else min(free_of_all, taken)
            if taken - free_of_all > TOLERANCE_BYTES:
                return
        await asyncio.sleep(0.005)


def _median(switches: list[Switch]) -> float:
    return statistics.median(switch.total_s for switch in switches)


def _phases(switch: Switch) -> Mapping[str, float]:
    return {f"{phase}_s": switch.steps_s[phase] for phase in (Phase.START, Phase.IMPORT, Phase.LOAD)}


def _warm_up(taken_s: list[float | None]) -> dict[str, float]:
    """Return the median of warm-ups, which are part of a load; nothing where they were left out."""
    known = [it for it in taken_s if it is not None]
    return {"warm_up_s": statistics.median(known)} if known else {}


def _steps(switches: list[Switch]) -> dict[str, float]:
    return {f"{step}_s": statistics.median(it.steps_s[step] for it in switches) for step in Phase}


def _drop_from_cache(folder: Path) -> int:
    """Have the kernel forget what it has of the files; return how much that was, at most."""
    dropped = 0
    for path in folder.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fdatasync(fd)  # what is not on the disk yet is not forgotten
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)
            dropped += path.stat().st_size
    return dropped
