"""Workers' processes and models' files: carries out the scheduler's effects on them, and reports events."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from speechhub.engine import LoadContext, Slot, Voice
from speechhub.environments.prebuild import prebuilt_dir
from speechhub.errors import EngineLoadError, GpuMemoryError, SpeechhubError
from speechhub.lifecycle.gpu_memory import GpuMemory
from speechhub.lifecycle.host_memory import available_bytes
from speechhub.lifecycle.incidents import load_failed, load_too_slow, worker_ended
from speechhub.lifecycle.launch import Launch
from speechhub.lifecycle.scheduler.events import (
    Event,
    Exited,
    Fetched,
    FetchFailed,
    Freed,
    Loaded,
    LoadFailed,
    NotFreed,
)
from speechhub.lifecycle.standby import Standbys
from speechhub.lifecycle.switches import Cause, Result, Step, SwitchLog
from speechhub.placement import Placement
from speechhub.worker.host import Worker

log = structlog.get_logger()


class Workers:
    """The worker processes of one manager; decides nothing about devices.

    Each effect runs in a task of its own and ends with exactly one event, which goes to *post*.
    """

    def __init__(
        self,
        placements: Mapping[str, Placement],
        *,
        post: Callable[[Event], None],
        launch: Launch,
        gpu_memory: GpuMemory | None,
    ) -> None:
        """Start nothing yet.

        Args:
            placements: Every model that can be served, by id.
            post: Takes the events.
            launch: What workers are launched with.
            gpu_memory: Proves that a GPU's memory is free; None if the end of a process counts as proof.
        """
        self.switches = SwitchLog()
        self.standbys = Standbys(launch.starter, mode=launch.standby, available_bytes=available_bytes)
        """Where loads find workers that are prepared."""
        self._placements = placements
        self._post = post
        self._launch = launch
        self._pools = launch.pools
        self._gpu_memory = gpu_memory
        self._running: dict[int, Worker] = {}
        self._loads: dict[int, asyncio.Task[None]] = {}
        self._load_began: dict[int, float] = {}
        self._stops: dict[int, float] = {}
        """Workers that were told to stop and still exist → since when."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._folders: dict[str, Path | None] = {}
        self._work_dirs: dict[str, Path | None] = {}
        self._prebuilt: dict[str, Path | None] = {}
        self._voices: dict[str, tuple[Voice, ...]] = {}
        self._remarks: dict[str, tuple[str, ...]] = {}
        self._last_two: dict[str, list[str]] = {}
        """Device → the last two models that were ready there, the newest last."""

    def get(self, epoch: int) -> Worker | None:
        """Return a worker by its number; None if it is gone."""
        return self._running.get(epoch)

    def voices(self, model: str) -> tuple[Voice, ...]:
        """Return the voices that a model's engine reported; empty until it was loaded."""
        return self._voices.get(model, ())

    def remarks(self, model: str) -> tuple[str, ...]:
        """Return what a model's engine remarked at its last load; empty until it was loaded."""
        return self._remarks.get(model, ())

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run *work* in a task that `close` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Break off loads, end every worker, and wait for every task."""
        self._gpu_memory = None  # nothing will be loaded after this
        await self.standbys.close()
        for load in self._loads.values():
            load.cancel()
        await asyncio.gather(*self._loads.values(), return_exceptions=True)
        await asyncio.gather(
            *(worker.stop(grace_s=self._launch.stop_timeout_s) for worker in list(self._running.values()))
        )
        while tasks := set(self._tasks):
            await asyncio.gather(*tasks, return_exceptions=True)
            # From Python 3.12 on, gather() does not yield when all are done already, and the callbacks that
            # discard them would never run.
            self._tasks -= tasks
        await self.standbys.close()  # a load that was ready a moment before may have asked for another one

    # ── Effects ──────────────────────────────────────────────────────────────

    def fetch(self, model: str) -> None:
        """Put the model's files in place; ends with Fetched or FetchFailed."""
        self.spawn(self._do_fetch(model))

    def load(self, model: str, epoch: int, cause: Cause) -> None:
        """Start a worker, or take one that stands by, and load the model; ends with Loaded or LoadFailed."""
        self.switches.coming(epoch, self._placements[model].device.name, model, cause, _now())
        self._loads[epoch] = self.spawn(self._do_load(model, epoch))

    def stop(self, model: str, epoch: int, *, kill: bool) -> None:
        """End a worker; ends with Exited, once it is reaped."""
        self.spawn(self._do_stop(model, epoch, kill=kill))

    def verify(self, model: str, epoch: int, *, wanted: Collection[str]) -> None:
        """Prove that the device has its memory back, with room for *wanted*; ends with Freed or NotFreed."""
        self.spawn(self._do_verify(model, epoch, wanted))

    async def _do_verify(self, model: str, epoch: int, wanted: Collection[str]) -> None:
        device, began = self._placements[model].device.name, _now()
        try:
            if self._gpu_memory is not None:
                await self._gpu_memory.freed(device, wanted)
        except GpuMemoryError as error:
            log.error("memory is not free", device=device, model=model, error=str(error))
            self.switches.vacant(device)
            self._post(NotFreed(model=model, epoch=epoch, error=error))
        else:
            self.switches.left(device, model, Step.VERIFY, began, _now())
            self._post(Freed(model=model, epoch=epoch))

    async def _do_fetch(self, model: str) -> None:
        try:
            placement = self._placements[model]
            self._folders[model] = await self._pools.files.run(self._launch.fetch, placement)
            self._prebuilt[model] = await self._pools.files.run(prebuilt_dir, placement.engine)
            self._work_dirs[model] = await self._pools.files.run(self._launch.work_dir, placement)
        except SpeechhubError as error:
            log.error("model files are not available", model=model, error=str(error))
            self._post(FetchFailed(model=model, error=error))
        except Exception as error:
            log.exception("fetching model files failed", model=model)
            failure = EngineLoadError(f"The files of model {model!r} cannot be read; see the server's log.")
            failure.__cause__ = error
            self._post(FetchFailed(model=model, error=failure))
        else:
            self._post(Fetched(model=model))

    async def _do_load(self, model: str, epoch: int) -> None:
        placement = self._placements[model]
        say = log.bind(
            model=model, engine=placement.engine.spec.name, device=placement.device.name, epoch=epoch
        )
        began = self._load_began[epoch] = _now()
        self._remarks.pop(model, None)
        say.info("engine loading")
        result = Result.FAILED
        try:
            worker = await self._bring_up(placement, epoch)
        except SpeechhubError as error:
            load_failed(placement, error, epoch=epoch)
            self._post(LoadFailed(model=model, epoch=epoch, error=error))
        except Exception as error:  # noqa: BLE001  # or the waiting requests would wait for ever
            say.exception("engine failed to load", error=type(error).__name__)
            failure = EngineLoadError(f"Model {model!r} cannot be loaded; see the server's log.")
            failure.__cause__ = error
            self._post(LoadFailed(model=model, epoch=epoch, error=failure))
        else:
            result = Result.READY
            self._voices[model] = tuple(worker.voices)
            self._remarks[model] = tuple(worker.remarks)
            say.info("engine ready", pid=worker.pid, load_s=_since(began))
            self._post(Loaded(model=model, epoch=epoch))
        finally:
            self._loads.pop(epoch, None)
            self._load_began.pop(epoch, None)
            self.switches.over(epoch, placement.device.name, result, _now())
        if result is Result.READY and placement.device.exclusive:
            self._have_next_stand_by(placement)

    async def _bring_up(self, placement: Placement, epoch: int) -> Worker:
        """Return a worker that has loaded its model; if that fails, no process is left."""
        began = _now()
        gpu_memory = self._gpu_memory if placement.device.verified else None
        if gpu_memory is not None:
            await gpu_memory.before_load(placement.device.name)
        worker = await self.standbys.take(placement)
        if worker is not None:
            try:
                return await self._load_on(worker, placement, epoch, began, gpu_memory)
            except SpeechhubError:
                if worker.ended is None or worker.ended.requested:
                    raise
                # It may have died a moment before, while it stood by: that is not the model's fault.
                if gpu_memory is not None:
                    await gpu_memory.freed(placement.device.name, [placement.model.id])
        try:
            return await self._load_on(None, placement, epoch, began, gpu_memory)
        except EngineLoadError as error:
            if not error.again:
                raise
            log.warning(
                "engine lost its device while loading; starting it again",
                model=placement.model.id,
                cause=error.cause,
            )
            if gpu_memory is not None:
                await gpu_memory.freed(placement.device.name, [placement.model.id])
        return await self._load_on(None, placement, epoch, began, gpu_memory)

    async def _load_on(
        self,
        standby: Worker | None,
        placement: Placement,
        epoch: int,
        began: float,
        gpu_memory: GpuMemory | None,
    ) -> Worker:
        """Have a worker load its model: a standby worker, or a new one."""
        device, stood_by = placement.device, standby is not None
        worker = standby or await self._launch.starter(placement, epoch)
        worker.adopt(epoch)
        self.switches.came(epoch, Step.START, _now() - began, standby=stood_by)
        self._running[epoch] = worker
        worker.exited.add_done_callback(lambda _: self._left_by(worker, placement.model.id, epoch))
        try:
            memory_bytes = await gpu_memory.free_bytes(device.name) if gpu_memory is not None else None
            cache_dir = await self._pools.disk.run(self._launch.cache_dir, placement)
            context = replace(self._context(placement), cache_dir=cache_dir, memory_bytes=memory_bytes)
            await worker.load(context)
            self.switches.came(epoch, Step.IMPORT, worker.import_s)
            self.switches.came(epoch, Step.LOAD, worker.load_s)
            if gpu_memory is not None:
                await gpu_memory.after_load(device.name, placement.model.id, worker.pid)
        except Exception:  # whatever it was: after LoadFailed the scheduler counts the device as empty
            await worker.stop(grace_s=self._launch.stop_timeout_s)
            self._running.pop(epoch, None)  # LoadFailed reports its end
            raise
        return worker

    def _context(self, placement: Placement) -> LoadContext:
        """Return what is known about a load before a worker begins it."""
        return LoadContext(
            model=placement.model.id,
            model_dir=self._folders.get(placement.model.id),
            work_dir=self._work_dirs.get(placement.model.id),
            prebuilt_dir=self._prebuilt.get(placement.model.id),
            device=placement.device.name,
            threads=self._launch.threads,
            options=placement.options,
        )

    def _have_next_stand_by(self, ready: Placement) -> None:
        """Prepare the model that is likely next on the device: the last other one, or a default."""
        device = ready.device.name
        last_two = self._last_two.setdefault(device, [])
        before = [model for model in last_two if model != ready.model.id]
        self._last_two[device] = last_two = [*before[-1:], ready.model.id]
        others = [self._launch.defaults.get(slot) for slot in Slot if slot is not ready.slot]
        for following in last_two[:1] if len(last_two) > 1 else others:
            placement = self._placements.get(following or "")
            if placement is None or placement.device.name != device or placement.model.id == ready.model.id:
                continue
            if self._launch.may_load(placement):
                self.standbys.prepare(placement, self._context(placement))
                return

    async def _do_stop(self, model: str, epoch: int, *, kill: bool) -> None:
        began = self._stops[epoch] = _now()
        load = self._loads.get(epoch)
        if load is not None:
            if kill:
                load_too_slow(
                    self._placements[model],
                    epoch=epoch,
                    step="start" if epoch not in self._running else "load",
                    after_s=_since(self._load_began[epoch]),
                )
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
        worker = self._running.get(epoch)
        if worker is not None:
            if kill:
                worker.kill()
            await worker.stop(grace_s=self._launch.stop_timeout_s)
        log.info("engine unloaded", model=model, epoch=epoch, stop_s=_since(began))
        self.gone(model, epoch)

    def _left_by(self, worker: Worker, model: str, epoch: int) -> None:
        if self._running.get(epoch) is worker:  # otherwise another worker has its number by now
            self.gone(model, epoch)

    def gone(self, model: str, epoch: int) -> None:
        """Record and report once that a worker has ended; called by the first part that notices."""
        worker = self._running.pop(epoch, None)
        end = worker.ended if worker is not None else None
        if epoch in self._loads:  # LoadFailed reports more, or `_do_stop` calls this again
            return
        if end is not None and not end.requested:
            worker_ended(self._placements[model], epoch=epoch, end=end)
        if end is not None:
            self._stops.setdefault(epoch, _now())
        stop_began = self._stops.pop(epoch, None)
        if stop_began is not None:
            device = self._placements[model].device.name
            self.switches.left(device, model, Step.STOP, stop_began, _now())
        if worker is not None or stop_began is not None:
            self._post(Exited(model=model, epoch=epoch))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _since(began: float) -> float:
    return round(_now() - began, 3)
