"""Values that the host passes to an engine: a `LoadContext` to load a model, a `Call` with each call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from speechhub.engine.settings import alternatives, convert, names_of
from speechhub.errors import ConfigurationError, RequestCancelledError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    SettingsT = TypeVar("SettingsT", bound=DataclassInstance)
else:
    SettingsT = TypeVar("SettingsT")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """The connection between a working engine and the host; one for each call."""

    cancel_event: Event = field(default_factory=Event)
    """Set by the host, from another thread, when the result is no longer wanted."""
    report: Callable[[float], None] = lambda fraction: None  # noqa: ARG005
    """Takes the fraction of the work that is done, 0 to 1. Cheap; call it as often as you like."""
    began: float = 0.0
    """When the host made the call, in seconds of a monotonic clock of its own."""

    @property
    def cancelled(self) -> bool:
        """Whether the result is no longer wanted."""
        return self.cancel_event.is_set()

    def raise_if_cancelled(self) -> None:
        """Stop here if the result is no longer wanted; call this between steps of the work.

        Raises:
            RequestCancelledError: Let it pass; the host expects it.
        """
        if self.cancel_event.is_set():
            raise RequestCancelledError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadContext:
    """What an engine needs to load a model."""

    model: str
    """Id of the model to load."""
    model_dir: Path | None
    """Folder with the model's files, complete and verified; None if the model declares no files."""
    device: str = "cpu"
    """``cpu`` or ``cuda:0``, ``cuda:1`` …, as PyTorch writes it."""
    threads: int = 0
    """CPU threads to use; 0 leaves it to the engine."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The operator's settings for this engine, as written; see `settings`."""
    cache_dir: Path | None = None
    """Folder of the model's own that outlives the process, for what was computed from references of stored
    voices; None if there is none. The name of each file begins with the `Reference.digest`. The host
    deletes the files of a deleted voice, and the least recently used ones when there are too many: a file may
    be gone at any time. Rename finished files into place."""
    work_dir: Path | None = None
    """Folder of the engine's own that outlives the process, shared by its models; None if there is none. Only
    the server's user can write there, so it is the place for what is built once and read back as a pickle.
    Keep nothing in it that belongs to a voice. Several workers may use it: rename finished files into
    place."""
    prebuilt_dir: Path | None = None
    """Folder with what `EngineSpec.prebuild` built when the engine was installed; None if there is none, as
    beside the hub or where that failed. Only root and the server's user can write there. Only read from it:
    in a container the server's user cannot write. It may be older than the engine's packages: let file names
    say which versions they fit, and build what is missing in `work_dir`."""
    memory_bytes: int | None = None
    """Device memory that this engine may take: what the driver reports as free when the load begins and no
    other engine is there. None on the CPU, where the driver does not tell, and in `prepare`."""
    host_memory_bytes: int | None = None
    """Host memory that `prepare` may fill with weights, which `load` copies onto the device and then frees.
    None where that would not help or the machine has none to spare, and in `load`."""

    def settings(self, kind: type[SettingsT]) -> SettingsT:
        """Read `options` into a dataclass of the engine's own, whose fields all have defaults.

        Text is converted where the field is a number or a boolean, since environment variables are text.

        Raises:
            ConfigurationError: There is no such option, or its value is of the wrong type.
        """
        known = names_of(kind)
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        for name, value in self.options.items():
            if name not in known:
                raise ConfigurationError(
                    f"Unknown engine option {name!r} for model {self.model!r}; "
                    f"known: {', '.join(sorted(known))}."
                )
            values[name] = convert(name, value, alternatives(hints[name]))
        return kind(**values)
