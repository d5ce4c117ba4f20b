"""The manager: owns all workers, and is the only way for other modules to reach them."""

import asyncio
import itertools
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import structlog

from speechhub.engine import DeviceMemory, Slot, Voice
from speechhub.errors import ModelNotFoundError, NoDefaultModelError
from speechhub.lifecycle.effects import EngineEffects
from speechhub.lifecycle.engine_memory import EngineMemory
from speechhub.lifecycle.gpu_memory import GpuMemory
from speechhub.lifecycle.launch import Launch
from speechhub.lifecycle.leases import Leases
from speechhub.lifecycle.loop import Observer, SchedulerLoop
from speechhub.lifecycle.scheduler.events import PinWanted, Requested, ShutdownWanted, UnloadWanted, Unpinned
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.scheduler import Scheduler
from speechhub.lifecycle.scheduler.served_model import ModelActivity
from speechhub.lifecycle.scheduler.states import Phase, PublicState, public_state
from speechhub.lifecycle.shared_call import CallPart, PartAnswer
from speechhub.lifecycle.switches import SwitchLog
from speechhub.lifecycle.vacancy import Look
from speechhub.lifecycle.workers import Workers
from speechhub.placement import Placement
from speechhub.worker.host import Worker

log = structlog.get_logger()


class Manager:
    """Keeps engines on their devices; one for each server, used on one event loop.

    Every change goes through the scheduler as an event; no decision is ever based on a state that was read.
    """

    def __init__(
        self,
        placements: Mapping[str, Placement],
        *,
        limits: Limits,
        launch: Launch,
        cancel_grace_s: float = 5.0,
        look: Callable[[int], Look | None] | None = None,
    ) -> None:
        """Begin without workers; none starts before it is asked for.

        Args:
            placements: Every model that can be served, by id.
            limits: Bounds for the scheduler.
            launch: What workers are launched with.
            cancel_grace_s: How long an engine may take to notice that its call was cancelled.
            look: Blocking; looks at the GPU of this index; if None, the end of a process counts as proof that
                its memory is free.
        """
        self.placements = dict(placements)
        self._launch = launch
        self._scheduler = Scheduler(self.placements, limits)
        self._loop = SchedulerLoop(self._scheduler)
        self._workers = Workers(
            self.placements,
            post=self._loop.post,
            launch=launch,
            gpu_memory=GpuMemory(look, described_bytes=self._described_bytes, pool=launch.pools.drivers)
            if look
            else None,
        )
        self.engine_memory = EngineMemory(self._loop.post)
        """Memory that engines hold from call to call."""
        self._leases = Leases(
            self._workers,
            placements=self.placements,
            post=self._loop.post,
            called=self.engine_memory.called,
            cancel_grace_s=cancel_grace_s,
        )
        self._loop.start(EngineEffects(self._scheduler, self._workers, self._leases, self.placements))
        self._numbers = itertools.count(1)
        self._closing: asyncio.Task[None] | None = None

    # ── Looking ──────────────────────────────────────────────────────────────

    def states(self) -> list[ModelActivity]:
        """Return what is going on around every model."""
        return self._scheduler.states()

    def state(self, model: str) -> ModelActivity:
        """Return what is going on around one model."""
        return self._scheduler.state(model)

    def public_state(self, device: str) -> str:
        """Return what *device* is doing, as users see it; of several engines, the `current_model`'s."""
        current = self.current_model(device)
        if current is not None:
            return self.placements[current].slot.public_state
        phases = [state.phase for state in self.states() if self._is_on(state.model, device)]
        shown = {public_state(phase, "") for phase in phases}
        return next((state for state in PublicState if state in shown), PublicState.NONE)

    def current_model(self, device: str) -> str | None:
        """Return the model that is ready on *device*; of several, one that is working or worked last."""
        here = [s for s in self.states() if s.phase is Phase.READY and self._is_on(s.model, device)]
        return max(here, key=lambda s: (s.busy, s.used or 0.0)).model if here else None

    def ready_models(self, device: str) -> list[str]:
        """Return all models that are ready on *device*, by name."""
        return sorted(
            s.model for s in self.states() if s.phase is Phase.READY and self._is_on(s.model, device)
        )

    def voices(self, model: str) -> tuple[Voice, ...]:
        """Return the voices of a model: its engine's once it was loaded, its spec's before."""
        return self._workers.voices(model) or self.placements[model].model.voices

    def device_note(self, model: str) -> str:
        """Return why a model is not on a better device, and what its engine reported at its last load."""
        note = self.placements[model].device_note
        return " ".join(filter(None, (note, *self._workers.remarks(model))))

    def memory(self, model: str) -> DeviceMemory | None:
        """Return the device memory that the model's worker last reported; None if it reported nothing."""
        return self.engine_memory.memory(model, self.state(model).epoch)

    def wait_s(self, model: str) -> float:
        """Return how long a request that comes now for *model* will wait, in seconds, as predicted."""
        return self._scheduler.wait_s(model, asyncio.get_running_loop().time())

    def switch_s(self, device: str) -> float:
        """Return how long a switch on *device* takes, in seconds: the running mean, or a first guess."""
        return self._scheduler.switch_s(device)

    def standby(self, device: str) -> str | None:
        """Return the model of the standby worker of *device*, even one in preparation; None if none."""
        return self._workers.standbys.model(device)

    def observe(self, observer: Observer) -> None:
        """Have *observer* called with every event, what follows from it, and the time; it must be quick."""
        self._loop.observe(observer)

    async def standbys_settled(self) -> None:
        """Return when no standby worker is in preparation any more."""
        await self._workers.standbys.settle()

    @property
    def switches(self) -> SwitchLog:
        """The last switches, and how long each of their steps took."""
        return self._workers.switches

    # ── Using ────────────────────────────────────────────────────────────────

    def lease(
        self,
        model: str,
        *,
        front: bool = False,
        begun: bool = False,
        spare: bool = False,
        size: float = 0.0,
        deadline: float = math.inf,
    ) -> AbstractAsyncContextManager[Worker]:
        """Wait for the engine that serves *model*, and use it alone.

        Args:
            model: Id of the model.
            front: Go before all waiting requests; for work whose worker crashed.
            begun: Whether it continues a request that had its turn before: a full queue does not refuse it.
            spare: Whether it is refused unless it can begin in this moment, without delaying any request.
            size: How much work it is: seconds of audio to transcribe, or characters to speak; 0 is unknown.
            deadline: Until when it may wait, by the event loop's clock.

        Raises:
            NotIdleError: It is *spare*, and the engine is not ready and idle, or a request waits.
            UnavailableError: The queue is full, the engine was not ready in time, or the server stops.
            ModelFilesError: The model's files are not available.
            EngineLoadError: The engine cannot load the model.
        """
        return self._leases.lease(
            Requested(
                ticket=next(self._numbers),
                model=model,
                front=front,
                begun=begun,
                spare=spare,
                size=size,
                deadline=deadline,
            )
        )

    async def transcribe(
        self,
        model: str,
        part: CallPart,
        *,
        front: bool = False,
        begun: bool = False,
        spare: bool = False,
        deadline: float = math.inf,
    ) -> PartAnswer:
        """Wait for the engine that serves *model*, and have it transcribe, in one call with other requests.

        Requests that wait behind it share the call if the engine takes that many recordings. A recording
        whose worker crashed is tried again alone, so that it cannot fail other requests with it.

        Args:
            model: Id of the model.
            part: What to transcribe; all of it goes into one call.
            front: As for `lease`.
            begun: As for `lease`.
            spare: As for `lease`; its call is not shared.
            deadline: As for `lease`.

        Raises:
            UnavailableError, ModelFilesError, EngineLoadError: As for `lease`.
            EngineError: The subclass says whether the engine failed, or its process.
            RequestError: The engine refused a value.
        """
        lengths_s = tuple(request.audio.duration_s for request in part.recordings)
        request = Requested(
            ticket=next(self._numbers),
            model=model,
            front=front,
            begun=begun,
            spare=spare,
            size=sum(lengths_s),
            deadline=deadline,
            recordings_s=() if front else lengths_s,
        )
        return await self._leases.share(request, part)

    async def switch_to(self, model: str, *, deadline: float = math.inf, for_client: bool = False) -> None:
        """Make *model* ready on its device, as soon as earlier work is done.

        Args:
            model: Id of the model.
            deadline: As for `lease`.
            for_client: Whether a client's request will use it, and not an operator wants it.

        Raises:
            UnavailableError, ModelFilesError, EngineLoadError: As for `lease`.
        """
        await self._leases.wait(
            Requested(
                ticket=next(self._numbers),
                model=model,
                keep_warm=True,
                for_client=for_client,
                deadline=deadline,
            )
        )

    async def switch_slot(self, slot: Slot, model: str | None = None) -> str:
        """Make a model of *slot* ready, by default its default model; return the model's id.

        Raises:
            ModelNotFoundError: The slot has no such model, or no default.
            UnavailableError, ModelFilesError, EngineLoadError: As for `lease`.
        """
        wanted = self._launch.defaults.get(slot) if model is None else model
        if wanted is None:
            raise NoDefaultModelError(slot.value)
        known = self._of_slot(slot)
        if wanted not in known:
            raise ModelNotFoundError(wanted, known=known)
        await self.switch_to(wanted)
        return wanted

    async def unload(self, model: str) -> None:
        """End the worker of *model*, after its running work; return when its process is gone."""
        epoch = self._scheduler.state(model).epoch
        self._loop.post(UnloadWanted(model=model))
        while epoch is not None and self._scheduler.state(model).epoch == epoch:
            await self._loop.changed()

    async def unload_slot(self, slot: Slot) -> None:
        """End the workers of all models of *slot*; see `unload`."""
        async with asyncio.TaskGroup() as group:
            for model in self._of_slot(slot):
                group.create_task(self.unload(model))

    def pin(self, model: str) -> None:
        """Keep *model* on its device: no other model replaces it, and it is not unloaded when idle.

        This does not load it.
        """
        self._loop.post(PinWanted(model=model))

    def unpin(self, model: str) -> None:
        """End the pin of *model*, if it has one."""
        if self.state(model).pinned:
            self._loop.post(Unpinned(device=self.placements[model].device.name))

    async def close(self, timeout_s: float) -> None:
        """Refuse new work, let running work finish for *timeout_s*, then end every worker.

        Work that is cut off raises ShuttingDownError. Further calls wait for the same end.
        """
        if self._closing is None:
            self._leases.closing = True
            self._closing = asyncio.get_running_loop().create_task(self._close(timeout_s))
        await asyncio.shield(self._closing)

    async def _close(self, timeout_s: float) -> None:
        self._loop.post(ShutdownWanted())
        try:
            async with asyncio.timeout(timeout_s):
                while any(state.busy for state in self.states()):
                    await self._loop.changed()
        except TimeoutError:
            log.warning("work still running at shutdown is cut off")
        await self._workers.close()
        self._loop.close()

    def _is_on(self, model: str, device: str) -> bool:
        return self.placements[model].device.name == device

    def _described_bytes(self, model: str) -> int:
        return self.placements[model].model.memory_bytes

    def _of_slot(self, slot: Slot) -> list[str]:
        return [model for model, placement in self.placements.items() if placement.slot is slot]
