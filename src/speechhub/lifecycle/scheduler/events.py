"""Events, which the scheduler takes in, and effects, which the manager carries out."""

import math
from dataclasses import dataclass
from enum import StrEnum

from speechhub.errors import EngineDeviceError, SpeechhubError
from speechhub.placement import Placement

# ── Events ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A request needs the engine that serves *model*."""

    ticket: int
    model: str
    front: bool = False
    """Goes before all others: it was at the head once, and its worker crashed or moves."""
    keep_warm: bool = False
    """The request wants the engine to be ready, and does not use it."""
    for_client: bool = True
    """Whether a client's request is behind it; False for operators, and for models to preload."""
    size: float = 0.0
    """How much work it is, in seconds of audio or in characters, with which its time grows; 0 is unknown."""
    recordings_s: tuple[float, ...] = ()
    """Lengths of its recordings, if they may share a call with other requests' recordings; empty if it needs
    the engine for itself."""
    begun: bool = False
    """Whether it continues a request that had its turn before: a full queue does not refuse it."""
    deadline: float = math.inf
    """When a ticket that still waits is refused, in seconds of the scheduler's clock."""
    spare: bool = False
    """Best effort: granted in this moment if the engine is ready and idle and no request waits for its
    device; refused otherwise. It never waits, makes nothing load or leave, and does not count as use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The holder of *ticket* has left; nothing is running for it any more."""

    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The work of a granted ticket has ended; its worker is idle, or its process has ended.

    Tickets that share a call end together, each with an event of its own.
    """

    ticket: int
    finished: bool = True
    """Whether it was done to its end: only then is its duration used for predictions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTooLarge:
    """A call with so many *recordings* ran out of memory; they are tried one by one, within the grant."""

    model: str
    epoch: int
    recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecycleWanted:
    """The worker should be replaced: its engine's memory grows, or it ran out of memory."""

    model: str
    epoch: int
    urgent: bool = False
    """After the running call; otherwise once no request waits for it, at the latest after `PATIENCE_CALLS`
    calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLost:
    """The model's worker lost its device during a call, and ends itself."""

    model: str
    error: SpeechhubError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUnusable:
    """A call that is still running showed that the worker's environment cannot compute on its device."""

    model: str
    epoch: int
    error: EngineDeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The model's files are on disk, complete."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """The model's files are not available."""

    model: str
    error: SpeechhubError


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The worker has loaded and warmed up its model, and is ready."""

    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailed:
    """The worker could not load its model; its process is gone."""

    model: str
    epoch: int
    error: SpeechhubError


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The worker's process has ended, whether it was told to or not."""

    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """The memory that the worker used on its GPU is free again; the next engine may load."""

    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFreed:
    """The memory was not free in time; nothing may load there before another look proves it free."""

    model: str
    epoch: int
    error: SpeechhubError
    """For the requests that wait for the device; names what holds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinWanted:
    """An operator pins the model to its device: no other model may evict it, and it stays when idle.

    The pin does not load it. Running work of other models ends first; requests for models that have no room
    beside it are refused. A device has one pin; a new pin replaces it.
    """

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpinned:
    """The device no longer has a pinned model."""

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnloadWanted:
    """An operator unloads the model's engine, once its running work is done."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownWanted:
    """The server stops: requests that wait, and new ones, are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time has passed; see `Scheduler.next_wake`."""


Event = (
    Requested
    | Cancelled
    | Done
    | BatchTooLarge
    | RecycleWanted
    | DeviceLost
    | DeviceUnusable
    | Fetched
    | FetchFailed
    | Loaded
    | LoadFailed
    | Exited
    | Freed
    | NotFreed
    | PinWanted
    | Unpinned
    | UnloadWanted
    | ShutdownWanted
    | Ticked
)

# ── Effects ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Make sure that the model's files are on disk; answer with Fetched or FetchFailed."""

    model: str


class Unasked(StrEnum):
    """Why an engine is loaded although no request waits for it."""

    SPECULATION = "speculation"
    """It is likely to be asked for next."""
    RECYCLING = "recycling"
    """It was loaded, and its worker was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Start a worker and load the model; answer with Loaded or LoadFailed."""

    model: str
    epoch: int
    unasked: Unasked | None = None
    """None if a request waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End the worker, by force if need be, and answer with Exited once its process is reaped."""

    model: str
    epoch: int
    kill: bool = False
    """Whether to kill it at once, without asking it first."""
    recycled: bool = False
    """Whether the worker was due to be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Check that the memory of a worker that ended is free on its GPU; answer with Freed or NotFreed."""

    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The holders of the tickets may use the worker now, all in one call; answer with Done for each."""

    tickets: tuple[int, ...]
    """In their order; more than one only if all of them have `Requested.recordings_s`."""
    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The holder of the ticket gets this error; the ticket ends."""

    ticket: int
    error: SpeechhubError


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """From now on the model runs on another device; it has no worker, and no answer is due."""

    model: str
    placement: Placement
    """The new placement."""


Effect = Fetch | Load | Stop | Verify | Grant | Refuse | Move
