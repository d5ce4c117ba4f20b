"""The engines that are checked: where they run, what they load, what they are asked."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from gpu_check.words import WORDS
from speechhub.discovery import InstalledEngine
from speechhub.engine import Audio, EngineSpec, Reference, Slot, SynthesizeRequest, TranscribeRequest
from speechhub.engine.cuda_faults import explain_cuda
from speechhub.environments.find import discover_all
from speechhub.gpu.visible import ORDER
from speechhub.placement import Device, Placement
from speechhub.worker.host import Worker

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
SAID: Final = {"tiny": "The quick brown fox.", "full": " ".join(WORDS)}
"""What the made-up Qwen3-ASR says, whatever it hears."""
SENTENCE: Final = "The first sentence is short. Here is the second one, a little longer. And this ends it."


SPARE_BYTES: Final = 1_000_000_000
"""With less on the disk, that is why a checkpoint could not be written."""
SHORT_LIMIT_S: Final = 120.0
"""For a look into an environment: the first import of PyTorch from a slow disk takes a minute."""


class CannotStartError(Exception):
    """Nothing can be tried; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An engine."""

    spec: EngineSpec
    module: str
    """Short name of its modules here: ``write_…``, ``engine_…``."""
    models: Mapping[str, str]
    """Models that are checked → what their checkpoint is called."""
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to be checked."""

    placement: Placement
    folder: Path
    size: str

    @property
    def target(self) -> str:
        """Return the model's id."""
        return self.placement.model.id

    async def work(self, worker: Worker, *, seconds: float = 5.0) -> float:
        """Have it do something of a fixed length, and look at what comes.

        Args:
            worker: That has loaded it.
            seconds: Of sound to transcribe; texts have their own length.

        Returns:
            Seconds of sound that were heard, or said.

        Raises:
            AssertionError: It is not what the weights say.
        """
        if self.placement.slot is Slot.STT:
            [heard] = await worker.transcribe([TranscribeRequest(audio=tone(seconds), word_timestamps=True)])
            if heard.text != SAID[self.size]:
                raise AssertionError(f"the text is wrong: {heard.text[:100]!r}")
            return seconds
        request = SynthesizeRequest(text=SENTENCE, voice="", reference=voice(), seed=7)
        said = [piece async for piece in worker.synthesize(request)]
        samples = np.concatenate([piece.samples for piece in said])
        if not len(samples) or not np.isfinite(samples).all() or not np.abs(samples).max() > 0:
            raise AssertionError("the speech has no samples, or silence, or no numbers")
        return sum(piece.duration_s for piece in said)


def tone(seconds: float) -> Audio:
    """Return something that is no silence, at 16 kHz."""
    time_s = np.arange(int(16_000 * seconds)) / 16_000
    return Audio(samples=(0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32), sample_rate=16_000)


def voice() -> Reference:
    """Return a recording with something like a voice in it."""
    phase = np.arange(2 * 22_050) * (2 * np.pi * 180 / 22_050)
    swell = 1 + 0.5 * np.sin(phase / 60)
    samples = np.sum([np.sin(phase * it) / it for it in range(1, 8)], axis=0) * 0.1 * swell
    return Reference(audio=Audio(samples=samples.astype(np.float32), sample_rate=22_050), digest="voice")


@cache
def kinds() -> dict[str, Kind]:
    """Return the engines that can be checked, by name; their descriptions need nothing heavy."""
    for folder in ROOT.glob("plugins/*/src"):
        sys.path.append(str(folder))
    from speechhub_indextts import ENGINE as INDEXTTS  # noqa: PLC0415  # the path comes first
    from speechhub_qwen_asr import ENGINE as QWEN_ASR  # noqa: PLC0415

    return {
        "qwen-asr": Kind(spec=QWEN_ASR, module="qwen_asr", models={"qwen3-asr-0.6b": "qwen3-asr-0.6b"}),
        "indextts": Kind(
            spec=INDEXTTS,
            module="indextts",
            models={"indextts-2": "indextts-2", "indextts-2.5": "indextts-2.5"},
            # No grammars, which take a minute to build and need no card.
            options={"normalization": False},
        ),
    }


def pythons(wanted: Mapping[str, Path], engines_dir: Path) -> dict[str, Path]:
    """Return the Python of each engine: the one that was named, that of its environment, or this one."""
    found = {it.spec.name: it.python for it in discover_all(engines_dir).engines if it.environment}
    return {name: wanted.get(name) or found.get(name) or Path(sys.executable) for name in kinds()}


def temporary() -> dict[str, str]:
    """Return variables by which a program leaves nothing behind: PyTorch makes a folder and keeps it."""
    return {"TMPDIR": tempfile.gettempdir()}


def wrapped(python: Path, folder: Path, environment: Mapping[str, str]) -> Path:
    """Return a program that is *python*, with *environment*: a worker inherits nothing of the sort.

    Args:
        python: An interpreter.
        folder: Where to put it.
        environment: Variables and their values.
    """
    program = folder / f"python-{len(list(folder.iterdir()))}"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    program.write_text("\n".join(["#!/bin/sh", *lines, f'exec {shlex.quote(str(python))} "$@"', ""]))
    program.chmod(0o755)
    return program


