"""The engine under test: from its spec to a loaded object."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any, Final, Generic, TypeVar

import numpy as np

from speechhub.engine.base import SttEngine, TtsEngine
from speechhub.engine.call import Call, LoadContext
from speechhub.engine.capabilities import SttCapabilities, TtsCapabilities
from speechhub.engine.memory import DeviceMemory
from speechhub.engine.spec import EngineSpec, ModelSpec
from speechhub.engine.testing.limit import LIMIT_S
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.errors import RequestCancelledError
from speechhub.errors.origin import import_fault

EngineT = TypeVar("EngineT", SttEngine, TtsEngine)
CapabilitiesT = TypeVar("CapabilitiesT", SttCapabilities, TtsCapabilities)

MUCH_BYTES: Final = 64 * 1024**3
"""More of the host's memory than any engine wants."""
ModelDir = Path | Callable[[ModelSpec], Path] | None
"""A folder with a model's files, or what finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What to load, and how."""

    spec: EngineSpec
    model: ModelSpec
    bare_class: type[SttEngine] | type[TtsEngine] | None
    """The engine's class, where the test names no spec; the spec is then made up and promises nothing."""
    model_dir: ModelDir = None
    device: str = "cpu"
    options: Mapping[str, object] = field(default_factory=dict)
    cache_dir: Path | None = None
    """`LoadContext.cache_dir`; empty, and gone after the checks."""
    limit_s: float = LIMIT_S
    """How long each check may take."""

    def load(self, kind: type[EngineT]) -> EngineT:
        """Make an engine and load the model, as a worker does.

        Raises:
            AssertionError: The factory is not such an engine, or the model lacks its `model_dir`.
        """
        engine = self._make(kind)
        engine.load(self._context())
        return engine

    def prepare(self, kind: type[EngineT], *, host_memory_bytes: int | None) -> None:
        """Make another engine and have it prepare, as a worker does that stands by; it is never loaded."""
        self._make(kind).prepare(self._context(host_memory_bytes=host_memory_bytes))

    def _context(self, *, host_memory_bytes: int | None = None) -> LoadContext:
        return LoadContext(
            model=self.model.id,
            model_dir=self._folder(),
            device=self.device,
            options=dict(self.options),
            cache_dir=self.cache_dir,
            host_memory_bytes=host_memory_bytes,
        )

    def _make(self, kind: type[EngineT]) -> EngineT:
        made: object = self.bare_class
        if made is None:
            module, _, name = self.spec.factory.partition(":")
            made = getattr(_imported(module), name, None)
        otherwise = (
            f"factory {self.spec.factory!r} must name a subclass of speechhub.engine.{kind.__name__}; "
            f"it names {made!r}."
        )
        promise(issubclass(promise_type(made, type, otherwise), kind), otherwise)
        missing = sorted(getattr(made, "__abstractmethods__", ()))
        promise(not missing, f"The engine does not implement {', '.join(missing)}.")
        return promise_type(made, type, otherwise)()  # type: ignore[no-any-return]  # issubclass, above

    def _folder(self) -> Path | None:
        if not self.model.needs_files:
            return self.model_dir if isinstance(self.model_dir, Path) else None
        promise(
            self.model_dir is not None,
            f"Model {self.model.id!r} needs files: pass model_dir=, the folder with them or a function that "
            "takes the ModelSpec and returns it.",
        )
        folder = self.model_dir(self.model) if callable(self.model_dir) else self.model_dir
        promise(isinstance(folder, Path) and folder.is_dir(), f"model_dir {folder} is not a folder.")
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject(Generic[EngineT]):
    """A loaded engine, and what it promised."""

    plan: LoadPlan
    engine: EngineT

    def call(self, cancel_event: Event | None = None) -> Call:
        """Return a call as a worker makes it, but with a strict eye on the progress that is reported."""
        return Call(cancel_event=cancel_event or Event(), report=check_fraction)

    def declared(self, kind: type[CapabilitiesT]) -> CapabilitiesT:
        """Return what the model under test can do, by its slot's kind of capabilities."""
        declared = self.plan.spec.capabilities_of(self.plan.model)
        return promise_type(declared, kind, f"An engine in slot {self.plan.spec.slot} needs {kind.__name__}.")


def _imported(module: str) -> ModuleType:
    """Import the module with the engine.

    Raises:
        AssertionError: It cannot be imported; the message says why, and where in the plugin.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise AssertionError(f"{module} cannot be imported: {import_fault(error, module)}.") from error


def standing_by(subject: "Subject[Any]") -> None:
    """A process that stands by can prepare for the model, whether or not it may keep the weights."""
    for room in (None, MUCH_BYTES):
        subject.plan.prepare(type(subject.engine), host_memory_bytes=room)


def held_memory(subject: "Subject[Any]") -> None:
    """The device memory that the engine reports makes sense; None reports nothing."""
    held = subject.engine.memory()
    if held is None:
        return
    promise_type(
        held, DeviceMemory, f"memory returned a {type(held).__name__}; it is a DeviceMemory or None."
    )
    promise(
        0 <= held.allocated_bytes <= held.reserved_bytes,
        "memory reported more bytes in use than taken from the device, or less than 0.",
    )


def check_fraction(fraction: object) -> None:
    """Check a progress report."""
    promise(
        isinstance(fraction, float | int | np.floating) and bool(0 <= fraction <= 1),
        f"call.report takes the fraction of the work that is done, 0 to 1, not {fraction!r}.",
    )


def expect_cancelled(work: Callable[[], object], what: str) -> None:
    """Do some work whose call is cancelled already.

    Raises:
        AssertionError: It did not end with RequestCancelledError.
    """
    try:
        work()
    except RequestCancelledError:
        return
    except Exception as error:
        raise AssertionError(
            f"{what} raised {type(error).__name__} instead of RequestCancelledError, which the call raises: "
            "let it pass."
        ) from error
    raise AssertionError(
        f"{what} went on although its call was cancelled: use call.raise_if_cancelled() before each step."
    )


def expect_stop(pieces: Iterator[object], cancel_event: Event, what: str) -> None:
    """Take one piece, cancel the call, and check that at most the piece in the making still comes.

    Raises:
        AssertionError: More came, or something else was raised than RequestCancelledError.
    """
    next(pieces, None)
    cancel_event.set()
    further = 0
    try:
        for _ in pieces:
            further += 1
            if further > 1:
                break
    except RequestCancelledError:
        pass
    except Exception as error:
        raise AssertionError(
            f"{what} raised {type(error).__name__} when it was cancelled half-way, instead of "
            "RequestCancelledError, which the call raises: let it pass."
        ) from error
    promise(
        further <= 1,
        f"{what} went on after it was cancelled half-way: use call.raise_if_cancelled() before each piece.",
    )
