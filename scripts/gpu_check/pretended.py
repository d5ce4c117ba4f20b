"""A card that is none, in a worker: PyTorch keeps what goes there in a second copy in the host's memory.

Imported in an engine's environment, where `PRETENDED_CARD` names the folder of `PretendedCard`.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from speechhub.engine import (
    Audio,
    Call,
    DeviceMemory,
    LoadContext,
    SynthesizeRequest,
    TranscribeRequest,
    Transcript,
)

CONTEXT_BYTES: Final = 300_000_000
"""What a CUDA context is pretended to take."""
WORK_BYTES: Final = 100_000_000
"""What work is pretended to take while it lasts."""
TOLD_BYTES: Final = 50_000_000
"""Growth that is told to others at once; all of it is in the end. Telling of each tensor takes long."""
LOOK_EVERY: Final = 64
"""Steps of PyTorch between two looks at whether memory is left."""
FOLDER: Final = "PRETENDED_CARD"
"""Environment variable: the folder in which each process has a file with its bytes, `total` the card's."""


class TouchedError(AssertionError):
    """The card was used by a process whose turn it was not."""


class Card(TorchFunctionMode):  # type: ignore[misc]  # torch is not installed where types are checked
    """Copies what goes to ``cuda``, counts it, and refuses when the card is full or not to be touched."""

    def __init__(self, folder: Path) -> None:
        """Take nothing yet.

        Args:
            folder: Of the pretended card.
        """
        super().__init__()
        self._folder = folder
        self._file = folder / str(os.getpid())
        self._steps = 0
        self._told_bytes = 0
        self.held_bytes = 0
        """What this process holds: of what goes there, only weights are counted, while they are loaded."""
        self.loading = False
        self.forbidden = False
        """Whether it is another engine's turn."""

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do what PyTorch would, in the host's memory."""
        kwargs = dict(kwargs or {})
        self._steps += 1
        if self.held_bytes and self._steps % LOOK_EVERY == 0:
            self.take(0)
        name = getattr(func, "__name__", "")
        if name == "_parse_to" or func is torch.device:  # it is only spoken of
            return func(*args, **kwargs)
        there = any(map(_is_card, args)) or _is_card(kwargs.get("device"))
        if name == "cuda" and args and isinstance(args[0], torch.Tensor):
            func, args, kwargs, there, name = torch.Tensor.to, (args[0], "cuda"), {}, True, "to"
        if not there:
            return func(*args, **kwargs)
        args = [torch.device("cpu") if _is_card(it) else it for it in args]
        if "device" in kwargs:
            kwargs["device"] = torch.device("cpu")
        if name == "to" and isinstance(args[0], torch.Tensor):
            kwargs["copy"] = True
            kwargs.pop("non_blocking", None)
        made = func(*args, **kwargs)
        if isinstance(made, torch.Tensor):
            self.take(made.element_size() * made.nelement() if self.loading else 0)
        return made

    def take(self, size_bytes: int) -> None:
        """Count more memory as this process's.

        Raises:
            torch.OutOfMemoryError: The card has not as much.
            TouchedError: It is another engine's turn.
        """
        if self.forbidden:
            raise TouchedError("The card was used while another engine had it.")
        self.held_bytes = (self.held_bytes or CONTEXT_BYTES) + size_bytes
        if size_bytes and self.held_bytes - self._told_bytes < TOLD_BYTES:
            return
        if sum(_held(self._folder, but=self._file.name)) + self.held_bytes > _total(self._folder):
            self.held_bytes -= size_bytes
            raise torch.OutOfMemoryError("CUDA out of memory (pretended).")
        self._write()

    @contextmanager
    def weights(self) -> Iterator[None]:
        """Count what goes to the card."""
        self.loading = True
        try:
            yield
            self.take(0)
        finally:
            self.loading = False

    @contextmanager
    def work(self) -> Iterator[None]:
        """Take memory for work; PyTorch fails in it if the card has none left."""
        self.held_bytes += WORK_BYTES
        self._write()
        try:
            yield
        finally:
            self.held_bytes -= WORK_BYTES
            self._write()

    def free_bytes(self) -> int:
        """Return what the card has left."""
        self.take(0)
        return max(_total(self._folder) - sum(_held(self._folder)), 0)

    def _write(self) -> None:
        self._told_bytes = self.held_bytes
        new = self._file.with_suffix(".new")
        new.write_text(str(self.held_bytes))
        new.replace(self._file)

    @contextmanager
    def another_s_turn(self) -> Iterator[None]:
        """Have every use be an error."""
        self.forbidden = True
        try:
            yield
        finally:
            self.forbidden = False

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have PyTorch use this card."""

        def touch(answer: Any) -> Callable[..., Any]:
            def asked(*_: Any, **__: Any) -> Any:
                self.take(0)
                return answer() if callable(answer) else answer

            return asked

        properties = SimpleNamespace(
            name="Pretended card",
            total_memory=_total(self._folder),
            major=8,
            minor=0,
            multi_processor_count=1,
        )
        answers = {
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "is_initialized": lambda: self.held_bytes > 0,
            "is_bf16_supported": touch(True),  # noqa: FBT003  # an answer
            "get_device_capability": touch((8, 0)),
            "get_device_properties": touch(properties),
            "get_device_name": touch("Pretended card"),
            "mem_get_info": touch(lambda: (self.free_bytes(), _total(self._folder))),
            "memory_allocated": touch(lambda: self.held_bytes),
            "max_memory_allocated": touch(lambda: self.held_bytes),
            "memory_reserved": touch(lambda: self.held_bytes),
            "empty_cache": lambda: None,
            "synchronize": lambda *_: None,
            "init": touch(None),
            "get_rng_state": lambda *_: torch.get_rng_state(),
            "set_rng_state": lambda *_: None,
            "manual_seed_all": lambda _: None,
            "seed_all": lambda: None,
            "set_device": touch(None),
        }
        with ExitStack() as stack:
            for name, answer in answers.items():
                stack.enter_context(patch.object(torch.cuda, name, answer))
            stack.enter_context(self)
            yield


def on_pretended_card(kind: Any) -> Any:
    """Return *kind*, an engine's class, as one whose card is `Card`."""

    class Pretended(kind):  # type: ignore[misc]  # known when it is made
        def __init__(self) -> None:
            super().__init__()
            self._card = Card(Path(os.environ[FOLDER]))
            self._stack = ExitStack()
            self._stack.enter_context(self._card.in_place())

        def prepare(self, context: LoadContext) -> None:
            with self._card.another_s_turn():
                super().prepare(context)

        def load(self, context: LoadContext) -> None:
            with self._card.weights():
                super().load(context)

        def memory(self) -> DeviceMemory:
            return DeviceMemory(allocated_bytes=self._card.held_bytes, reserved_bytes=self._card.held_bytes)

        def transcribe(self, batch: Sequence[TranscribeRequest], call: Call) -> list[Transcript]:
            with self._card.work():
                return super().transcribe(batch, call)  # type: ignore[no-any-return]  # as above

        def synthesize(self, request: SynthesizeRequest, call: Call) -> Iterator[Audio]:
            with self._card.work():
                yield from super().synthesize(request, call)

    Pretended.__name__ = Pretended.__qualname__ = f"Pretended{kind.__name__}"
    return Pretended


def _is_card(value: object) -> bool:
    if isinstance(value, torch.device):
        return bool(value.type == "cuda")
    return isinstance(value, str) and value.startswith("cuda")


def _held(folder: Path, *, but: str = "") -> Iterator[int]:
    for file in folder.iterdir():
        if file.name.isdigit() and file.name != but and Path("/proc", file.name).exists():
            try:
                yield int(file.read_text())
            except (OSError, ValueError):
                continue


def _total(folder: Path) -> int:
    return int((folder / "total").read_text())
