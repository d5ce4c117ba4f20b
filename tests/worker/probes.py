"""Engines that look at their surroundings, or misuse the API; they run in workers of the tests."""

import ctypes
import importlib.util
import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

import speechhub
from speechhub.engine import Audio, EngineLoadError, SttEngine, Transcript, TtsEngine


def transcript(text):
    return Transcript(text=text, duration_s=1.0)


class Probe(SttEngine):
    """Loads nothing."""

    def load(self, context):
        pass


class Modest(Probe):
    """Gives something up."""

    def remarks(self):
        return ["For lack of memory: one beam.", "x" * 1000]

    def transcribe(self, batch, call):
        return [transcript("") for _ in batch]


class Surroundings(Probe):
    """Answers with what it sees."""

    def transcribe(self, batch, call):
        foreign = ("litestar", "msgspec", "structlog", "av", "uvloop", "granian", "click")
        facts = {
            "hub_packages": [name for name in foreign if importlib.util.find_spec(name)],
            "speechhub": speechhub.__file__,
            "prefix": sys.prefix,
            "path": sys.path,
            "environment": dict(os.environ),
            "stdin": str(Path("/proc/self/fd/0").readlink()),
            "descriptors": sorted(path.name for path in Path("/proc/self/fd").iterdir()),
            "status": Path("/proc/self/status").read_text(),
            "core_bytes": resource.getrlimit(resource.RLIMIT_CORE),
            "main_thread": threading.current_thread() is threading.main_thread(),
        }
        return [transcript(json.dumps(facts))]


class Misbehaving(Probe):
    """Does what the prompt says."""

    def transcribe(self, batch, call):
        match batch[0].prompt:
            case "none":
                return None
            case "count":
                return []
            case "type":
                return [transcript(None)]
            case "SystemExit":
                sys.exit("secret")
            case "KeyboardInterrupt":
                raise KeyboardInterrupt("secret")
            case "stdout":
                os.close(1)
                sys.stdout.close()
        return [transcript("fine")]

    def stream(self, request, call):
        yield 5


class Preparing(Probe):
    """Answers with what was asked of it before."""

    def __init__(self):
        self.asked = []

    def prepare(self, context):
        self.asked.append(f"prepare {context.model}")
        if context.options.get("refuse"):
            raise OSError("no table")

    def load(self, context):
        self.asked.append(f"load {context.model}")

    def transcribe(self, batch, call):
        return [transcript(", ".join(self.asked))]


class Forgetful(Probe):
    """Does not know what it holds."""

    def transcribe(self, batch, call):
        return [transcript("fine")]

    def memory(self):
        raise RuntimeError("no books")


class Reporting(Probe):
    """Reports far too often."""

    def transcribe(self, batch, call):
        for step in range(10_000):
            call.report(step)
        return [transcript("done")]


class Stuck(Probe):
    """Starts a process, then sleeps in native code without letting go of the interpreter."""

    def load(self, context):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])

    def transcribe(self, batch, call):
        print("stuck", flush=True)  # noqa: T201  # tells the test that it has begun
        ctypes.PyDLL(None).sleep(3600)


class FragileDevice:
    """A device on which one call of a server's life fails; from then on its process can use it no more."""

    def __init__(self, options):
        self.options = options
        self.dead = False

    def use(self, where):
        """Fail at the place that the options name, once in all processes; and always after that."""
        if self.dead or where == self.options["fails_in"]:
            marker = Path(self.options["marker"])
            if not self.dead:
                if not marker.exists():
                    return
                marker.unlink()
            self.dead = True
            raise RuntimeError("CUDA error: device-side assert triggered\nmy pin is 4711")


class FragileStt(Probe):
    """Has a device that fails."""

    def load(self, context):
        self.device = FragileDevice(context.options)
        self.device.use("load")
        try:
            self.device.use("wrapped load")
        except RuntimeError:
            raise EngineLoadError("The weights cannot be used.") from None
        if context.options["fails_in"] == "every load":
            raise RuntimeError("CUDA error: device-side assert triggered")

    def transcribe(self, batch, call):
        self.device.use("transcribe")
        broken = Path(self.device.options["marker"]).with_name("broken")
        if broken.exists():
            broken.write_text(f"{broken.read_text()}x")
            raise RuntimeError("CUDA error: unspecified launch failure")
        return [transcript(request.prompt or "fine") for request in batch]

    def stream(self, request, call):
        self.device.use("stream")
        yield "fi"
        self.device.use("second piece")
        yield "ne"
        return transcript("fine")

    def memory(self):
        self.device.use("memory")

    def close(self):
        (Path(self.device.options["marker"]).with_name("closed")).touch()


class FragileTts(TtsEngine):
    """Has a device that fails."""

    def load(self, context):
        self.device = FragileDevice(context.options)

    def voices(self):
        return []

    def synthesize(self, request, call):
        self.device.use("synthesize")
        yield Audio(samples=np.zeros(100, np.float32), sample_rate=24_000)
        self.device.use("second piece")
        yield Audio(samples=np.zeros(100, np.float32), sample_rate=24_000)

    def memory(self):
        self.device.use("memory")
