"""What health tells of devices, models and GPUs."""

from speechhub.errors.places import without_places
from speechhub.gpu.sampler import GpuView
from speechhub.http.schemas.audio import ModelState
from speechhub.http.schemas.health import (
    DeviceHealth,
    Failing,
    GpuHealth,
    ModelHealth,
    StepTimes,
    SwitchHealth,
    SwitchTimes,
)
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.served_model import ModelActivity
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.lifecycle.switches import FREE, Switch, SwitchLog
from speechhub.placement import Device


def device_health(device: Device, manager: Manager, last: Switch | None) -> DeviceHealth:
    """Return what a device is doing, and how its last switch went."""
    return DeviceHealth(
        name=device.name,
        exclusive=device.exclusive,
        state=manager.public_state(device.name),
        current_model=manager.current_model(device.name),
        ready_models=manager.ready_models(device.name),
        standby=manager.standby(device.name),
        switch_s=round(manager.switch_s(device.name), 3) if device.exclusive else None,
        last_switch=None
        if last is None
        else SwitchHealth(
            leaving=last.leaving,
            target=last.target,
            cause=last.cause.value,
            standby=last.standby,
            result=last.result.value,
            total_s=round(last.total_s, 4),
            steps_s={step.value: round(took_s, 4) for step, took_s in last.steps_s.items()},
        ),
    )


def model_state(phase: Phase | None) -> ModelState:
    """Return the state of a model whose worker is in *phase*; None if it has no worker."""
    return "unloaded" if phase is None else phase.value


def model_health(
    state: ModelActivity, manager: Manager, oldest_wait_s: float, now: float, *, operator: bool = True
) -> ModelHealth:
    """Return what goes on around a model; *now* is a time of the manager's clock.

    Only an *operator* is told the paths in what a load failed with.
    """
    placement, note = manager.placements[state.model], manager.device_note(state.model)
    memory = manager.memory(state.model)
    return ModelHealth(
        id=state.model,
        state="fetching" if state.fetching and state.phase is None else model_state(state.phase),
        waiting=state.waiting,
        busy=state.busy,
        device=placement.device.name,
        device_note=note if operator else without_places(note),
        pinned=state.pinned,
        epoch=state.epoch,
        state_s=0.0 if state.since is None else round(now - state.since, 3),
        oldest_wait_s=round(oldest_wait_s, 3),
        predicted_wait_s=round(manager.wait_s(state.model), 3),
        failing=_failing(state, now, operator=operator),
        allocated_bytes=memory.allocated_bytes if memory else None,
        reserved_bytes=memory.reserved_bytes if memory else None,
    )


def _failing(state: ModelActivity, now: float, *, operator: bool) -> Failing | None:
    if state.failing_until is None:
        return None
    return Failing(
        failures=state.failures,
        retry_in_s=round(max(state.failing_until - now, 0.0), 3),
        error=(state.failure if operator else state.failure_public) or "",
    )


def switch_times(log: SwitchLog) -> list[SwitchTimes]:
    """Return how long switches took, by direction."""
    return [
        SwitchTimes(
            leaving=None if leaving == FREE else leaving,
            target=target,
            count=steps["total"].count,
            steps={
                name: StepTimes(
                    last_s=round(it.last_s, 4),
                    mean_s=round(it.mean_s, 4),
                    p50_s=round(it.p50_s, 4),
                    p95_s=round(it.p95_s, 4),
                )
                for name, it in steps.items()
            },
        )
        for (leaving, target), steps in log.spreads().items()
    ]


def gpu_health(view: GpuView) -> GpuHealth:
    """Return the last look at a GPU."""
    device, sample = view.device, view.sample
    processes = sample.processes if sample else None
    return GpuHealth(
        index=device.index,
        uuid=device.uuid,
        name=device.name,
        driver=device.driver,
        cuda=device.cuda,
        compute_capability=device.compute_capability,
        total_bytes=device.total_bytes,
        used_bytes=sample.used_bytes if sample else None,
        free_bytes=sample.free_bytes if sample else None,
        utilisation=sample.utilisation if sample else None,
        temperature_c=sample.temperature_c if sample else None,
        power_w=sample.power_w if sample else None,
        processes=None if processes is None else {str(pid): size for pid, size in processes.items()},
        nearly_full=view.full,
        leak_suspected=view.leak.suspected,
        residual_bytes=view.leak.residual_bytes,
    )
