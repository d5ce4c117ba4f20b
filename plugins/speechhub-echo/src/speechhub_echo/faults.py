"""Switches that make an engine misbehave, so that everything around it can be tested.

A real engine has nothing like this, but reads its options in the same way: from `LoadContext.options` into a
dataclass of its own.
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
    """The switches, all off by default."""

    load_s: float = 0.0
    """How long loading takes, in seconds."""
    work_s: float = 0.0
    """How long each call takes, in seconds, unless it is cancelled."""
    memory_bytes: int = 0
    """Memory to take, and touch, while loading."""
    leak_bytes: int = 0
    """Memory that each call adds, as the engine reports it; 0 reports nothing."""
    crash_on_load: bool = False
    """The process ends while it loads."""
    crash_after: int = 0
    """The process ends in the call of this number, counted from 1; 0 is never."""
    crash_signal: int = 0
    """Signal that ends the process, such as 11; 0 exits with status 3."""
    device_fault_from: int = 0
    """Calls from this number on, counted from 1, fail as on a GPU with a dead context; 0 is never."""
    unusable_on: str = ""
    """Calls on devices of this kind, such as ``cuda``, fail as if a CUDA library were missing."""
    fail: bool = False
    """Each call raises an exception that quotes its input."""
    out_of_memory_from: int = 0
    """Calls with this many requests or more run out of memory; 0 is never."""
    hang: bool = False
    """Each call hangs and ignores cancellation."""
    ignore_stop: bool = False
    """The process ignores the request to stop, and SIGTERM."""
    prints: bool = False
    """Each call prints from Python, and directly to the file descriptors, as native libraries do."""
    flood_lines: int = 0
    """Number of lines that each call prints."""
    grandchild: bool = False
    """Loading starts a process that sleeps for an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoSttSettings(FaultSettings):
    """Settings of the STT engine."""

    languages: tuple[str, ...] = ("en",)
    """Codes of the languages that it hears: one in each recording, chosen by the audio's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoTtsSettings(FaultSettings):
    """Settings of the TTS engine."""

    sample_rate: int = 24_000
    """Rate of the speech, in hertz."""


class Faults:
    """Misbehaves according to its settings; lives as long as its engine."""

    def __init__(self, settings: FaultSettings, device: str) -> None:
        self._settings = settings
        self._kind = device.partition(":")[0]
        self._calls = 0
        self._memory = b""
        self._grandchild: subprocess.Popen[bytes] | None = None

    def while_loading(self) -> None:
        """Take the time and memory that the settings say, or crash."""
        if self._settings.ignore_stop:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._settings.grandchild:
            self._grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        self._memory = b"\1" * self._settings.memory_bytes
        threading.Event().wait(self._settings.load_s)
        if self._settings.crash_on_load:
            self._crash()

    def while_working(self, call: Call, *, requests: int, text: str) -> None:
        """Misbehave in a call as the switches say.

        Raises:
            RequestCancelledError: The call was cancelled while it pretended to work.
            MemoryError: `FaultSettings.out_of_memory_from`.
            RuntimeError: `FaultSettings.fail`, `device_fault_from`, `unusable_on`.
        """
        self._calls += 1
        call.report(0.0)  # tests that watch the progress see that the work has begun
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
        """Return what a leaking engine would report; a real one asks its libraries."""
        if not self._settings.leak_bytes:
            return None
        held = self._settings.memory_bytes + self._calls * self._settings.leak_bytes
        return DeviceMemory(allocated_bytes=held, reserved_bytes=held)

    def while_closing(self) -> None:
        """Hang instead of closing, if `ignore_stop` is set."""
        if self._settings.ignore_stop:
            threading.Event().wait()

    def _crash(self) -> None:
        if self._settings.crash_signal:
            os.kill(os.getpid(), self._settings.crash_signal)
        os._exit(3)
