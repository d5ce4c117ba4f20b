"""Compares the hub's port for Home Assistant with the servers that Home Assistant's users run today.

    .venv/bin/python -m benchmarks.wyoming_port [--rounds N] [speech] [transcripts] [describe] [memory]

`speech`: time to first audio and real-time factor, beside wyoming-piper on the same voice, and beside the
bridge wyoming-openai in front of the same hub. `transcripts`: from audio-stop to the transcript, and wrong
words, beside wyoming-faster-whisper on the same weights. `describe`: how soon the hub says what it offers
while it works. `memory`: what the port costs. Without a name, all four.

The sides of each comparison take turns in one run. The peers are installed into .venvs, from PyPI.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import httpx
import structlog

from benchmarks.footprint import rss_mb
from benchmarks.live import WRITTEN, Compared, loaded, percentile
from benchmarks.wyoming_port import servers
from benchmarks.wyoming_port.client import RATE, Speech, look, speak, transcribe, write
from benchmarks.wyoming_port.corpus import Clip, human, spoken, wrong_words
from speechhub.store import ModelStore
from speechhub_piper import JOE
from speechhub_piper.engine import PiperEngine
from speechhub_piper.voice import find_voice
from speechhub_whisper import WHISPER_BASE
from tests.e2e.server import Server, serving

ROUNDS = 12
REST_S = 0.3
"""Pause between two turns, in seconds: threads of ONNX Runtime and OpenMP wait for work in a busy loop."""
QUIET = {"noise_scale": 0.0, "noise_w_scale": 0.0}
"""Options of Piper with which a text always becomes the same speech."""
TURNS_FOR_EACH = 6
"""Rounds for which each utterance is transcribed once: there are ten."""
WAITING = 20
"""Utterances that wait while `describe` is asked."""
LOOK_S = 8.0
T = TypeVar("T")


def environment(port: int, *, whisper: Mapping[str, object] | None = None, **more: str) -> dict[str, str]:
    """Return the settings of a hub that listens at *port*, 0 for none, with options of Whisper."""
    return {
        "SPEECHHUB_OFFLINE": "true",
        "SPEECHHUB_STT_MODEL": WHISPER_BASE.id,
        "SPEECHHUB_TTS_MODEL": JOE.id,
        "SPEECHHUB_ENGINES": json.dumps({"piper": QUIET, "whisper": whisper or {}}),
        "SPEECHHUB_WYOMING_PORT": str(port),
        **more,
    }


async def in_turns(
    sides: Mapping[str, Callable[[], Awaitable[T]]], rounds: int, *, warm_ups: int = 1
) -> dict[str, list[T]]:
    """Ask all sides this many times after warm-ups, which do not count; another one begins each time."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(-warm_ups, rounds):
        names = [*sides]
        first = number % len(names)
        for name in names[first:] + names[:first]:
            await asyncio.sleep(REST_S)
            answer = await sides[name]()
            if number >= 0:
                found[name].append(answer)
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Return the median of the rounds' ratios, and that of the fastest quarters, the least disturbed."""
    median = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    fastest = [statistics.quantiles(side, n=4)[0] for side in (ours, theirs)]
    return f"{median:.2f} ({fastest[0] / fastest[1]:.2f})"


def ms(values: Sequence[float]) -> str:
    """Return the median of seconds, in milliseconds."""
    return f"{1000 * statistics.median(values):.0f}"


def coarse(values: Sequence[float]) -> str:
    """Return the median, with two places."""
    return f"{statistics.median(values):.2f}"


def fine(values: Sequence[float]) -> str:
    """Return the median, with three places."""
    return f"{statistics.median(values):.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with a column for each side, and what the first takes compared with the others."""

    sides: Sequence[str]

    def head(self, what: str) -> None:
        """Print the first two lines."""
        others = self.sides[1:]
        cells = [what, *self.sides, *(f"÷ {name} (fastest quarter)" for name in others)]
        print(f"\n| {' | '.join(cells)} |\n{'| --- ' * len(cells)}|")

    def line(self, what: str, values: Mapping[str, Sequence[float]], show: Callable[..., str] = ms) -> None:
        """Print medians, and the medians of each round's ratios."""
        ours, *others = (values[name] for name in self.sides)
        cells = [show(one) for one in (ours, *others)] + [ratio(ours, other) for other in others]
        print(f"| {what} | {' | '.join(cells)} |", flush=True)


