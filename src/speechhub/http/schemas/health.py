"""The shapes of health, and of what operators send and get."""

from typing import Literal

import msgspec

from speechhub.http.schemas.models import ModelState, Name

SlotName = Literal["stt", "tts"]
"""A `Slot`, by its value."""
Standing = Literal["ok", "degraded"]


class SwitchHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The last switch on a device; times in seconds."""

    leaving: str | None
    """Model that had the device before."""
    target: str
    """Model that took its place."""
    cause: str
    """``request``, ``operator``, ``speculation`` or ``recycling``."""
    standby: bool
    """Whether the worker of `target` was a standby worker."""
    result: str
    """``ready`` or ``failed``."""
    total_s: float
    steps_s: dict[str, float]
    """``drain``, ``stop``, ``verify``, ``start``, ``import``, ``load`` and ``own``."""


class StepTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long one step of switches took, over those that are remembered; times in seconds."""

    last_s: float
    mean_s: float
    p50_s: float
    p95_s: float


class SwitchTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Switches in one direction that worked, of the last 500."""

    leaving: str | None
    """Model that had the device before; null if it was free."""
    target: str
    count: int
    steps: dict[str, StepTimes]
    """``total``, and what ``steps_s`` of a switch has."""


class DeviceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One device."""

    name: str
    exclusive: bool
    """Whether it holds one engine at a time."""
    state: str
    """``NONE``, ``LOADING``, ``STT``, ``TTS`` or ``UNLOADING``."""
    current_model: str | None
    """Model that is working, or worked last; of several, one."""
    ready_models: list[str]
    """All models that are loaded there, by name; more than one where it is not exclusive."""
    standby: str | None
    """Model whose worker stands by."""
    switch_s: float | None
    """How long a switch takes, as a running mean, or a first guess; null on a shared device."""
    last_switch: SwitchHealth | None


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """A model that could not be loaded; requests for it are refused until the pause is over."""

    failures: int
    """Loads that failed in a row."""
    retry_in_s: float
    """How long requests for it are still refused; 0 if the next request tries again."""
    error: str
    """Error of the last load."""


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One model."""

    id: str
    replica: str | None
    """Name of the replica that it is a model of; null where one server alone answers at this address."""
    state: ModelState | Literal["fetching"]
    """``fetching`` while its files are looked for, and fetched where they are missing."""
    waiting: int
    """Requests in its queue."""
    busy: bool
    device: str
    device_note: str
    """Why it is not on a better device, and what the operator can do; empty if it is on its best one."""
    pinned: bool
    """Whether an operator keeps it on its device."""
    epoch: int | None
    """Number of its worker; each start has a new one."""
    state_s: float
    """For how long it has been in this state; 0 without a worker."""
    oldest_wait_s: float
    """How long the first request of its queue has waited; 0 if the queue is empty."""
    predicted_wait_s: float
    """How long a new request will wait, as predicted from measurements."""
    failing: Failing | None
    """Null if its last load went well."""
    allocated_bytes: int | None
    """Memory of its device that the engine uses, as last reported; null if it does not report it."""
    reserved_bytes: int | None
    """The same, with what its allocator holds in reserve."""


class GpuHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU, as its driver reports it; null is what the driver does not report."""

    index: int
    """N of ``cuda:N``, among those that are visible."""
    uuid: str
    """As nvidia-smi and CUDA_VISIBLE_DEVICES know it."""
    name: str
    driver: str
    cuda: str
    """Newest CUDA version that the driver can run."""
    compute_capability: str
    total_bytes: int
    used_bytes: int | None
    """Null while the GPU does not answer."""
    free_bytes: int | None
    utilisation: float | None
    """From 0 to 1."""
    temperature_c: int | None
    power_w: float | None
    processes: dict[str, int | None] | None
    """Process id → bytes."""
    nearly_full: bool
    """From 90 % until it is below 85 %."""
    leak_suspected: bool
    residual_bytes: int
    """Memory still in use after the last switch."""


class PluginHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that could not be read."""

    plugin: str
    error: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server's queues move."""

    status: Standing = "ok"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the server."""

    status: Standing = "ok"
    stalled: list[str]
    """Models for which requests wait while nothing moves: they make it ``degraded``."""
    story: list[str]
    """Why the requests for these models wait, and what happened on their devices last; empty if none is
    stalled."""
    version: str
    replica: str | None
    """Name of the replica that answers; null where one server alone answers at this address."""
    replicas: list[str]
    """Names of all replicas that answer at this address; empty where there is one server alone."""
    operator: bool
    """Whether the caller may load, unload and pin models."""
    uptime_s: float
    devices: list[DeviceHealth]
    models: list[ModelHealth]
    switches: list[SwitchTimes]
    """How long switches took, by direction."""
    gpus: list[GpuHealth]
    gpu_problem: str | None
    """Why no GPU is available; null if one is."""
    event_loop_lag_s: float
    broken_plugins: list[PluginHealth]
    warnings: list[str]
    """Settings that do not fit what is installed, a lack of engines, engines that are not on their best
    device, and damaged files below `home`; empty for callers that may not operate the server."""


class EngineWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The model that an operator names."""

    model: Name
    """Id of a model, or a name that stands for one."""


class EngineSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """The slot, and perhaps the model of it, that an operator makes ready."""

    slot: SlotName
    """``stt``, speech to text, or ``tts``, text to speech."""
    model: Name | None = None
    """Id of a model of the slot, or a name that stands for one; unset means the slot's default."""


class EngineUnload(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator unloads: a model, or all models of a slot."""

    model: Name | None = None
    """Id of a model, or a name that stands for one."""
    slot: SlotName | None = None
    """All models of this slot, ``stt`` or ``tts``."""


class EngineList(msgspec.Struct, frozen=True, kw_only=True):
    """The models, or those of one slot, with the state of their engines."""

    object: Literal["list"] = "list"
    replica: str | None
    """Name of the replica that answers; null where one server alone answers at this address."""
    data: list[ModelHealth]
