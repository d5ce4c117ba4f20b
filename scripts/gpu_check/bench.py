"""Workbench of all steps: the card, the manager, its workers, and a watcher of the card."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gpu_check.cards import Card
from gpu_check.subjects import HERE, Subject
from gpu_check.timed import warm_up_s
from gpu_check.watcher import Watcher
from speechhub.engine import Slot
from speechhub.gpu.values import GpuSample
from speechhub.lifecycle.launch import Launch, start_worker
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.switches import Switch
from speechhub.placement import Placement
from speechhub.worker.host import Worker

TWIN: Final = "-twin"
"""Ends the name of a model's second self: a turn needs two."""
END_S: Final = 5.0
"""For a process that was killed, and for the manager at the end."""
TOLERANCE_BYTES: Final = 64 * 1024**2
"""As for the manager's proof: drivers' own use of a GPU swings by some megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for."""

    size: str
    """``full`` or ``tiny``."""
    rounds: int
    """Turns to and fro, cold and with standby."""
    calls: int
    """For the look at leaks."""
    pretended: bool
    cold_cache: bool
    """Whether to measure a turn whose files are not in the page cache, too."""


class Bench:
    """Lives as long as the check."""

    def __init__(self, card: Card, subjects: Sequence[Subject], plan: Plan, folder: Path) -> None:
        """Start nothing yet.

        Args:
            card: That is checked.
            subjects: At least two models, the first of which is turned to most.
            plan: What was asked for.
            folder: That may be written to.
        """
        self.card = card
        self.subjects = {it.target: it for it in subjects}
        self.device = subjects[0].placement.device
        """That all models take turns on."""
        self.plan = plan
        self._folder = folder
        self.workers: list[Worker] = []
        """All that were ever started."""
        self.watcher = Watcher(card.sample, lambda: [it.pid for it in self.workers])
        placements = {name: it.placement for name, it in self.subjects.items()}
        defaults = {it.placement.slot: it.target for it in reversed(subjects)}
        patience_s = 300.0  # steps have limits of their own
        self.manager = Manager(
            placements,
            limits=Limits(switch_timeout_s=patience_s, first_load_timeout_s=patience_s, idle_unload_s=0),
            launch=Launch(
                fetch=lambda placement: placement.path,
                starter=self._start,
                work_dir=lambda placement: self._work_dir(placement.model.id),
                defaults={slot: defaults.get(slot) for slot in Slot},
                threads=0 if plan.size == "full" else 1,
            ),
            look=lambda _: card.sample(),
        )

    def _work_dir(self, target: str) -> Path:
        """Return the folder of one model: what it notes of a card must not be taken for another's."""
        folder = self._folder / target
        folder.mkdir(exist_ok=True)
        return folder

    async def _start(self, placement: Placement, epoch: int) -> Worker:
        worker = await start_worker(placement, epoch)
        self.workers.append(worker)
        return worker

    async def now(self) -> GpuSample:
        """Look at the card.

        Raises:
            AssertionError: The driver does not answer.
        """
        if (sample := await asyncio.to_thread(self.card.sample)) is None:
            raise AssertionError("the driver does not answer")
        return sample

    async def work(self, target: str, *, seconds: float = 5.0) -> float:
        """Have a model work once, whatever is on the card; return the time for each second of sound."""
        subject = self.subjects[target]
        async with self.manager.lease(target) as worker:
            began = loop_s()
            sound_s = await subject.work(worker, seconds=seconds)
            return (loop_s() - began) / sound_s

    def warm_up_s(self, target: str) -> float | None:
        """Return how long the warm-up in the last load of a model took; None if it was left out."""
        return warm_up_s(self._work_dir(target))

    async def turn(self, target: str, *, standby: bool) -> Switch:
        """Make a model ready, with a worker that stands by, or without; the other one is on the card."""
        workers = self.manager._workers  # noqa: SLF001  # only this program says when
        if standby:
            workers.standbys._mode = "on"  # noqa: SLF001
            there = self.manager.current_model(self.device.name)
            if there is None:
                raise AssertionError("no worker stands by for a card that is free")
            workers._last_two[self.device.name] = [target, there]  # noqa: SLF001
            workers._have_next_stand_by(self.subjects[there].placement)  # noqa: SLF001
            await self.manager.standbys_settled()
            workers.standbys._mode = "off"  # noqa: SLF001
        await self.manager.switch_to(target)
        switch = self.manager.switches.recent[-1]
        if switch.target != target or switch.standby is not standby:
            raise AssertionError(f"the turn to {target} came {'without' if standby else 'from'} a standby")
        return switch

    @property
    def distinct(self) -> list[str]:
        """All models but the one that is there for there to be two."""
        return [name for name in self.subjects if not name.endswith(TWIN)]

    def worker(self, target: str) -> Worker:
        """Return the worker that has a model."""
        epoch = self.manager.state(target).epoch
        found = self.manager._workers.get(epoch) if epoch is not None else None  # noqa: SLF001
        if found is None:
            raise AssertionError(f"{target} is not loaded")
        return found

    async def empty(self) -> int:
        """End all workers; return what is taken of the card then."""
        for target in self.subjects:
            await self.manager.unload(target)
        await self.manager.standbys_settled()
        return (await self.now()).used_bytes

    @contextlib.asynccontextmanager
    async def stranger(self) -> "AsyncIterator[Stranger]":
        """Run a process that is none of ours and uses the card, in the first engine's environment."""
        python = next(iter(self.subjects.values())).placement.engine.python
        process = await asyncio.create_subprocess_exec(
            str(sys.executable if self.plan.pretended else python),
            str(HERE / "stranger.py"),
            self.device.name,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=None if not self.plan.pretended else dict(self.card.environment),
            start_new_session=True,  # Ctrl-C is for us
        )
        try:
            yield Stranger(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):  # a broken driver may keep it
                await asyncio.wait_for(process.wait(), END_S)

    async def close(self) -> None:
        """End everything."""
        await self.manager.close(timeout_s=END_S)


class Stranger:
    """Takes and gives memory of the card."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hold(self, size_bytes: int) -> None:
        """Hold so much, beside a CUDA context, in place of what was held.

        Raises:
            AssertionError: It could not.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: PT018  # both are pipes
        with contextlib.suppress(ConnectionError):  # it says nothing then
            stdin.write(f"{size_bytes}\n".encode())
            await stdin.drain()
        answer = (await stdout.readline()).decode().strip()
        if answer != "ok":
            raise AssertionError(f"a stranger could not take {size_bytes} bytes: {answer or 'it ended'}")


def loop_s() -> float:
    """Return the time of the event loop's clock, in seconds."""
    return asyncio.get_running_loop().time()
