"""What happens to the scheduler (events), and what it wants done (effects)."""

import math
from dataclasses import dataclass
from enum import StrEnum

from speechhub.errors import EngineDeviceError, SpeechhubError
from speechhub.placement import Placement

# ── Events ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """Somebody needs the engine that serves *model*."""

    ticket: int
    model: str
    front: bool = False
    """Goes before all others: it was already at the head once, and its worker crashed or moves."""
    keep_warm: bool = False
    """Only wants the engine to be ready, not to use it."""
    size: float = 0.0
    """How much work it is, in what its time grows with: seconds of audio, characters; 0 is unknown."""
    recordings_s: tuple[float, ...] = ()
    """Lengths of its recordings, if they may share a call of the engine with those of others; empty if it
    wants the engine for itself."""
    begun: bool = False
    """Whether it goes on with a request that had its turn before: no full line refuses it."""
    deadline: float = math.inf
    """When waiting is over and the ticket is refused, in seconds of the scheduler's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Whoever held *ticket* has left; nothing is running for it any more."""

    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The work of a granted ticket has ended, and its worker is idle or dead.

    Tickets that share a call end together, each with an event of its own.
    """

    ticket: int
    finished: bool = True
    """Whether it was done to its end: only then its time says how long such work takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTooLarge:
    """So many recordings did not fit into one call; their tickets are served one by one, in their grant."""

    model: str
    epoch: int
    recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecycleWanted:
    """The worker should be replaced: its engine holds more and more memory, or ran out of it."""

    model: str
    epoch: int
    urgent: bool = False
    """After the running work; otherwise as soon as nobody waits for it, or after `PATIENCE_CALLS` calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLost:
    """The model's worker lost its device at its work, and ends itself."""

    model: str
    error: SpeechhubError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceUnusable:
    """A call that has not ended yet showed that the worker's environment cannot compute on its device."""

    model: str
    epoch: int
    error: EngineDeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The model's files are on disk, complete."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """The model's files cannot be had."""

    model: str
    error: SpeechhubError


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The worker is warm and ready."""

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
    """The worker's process is gone, whether it was told to go or not."""

    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """The memory that the worker took on its GPU is free again; the next one may load."""

    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFreed:
    """The memory did not come back in time; nothing may load there before another look says so."""

    model: str
    epoch: int
    error: SpeechhubError
    """For those who wait for the device; says who holds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinWanted:
    """An operator wants the model to keep its place: no other one may push it out, and it never idles out.

    It is not loaded by this. What another one has begun ends first; those who wait for what cannot run beside
    it, and those who come for it, are refused. A device has one pin; the last one holds.
    """

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpinned:
    """Nothing is pinned on the device any more."""

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnloadWanted:
    """An operator wants the model's engine gone, once its running work is done."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownWanted:
    """The server stops: refuse who waits and who comes."""


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
    """Why an engine is loaded that nobody waits for."""

    SPECULATION = "speculation"
    """It is likely the next one."""
    RECYCLING = "recycling"
    """It was there, and its worker was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Start a worker and load the model; answer with Loaded or LoadFailed."""

    model: str
    epoch: int
    unasked: Unasked | None = None
    """None if somebody waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End the worker and answer with Exited once it is reaped, whatever it takes."""

    model: str
    epoch: int
    kill: bool = False
    """At once, without asking it first."""
    recycled: bool = False
    """Whether it was due to be replaced anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Prove that the GPU has its memory back from a worker that is gone; answer with Freed or NotFreed."""

    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The tickets' holders may use the worker now, several in one call; answer with Done for each."""

    tickets: tuple[int, ...]
    """In their order; more than one only if all of them have `Requested.recordings_s`."""
    model: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The ticket's holder gets this error; the ticket is over."""

    ticket: int
    error: SpeechhubError


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """From now on the model runs somewhere else; it has no worker, and nothing is to be answered."""

    model: str
    placement: Placement
    """The new one."""


Effect = Fetch | Load | Stop | Verify | Grant | Refuse | Move
