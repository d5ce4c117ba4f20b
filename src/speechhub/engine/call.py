"""What the host gives an engine along with its work: where its files are, and a line back."""

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
    """The line between an engine at work and the host; one for every call."""

    cancel_event: Event = field(default_factory=Event)
    """Set by the host, from another thread, when nobody waits for the result any more."""
    report: Callable[[float], None] = lambda fraction: None  # noqa: ARG005
    """Takes the part of the work that is done, 0 to 1. Cheap; call it as often as you like."""

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self.cancel_event.is_set()

    def raise_if_cancelled(self) -> None:
        """Stop here if nobody waits for the result; call it between steps of the work.

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
    voices; None if there is none. The name of a file in it begins with the `Reference.digest`. The host
    deletes files when their voice goes, and those that were used longest ago when there are too many: expect
    a file to be gone at any time, and rename finished files into place."""
    work_dir: Path | None = None
    """Folder of the engine's own that outlives the process, shared by its models; None if there is none. Only
    the server's user can write there: it is the place for what is built once and read back as a pickle, and
    for nothing that belongs to a voice. Several workers may use it: rename finished files into place."""
    prebuilt_dir: Path | None = None
    """Folder with what `EngineSpec.prebuild` built when the engine was installed; None if there is none, as
    beside the hub or where that failed. Only root and the server's user can write there; read alone, since in
    a container the server's user cannot. It may be older than the engine's packages: have the names of files
    say what they fit, and build into `work_dir` what is missing."""
    memory_bytes: int | None = None
    """Memory of the device that this engine may take: what the driver shows free as the load begins, when no
    other engine is there. None on the CPU, where the driver does not tell, and in `prepare`."""
    host_memory_bytes: int | None = None
    """Memory of the host that `prepare` may put weights into, for `load` to copy onto the device and let go.
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
