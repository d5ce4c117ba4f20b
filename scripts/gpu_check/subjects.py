"""The engines that are checked: where they run, what they load, what they are asked."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from gpu_check.words import WORDS
from speechhub.discovery import InstalledEngine
from speechhub.engine import Audio, EngineSpec, Reference, Slot, SynthesizeRequest, TranscribeRequest
from speechhub.environments.find import discover_all
from speechhub.lifecycle.placement import Device, Placement
from speechhub.worker.host import Worker

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
DEVICE: Final = Device(name="cuda:0", exclusive=True)
SAID: Final = {"tiny": "The quick brown fox.", "full": " ".join(WORDS)}
"""What the made-up Qwen3-ASR says, whatever it hears."""
SENTENCE: Final = "The first sentence is short. Here is the second one, a little longer. And this ends it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An engine."""

    spec: EngineSpec
    module: str
    """Short name of its modules here: ``write_…``, ``pretended_…``."""
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
        return self.placement.target

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


def wrapped(python: Path, folder: Path, environment: Mapping[str, str]) -> Path:
    """Return a program that is *python*, with *environment*: a worker inherits nothing of the sort.

    Args:
        python: An interpreter.
        folder: Where to put it.
        environment: Variables and their values.
    """
    program = folder / f"python-{len(list(folder.iterdir()))}"
    lines = [f"export {name}='{value}'" for name, value in environment.items()]
    program.write_text("\n".join(["#!/bin/sh", *lines, f"exec '{python}' \"$@\"", ""]))
    program.chmod(0o755)
    return program


def subject(kind: Kind, model: str, *, python: Path, folder: Path, size: str, pretended: bool) -> Subject:
    """Return a model of an engine, ready to be placed.

    Args:
        kind: The engine.
        model: One of its models, or another name for one.
        python: From `wrapped`.
        folder: With its checkpoint.
        size: ``full`` or ``tiny``.
        pretended: Whether the card is.
    """
    spec = kind.spec
    if pretended:
        spec = replace(spec, factory=f"gpu_check.pretended_{kind.module}:PretendedEngine")
    described = next((it for it in spec.models if it.id == model), spec.models[0])
    options: dict[str, object] = dict(kind.options)
    if size == "tiny":
        # Tiny models are no measure for memory; their aligner is exact in 32 bits alone.
        described = replace(described, memory_bytes=500_000_000)
        options |= {"dtype": "float32"}
        options |= {"num_beams": 1, "diffusion_steps": 2} if kind.module == "indextts" else {}
    engine = InstalledEngine(spec=spec, distribution=f"speechhub-{spec.name}", python=python)
    placement = Placement(
        engine=engine, model=replace(described, id=model), device=DEVICE, path=folder, options=options
    )
    return Subject(placement=placement, folder=folder, size=size)


def write(kind: Kind, model: str, *, python: Path, folder: Path, device: str, size: str) -> None:
    """Write a checkpoint in the engine's environment.

    Raises:
        AssertionError: That failed; the message is the last it said.
    """
    name = kind.models[model]
    program = HERE / f"write_{kind.module}.py"
    done = subprocess.run(
        [str(python), "-W", "ignore", str(program), str(folder), device, size, name],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError((done.stderr.strip().splitlines() or ["no message"])[-1])


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
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}