def subject(
    kind: Kind, model: str, *, python: Path, folder: Path, size: str, device: str, pretended: bool
) -> Subject:
    """Return a model of an engine, ready to be placed.

    Args:
        kind: The engine.
        model: One of its models, or another name for one.
        python: From `wrapped`.
        folder: With its checkpoint.
        size: ``full`` or ``tiny``.
        device: Such as ``cuda:0``.
        pretended: Whether it is.
    """
    made = "PretendedEngine" if pretended else "TimedEngine"
    spec = replace(kind.spec, factory=f"gpu_check.engine_{kind.module}:{made}")
    described = next((it for it in spec.models if it.id == model), spec.models[0])
    options: dict[str, object] = dict(kind.options)
    if size == "tiny":
        # Tiny models are no measure for memory; their aligner is exact in 32 bits alone.
        described = replace(described, memory_bytes=500_000_000)
        options |= {"dtype": "float32"}
        options |= {"num_beams": 1, "diffusion_steps": 2} if kind.module == "indextts" else {}
    engine = InstalledEngine(spec=spec, distribution=f"speechhub-{spec.name}", python=python)
    placement = Placement(
        engine=engine,
        model=replace(described, id=model),
        device=Device(name=device, exclusive=True),
        path=folder,
        options=options,
    )
    return Subject(placement=placement, folder=folder, size=size)


def write(
    kind: Kind, model: str, *, python: Path, folder: Path, device: str, size: str, limit_s: float
) -> None:
    """Write a checkpoint in the engine's environment.

    Raises:
        CannotStartError: That failed, or took longer than *limit_s* seconds.
    """
    program = HERE / f"write_{kind.module}.py"
    said = _run(python, "-W", "ignore", program, folder, device, size, kind.models[model], limit_s=limit_s)
    free_bytes = shutil.disk_usage(folder.parent).free
    if said.failed and free_bytes < SPARE_BYTES:
        raise CannotStartError(
            f"The checkpoint of {model} cannot be written: {said.last}. {free_bytes / 1e9:.1f} GB are free in"
            f" {folder.parent}; TMPDIR, or --checkpoints FOLDER, chooses a place with 14 GB."
        )
    if said.failed:
        raise CannotStartError(
            f"The checkpoint of {model} cannot be written: {_explained(said.last, kind, device)}"
        )


def try_card(kind: Kind, python: Path, device: str) -> None:
    """Have the engine's PyTorch compute on the card.

    Raises:
        CannotStartError: It cannot; the message says what to do.
    """
    code = "import sys, torch; (torch.ones(2, device=sys.argv[1]) + 1).sum().item()"
    said = _run(python, "-W", "ignore", "-c", code, device, limit_s=SHORT_LIMIT_S)
    if said.failed:
        name = kind.spec.name
        raise CannotStartError(
            f"PyTorch of {name} cannot compute on {device}: {_explained(said.last, kind, device)}"
        )


def _explained(said: str, kind: Kind, device: str) -> str:
    found = explain_cuda(RuntimeError(said), engine=kind.spec.name, device=device)
    return found.message if found else said


def size_bytes(folder: Path) -> int:
    """Return how large all files below *folder* are."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def versions(python: Path) -> dict[str, Any]:
    """Return the versions that matter in an engine's environment; empty if it cannot tell."""
    code = (
        "import importlib.metadata as m, json, platform\n"
        "found = {'python': platform.python_version()}\n"
        "for name in ('torch', 'transformers', 'qwen-asr', 'indextts2-inference', 'indextts25-inference'):\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    said = _run(python, "-c", code, limit_s=SHORT_LIMIT_S)
    return {} if said.failed else dict(json.loads(said.out))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a program said."""

    failed: bool
    out: str
    last: str
    """Last line of its errors, or what else went wrong."""


def _run(python: Path, *words: object, limit_s: float) -> _Said:
    """Run a program that ends when we do, whatever way that is."""
    # Ctrl-C waits until the process is known: before, it could not be ended.
    came: list[object] = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(None))
    try:
        # A session of its own: Ctrl-C is for us, and what it starts is ended with it.
        process = subprocess.Popen(
            [str(python), *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | ORDER | temporary(),
            start_new_session=True,
        )
    except OSError as error:
        signal.signal(signal.SIGINT, before)
        return _Said(failed=True, out="", last=f"{python}: {error.strerror}")
    try:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt
        out, errors = process.communicate(timeout=max(limit_s, 0))
    except subprocess.TimeoutExpired:
        return _Said(failed=True, out="", last=f"not done after {limit_s:.0f} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    last = (errors.strip().splitlines() or [f"exit status {process.returncode}, no message"])[-1]
    return _Said(failed=process.returncode != 0, out=out, last=last)