# ── Speech ───────────────────────────────────────────────────────────────────


async def speech(rounds: int) -> None:
    """Print how soon a text sounds, and how fast it becomes speech."""
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        folder = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True).resolve(JOE)
        port = servers.free_port()
        hub = stack.enter_context(serving(Path(home), **environment(port)))
        ports = {
            "speechhub": port,
            "wyoming-piper": stack.enter_context(servers.piper(find_voice(folder)[0])),
        }
        add_bridge(stack, hub, ports)
        engine = PiperEngine()
        loaded(engine, JOE.id, folder, **QUIET)
        alone = Compared(model=JOE.id, engine=engine, voice="joe")

        async def own() -> Speech:
            return Speech(first_s=alone.speech_s(WRITTEN[0]))

        table = Table(sides=[*ports])
        table.head(f"medians of {rounds}")
        for name, text in (("one sentence", WRITTEN[0]), ("three sentences", " ".join(WRITTEN))):
            whole = await in_turns({side: partial(speak, at, text) for side, at in ports.items()}, rounds)
            table.line(f"{name}: first audio, ms", _each(whole, lambda it: it.first_s))
            table.line(f"{name}: real-time factor", _each(whole, lambda it: it.whole_s / it.audio_s), fine)
            table.line(f"{name}: length, s", _each(whole, lambda it: it.audio_s), coarse)
        asked: dict[str, Callable[[], Awaitable[Speech]]] = {
            side: partial(write, at, WRITTEN) for side, at in ports.items()
        }
        written = await in_turns(asked | {"engine": own}, max(1, rounds // 2))
        late = _each(written, lambda it: it.late_s)
        table.line("a word every 100 ms: first audio after the second sentence began, ms", late)
        del written["engine"]
        table.line("the same: length, s", _each(written, lambda it: it.audio_s), coarse)
        print(
            f"\nThe engine itself takes {ms(late['engine'])} ms for the first sentence. After the second one "
            f"began, the first audio takes {ratio(late['speechhub'], late['engine'])} times as long "
            "(goal: at most 1.1).",
            flush=True,
        )


def add_bridge(stack: ExitStack, hub: Server, ports: dict[str, int]) -> None:
    """Run the bridge in front of a hub, and add its port, if this machine can run it."""
    found = stack.enter_context(servers.bridge(hub.url, stt=WHISPER_BASE.id, tts=JOE.id, voice="joe"))
    if found is not None:
        ports["wyoming-openai"] = found


def _each(said: Mapping[str, Sequence[Speech]], what: Callable[[Speech], float]) -> dict[str, list[float]]:
    return {name: [what(one) for one in these] for name, these in said.items()}


# ── Transcripts ──────────────────────────────────────────────────────────────


async def transcripts(rounds: int) -> None:
    """Print how soon a transcript is there, and how many words are wrong."""
    clips: list[Clip] = []
    for vad in (True, False):
        with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
            weights = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True).resolve(WHISPER_BASE)
            port = servers.free_port()
            stack.enter_context(serving(Path(home), **environment(port, whisper={"vad": vad})))
            peer = stack.enter_context(servers.faster_whisper(weights, vad=vad))
            ports = {"speechhub": port, "wyoming-faster-whisper": peer}
            clips = clips or [*await spoken(port), *human()]
            for at in ports.values():
                await transcribe(at, clips[0].pcm)
            await _compare(ports, clips * max(1, rounds // TURNS_FOR_EACH), "with" if vad else "without")


async def _compare(ports: Mapping[str, int], clips: Sequence[Clip], vad: str) -> None:
    late: dict[str, list[float]] = {name: [] for name in ports}
    wrong = {name: Counter[str]() for name in ports}
    misheard: list[str] = []
    for clip in clips:
        sides = {name: partial(transcribe, at, clip.pcm) for name, at in ports.items()}
        for name, [(text, late_s)] in (await in_turns(sides, 1, warm_ups=0)).items():
            late[name].append(late_s)
            count = wrong_words(clip.said, text)
            wrong[name][clip.speaker] += count
            misheard += [f"* {name}: {clip.said} → {text.strip()}"] * (count > 0)
    words = Counter[str]()
    for clip in clips:
        words[clip.speaker] += len(clip.said.split())
    table = Table(sides=[*ports])
    table.head(f"{len(clips)} utterances, {vad} voice activity detection")
    table.line("from audio-stop to transcript, ms, median", late)
    for speaker, count in words.items():
        cells = [f"{found[speaker]} of {count}" for found in wrong.values()]
        print(f"| wrong words, {speaker} | {' | '.join(cells)} | |")
    print("", *dict.fromkeys(misheard), sep="\n", flush=True)


# ── describe ─────────────────────────────────────────────────────────────────


async def describes(_rounds: int) -> None:
    """Print how soon `describe` is answered."""
    print("\n| describe, while | answers | p50, ms | p99, ms | worst, ms |\n| --- | --- | --- | --- | --- |")
    silence = bytes(2 * RATE)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as probe:
        for exclusive in ("false", "true"):
            port = servers.free_port()
            env = environment(port, SPEECHHUB_CPU_EXCLUSIVE=exclusive, SPEECHHUB_QUEUE_LIMIT_S="900")
            with tempfile.TemporaryDirectory() as home, serving(Path(home), **env) as hub:
                [clip] = human()[:1]
                await transcribe(port, clip.pcm)

                async def beside(what: str, work: Coroutine[Any, Any, Any]) -> None:
                    await _beside(probe, port, what, work)  # noqa: B023  # awaited in this turn of the loop

                if exclusive == "true":
                    await beside("a CPU that holds one engine switches", _switch(port, silence))
                    continue
                await beside("nothing runs", asyncio.sleep(LOOK_S))
                await beside("Whisper base loads, again and again", _load(hub))
                await beside(f"{WAITING} utterances wait", _crowd(port, clip.pcm))


async def _beside(probe: ProcessPoolExecutor, port: int, what: str, work: Coroutine[Any, Any, Any]) -> None:
    """Print the line for what is at work; it is cancelled when enough questions were answered."""
    task = asyncio.create_task(work)
    await asyncio.sleep(1)
    took_s = await asyncio.get_running_loop().run_in_executor(probe, look, port, LOOK_S)
    if task.done():
        task.result()
    task.cancel()
    await asyncio.wait([task])
    cells = [
        f"{1000 * value:.1f}" for value in (percentile(took_s, 0.5), percentile(took_s, 0.99), max(took_s))
    ]
    print(f"| {what} | {len(took_s)} | {' | '.join(cells)} |", flush=True)


async def _load(hub: Server) -> None:
    async with httpx.AsyncClient(base_url=hub.url, timeout=120) as client:
        while True:
            for what in ("unload", "load"):
                answer = await client.post(f"/v1/engines/{what}", json={"model": WHISPER_BASE.id})
                answer.raise_for_status()


async def _crowd(port: int, pcm: bytes) -> None:
    async def one() -> None:
        while True:
            await transcribe(port, pcm)

    async with asyncio.TaskGroup() as group:
        for _ in range(WAITING + 1):  # one of them is heard
            group.create_task(one())


async def _switch(port: int, pcm: bytes) -> None:
    while True:
        await speak(port, WRITTEN[0])
        await transcribe(port, pcm)


# ── Memory ───────────────────────────────────────────────────────────────────


async def memory(rounds: int) -> None:
    """Print what the port costs at idle, and what of its library is imported without it."""
    found: dict[str, list[float]] = {"without": [], "with": []}
    modules: dict[str, int] = {}
    for profiled in (True, *[False] * max(3, rounds // 4)):
        for name, mb in found.items():
            port = servers.free_port() if name == "with" else 0
            env = environment(port) | ({"PYTHONPROFILEIMPORTTIME": "1"} if profiled else {})
            with tempfile.TemporaryDirectory() as home, serving(Path(home), **env) as hub:
                await asyncio.sleep(1)
                if profiled:
                    modules[name] = len(servers.imported([str(line["event"]) for line in hub.lines()]))
                else:
                    mb.append(rss_mb(hub.pid))
    print("\n| | without the port | with it | more |\n| --- | --- | --- | --- |")
    medians = [statistics.median(mb) for mb in found.values()]
    print(f"| hub at idle, MB | {medians[0]:.1f} | {medians[1]:.1f} | {medians[1] - medians[0]:.1f} |")
    print(f"| modules of `wyoming` | {modules['without']} | {modules['with']} | |", flush=True)


PARTS = {"speech": speech, "transcripts": transcripts, "describe": describes, "memory": memory}


async def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help="what to measure; nothing named: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each comparison")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for name in chosen.parts or PARTS:
        await PARTS[name](chosen.rounds)
    print(f"\nload {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
