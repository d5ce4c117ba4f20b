"""Health of the server, its devices, models and GPUs."""

import asyncio
import time
from collections.abc import Callable, Collection

from speechhub import __version__
from speechhub.errors.places import without_places
from speechhub.gpu.sampler import GpuView
from speechhub.http.schemas.health import (
    DeviceHealth,
    Failing,
    GpuHealth,
    Health,
    ModelHealth,
    PluginHealth,
    StepTimes,
    SwitchHealth,
    SwitchTimes,
)
from speechhub.http.schemas.models import ModelState
from speechhub.http.story import stalled_story
from speechhub.hub import Hub
from speechhub.lifecycle.control import EngineControl
from speechhub.lifecycle.scheduler.served_model import ModelActivity
from speechhub.lifecycle.scheduler.states import Phase
from speechhub.lifecycle.switches import FREE, Switch, SwitchLog
from speechhub.placement import Device, notes


def server_health(hub: Hub, replicas: Collection[str], *, operator: bool) -> Health:
    """Return the state of the server; only an *operator* gets warnings, and paths of the machine.

    *replicas* are the names of all servers at its address.
    """
    observation, engines = hub.observation, hub.control
    shown: Callable[[str], str] = str if operator else without_places
    stalled, gpu_problem = observation.stalled(), observation.gpu_problem
    devices = {placement.device for placement in engines.placements.values()}
    return Health(
        status="degraded" if stalled else "ok",
        stalled=stalled,
        story=stalled_story(
            observation.journal.story, stalled, asyncio.get_running_loop().time(), operator=operator
        ),
        version=__version__,
        replica=hub.replicas.name,
        replicas=sorted(replicas),
        operator=operator,
        uptime_s=round(time.monotonic() - hub.started_monotonic, 1),
        devices=[
            _device(device, engines, observation.last_switch(device.name))
            for device in sorted(devices, key=lambda device: device.name)
        ],
        models=[model_health(hub, state.model, operator=operator) for state in engines.states()],
        switches=_switch_times(engines.switches),
        gpus=[_gpu(view) for view in observation.gpus()],
        gpu_problem=shown(gpu_problem) if gpu_problem else None,
        event_loop_lag_s=round(observation.lag_s, 4),
        broken_plugins=[
            PluginHealth(plugin=plugin.distribution, error=shown(plugin.error))
            for plugin in hub.broken_plugins
        ],
        warnings=_warnings(hub) if operator else [],
    )


def _warnings(hub: Hub) -> list[str]:
    return [
        *(f"{finding.subject}: {finding.text}" for finding in hub.findings),
        *(f"engine {name}: {note}" for name, note in notes(hub.control.placements.values())),
        *(f"home: {damage.text}" for damage in hub.damages.found),
    ]


def _device(device: Device, engines: EngineControl, last: Switch | None) -> DeviceHealth:
    return DeviceHealth(
        name=device.name,
        exclusive=device.exclusive,
        state=engines.public_state(device.name),
        current_model=engines.current_model(device.name),
        ready_models=list(engines.ready_models(device.name)),
        standby=engines.standby(device.name),
        switch_s=round(engines.switch_s(device.name), 3) if device.exclusive else None,
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


def model_health(hub: Hub, model: str, *, operator: bool = True) -> ModelHealth:
    """Return the state of a model; only an *operator* gets the paths in a failed load's error."""
    engines, now = hub.control, asyncio.get_running_loop().time()
    state, note, memory = engines.state(model), engines.device_note(model), engines.memory(model)
    return ModelHealth(
        id=model,
        replica=hub.replicas.name,
        state="fetching" if state.fetching and state.phase is None else model_state(state.phase),
        waiting=state.waiting,
        busy=state.busy,
        device=engines.placements[model].device.name,
        device_note=note if operator else without_places(note),
        pinned=state.pinned,
        epoch=state.epoch,
        state_s=0.0 if state.since is None else round(now - state.since, 3),
        oldest_wait_s=round(hub.observation.oldest_wait_s(model), 3),
        predicted_wait_s=round(engines.wait_s(model), 3),
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


def _switch_times(log: SwitchLog) -> list[SwitchTimes]:
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


def _gpu(view: GpuView) -> GpuHealth:
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
