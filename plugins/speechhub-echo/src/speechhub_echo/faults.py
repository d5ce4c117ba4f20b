"""Switches that make an engine misbehave, so that everything around it can be tested.

A real engine has nothing like this. It shows one thing that a real engine does, though: how an engine reads
its options from `LoadContext.options` into a dataclass of its own.
"""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass

from speechhub.engine import Call, DeviceMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSettings:
    """The switches; all off."""

    load_s: float = 0.0
    """Loading takes so long, in seconds."""
    work_s: float = 0.0
    """Each call takes so long, in seconds, unless it is cancelled."""
    memory_bytes: int = 0
    """Memory to take, and touch, while loading."""
    leak_bytes: int = 0
    """Each call takes so much more memory, by what the engine says; 0 says nothing."""
    crash_on_load: bool = False
    """The process ends while it loads."""
    crash_after: int = 0
    """The process ends in the call of this number, counted from 1; 0 is never."""
    crash_signal: int = 0
    """Signal that ends the process; 0 exits with status 3."""
    device_fault_from: int = 0
    """Calls from this number on, counted from 1, fail as on a GPU whose context is dead; 0 is never."""
    unusable_on: str = ""
    """Calls on devices of this kind, such as ``cuda``, fail as where a library of CUDA's is missing."""
    fail: bool = False
    """Each call raises an exception that quotes its input."""
    out_of_memory_from: int = 0
    """Calls with so many requests, or more, run out of memory; 0 is never."""
    hang: bool = False
    """Each call hangs, deaf to cancellation."""
    ignore_stop: bool = False
    """Neither being asked nor SIGTERM ends the process."""
    prints: bool = False
    """Each call prints from Python, and past Python, as native libraries do."""
    flood_lines: int = 0
    """Lines that each call prints."""
    grandchild: bool = False
    """Loading starts a process that sleeps for an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoSttSettings(FaultSettings):
    """What an operator can set for the engine that hears."""

    languages: tuple[str, ...] = ("en",)
    """Codes of the languages that it hears: of each recording one, chosen by the audio's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoTtsSettings(FaultSettings):
    """What an operator can set for the engine that speaks."""

    sample_rate: int = 24_000
    """Rate of the speech, in hertz."""


class Faults:
    """Misbehaves as its settings say; lives as long as its engine."""

    def __init__(self, settings: FaultSettings, device: str) -> None:
        self._settings = settings
        self._kind = device.partition(":")[0]
        self._calls = 0
        self._memory = b""
        self._grandchild: subprocess.Popen[bytes] | None = None

    def while_loading(self) -> None:
        """Take the time and the memory that loading is to take, or end."""
        if self._settings.ignore_stop:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._settings.grandchild:
            self._grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self._memory = b"\1" * self._settings.memory_bytes
        threading.Event().wait(self._settings.load_s)
        if self._settings.crash_on_load:
            self._crash()

    def while_working(self, call: Call, *, requests: int, text: str) -> None:
        """Do to a call what the switches say.

        Raises:
            RequestCancelledError: The call was cancelled while it pretended to work.
            MemoryError: `FaultSettings.out_of_memory_from`.
            RuntimeError: `FaultSettings.fail`, `device_fault_from`, `unusable_on`.
        """
        self._calls += 1
        call.report(0.0)  # whoever watches knows that the work has begun
        if self._settings.prints:
            print("echo prints")  # noqa: T201
            os.write(1, b"echo writes past Python\n")
            os.write(2, b"echo complains past Python\n")
        for number in range(self._settings.flood_lines):
            print(f"echo floods {number}")  # noqa: T201
        if self._calls == self._settings.crash_after:
            self._crash()
        if 0 < self._settings.device_fault_from <= self._calls:
            raise RuntimeError("CUDA error: device-side assert triggered")
        if self._settings.unusable_on == self._kind:
            raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
        if 0 < self._settings.out_of_memory_from <= requests:
            raise MemoryError
        if self._settings.fail:
            raise RuntimeError(f"cannot digest {text!r}")
        if self._settings.hang:
            threading.Event().wait()
        if self._settings.work_s:
            call.cancel_event.wait(self._settings.work_s)
        call.raise_if_cancelled()

    def memory(self) -> DeviceMemory | None:
        """Say what an engine that leaks holds; a real one asks its libraries."""
        if not self._settings.leak_bytes:
            return None
        held = self._settings.memory_bytes + self._calls * self._settings.leak_bytes
        return DeviceMemory(allocated_bytes=held, reserved_bytes=held)

    def while_closing(self) -> None:
        """Refuse to close, if that is the switch."""
        if self._settings.ignore_stop:
            threading.Event().wait()

    def _crash(self) -> None:
        if self._settings.crash_signal:
            os.kill(os.getpid(), self._settings.crash_signal)
        os._exit(3)
