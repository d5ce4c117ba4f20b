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
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import structlog

from benchmarks.live import WRITTEN, Compared, loaded, percentile
from benchmarks.wyoming_port import servers
from benchmarks.wyoming_port.client import RATE, Speech, look, speak, transcribe, write
from benchmarks.wyoming_port.corpus import Clip, human, spoken, wrong_words
from benchmarks.wyoming_port.idle import memory
from benchmarks.wyoming_port.turns import Table, coarse, fine, in_turns, ms, ratio
from speechhub.store import ModelStore
from speechhub_piper import JOE
from speechhub_piper.engine import PiperEngine
from speechhub_piper.voice import find_voice
from speechhub_whisper import WHISPER_BASE
from tests.e2e.server import Server, free_port, serving

ROUNDS = 12
QUIET = {"noise_scale": 0.0, "noise_w_scale": 0.0}
"""Options of Piper with which a text always becomes the same speech."""
TURNS_FOR_EACH = 12
"""Rounds for each time that an utterance is transcribed: there are ten of them."""
WAITING = 20
"""Utterances that wait while `describe` is asked."""
LOOK_S = 8.0
"""How long it is asked, in seconds."""
Work = Callable[[list[None]], Coroutine[Any, Any, None]]
"""Works until it is cancelled, and notes each time that something is done."""


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


# ── Speech ───────────────────────────────────────────────────────────────────


async def speech(rounds: int) -> None:
    """Print how soon a text sounds, and how fast it becomes speech."""
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        folder = ModelStore(Path(home) / "models", hf_endpoint=None, offline=True).resolve(JOE)
        port = free_port()
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
            port = free_port()
            stack.enter_context(serving(Path(home), **environment(port, whisper={"vad": vad})))
            peer = stack.enter_context(servers.faster_whisper(weights, vad=vad))
            ports = {"speechhub": port, "wyoming-faster-whisper": peer}
            clips = clips or [*await spoken(port), *human()]
            for at in ports.values():
                await transcribe(at, clips[0].pcm)
            await _compare(ports, clips, rounds // TURNS_FOR_EACH, "with" if vad else "without")


async def _compare(ports: Mapping[str, int], clips: Sequence[Clip], times: int, vad: str) -> None:
    late: dict[str, list[float]] = {name: [] for name in ports}
    wrong = {name: Counter[str]() for name in ports}
    misheard: list[str] = []
    for number, clip in enumerate(clips):
        sides = {name: partial(transcribe, at, clip.pcm) for name, at in ports.items()}
        found = await in_turns(sides, max(1, times), warm_ups=0, begin=number)
        for name, heard in found.items():
            late[name] += [late_s for _, late_s in heard]
            text = heard[0][0].strip()
            count = wrong_words(clip.said, text)
            wrong[name][clip.speaker] += count
            misheard += [f"* {name}: {clip.said} → {text}"] * (count > 0)
    words = Counter[str]()
    for clip in clips:
        words[clip.speaker] += len(clip.said.split())
    table = Table(sides=[*ports])
    table.head(f"{len(clips)} utterances, {vad} voice activity detection")
    table.line("from audio-stop to transcript, ms, median", late)
    for speaker, count in words.items():
        cells = [f"{counts[speaker]} of {count}" for counts in wrong.values()]
        print(f"| wrong words, {speaker} | {' | '.join(cells)} | |")
    print("", *misheard, sep="\n", flush=True)


# ── describe ─────────────────────────────────────────────────────────────────


async def describes(_rounds: int) -> None:
    """Print how soon `describe` is answered."""
    print("\n| describe, while | answers | p50, ms | p99, ms | worst, ms |\n| --- | --- | --- | --- | --- |")
    [clip, *_] = human()
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as probe,
        tempfile.TemporaryDirectory() as home,
    ):
        port = free_port()
        beside = partial(_beside, probe, port)
        with serving(Path(home), **environment(port)) as hub:
            await transcribe(port, clip.pcm)
            await beside("nothing runs", _nothing)
            await beside("Whisper base loads, {} times", partial(_load, hub))
            await beside(f"{WAITING} utterances wait, {{}} are transcribed", partial(_crowd, port, clip))
        with serving(Path(home), **environment(port, SPEECHHUB_CPU_EXCLUSIVE="true")):
            await transcribe(port, clip.pcm)
            await beside("a CPU that holds one engine switches, {} times", partial(_switch, port))


async def _beside(probe: Executor, port: int, what: str, work: Work) -> None:
    """Print the line for what is at work, and what it has done; it is cancelled after the last question."""
    done: list[None] = []
    task = asyncio.create_task(work(done))
    await asyncio.sleep(1)
    took_s = await asyncio.get_running_loop().run_in_executor(probe, look, port, LOOK_S)
    if task.done():
        task.result()  # it failed
    task.cancel()
    await asyncio.wait([task])
    values = percentile(took_s, 0.5), percentile(took_s, 0.99), max(took_s)
    cells = [f"{1000 * value:.1f}" for value in values]
    print(f"| {what.format(len(done))} | {len(took_s)} | {' | '.join(cells)} |", flush=True)


async def _nothing(_done: list[None]) -> None:
    await asyncio.Event().wait()


async def _load(hub: Server, done: list[None]) -> None:
    async with httpx.AsyncClient(base_url=hub.url, timeout=120) as client:
        while True:
            for what in ("unload", "load"):
                answer = await client.post(f"/v1/engines/{what}", json={"model": WHISPER_BASE.id})
                answer.raise_for_status()
            done.append(None)


async def _crowd(port: int, clip: Clip, done: list[None]) -> None:
    async def one() -> None:
        while True:
            await transcribe(port, clip.pcm)
            done.append(None)

    async with asyncio.TaskGroup() as group:
        for _ in range(WAITING + 1):  # one of them is being transcribed
            group.create_task(one())


async def _switch(port: int, done: list[None]) -> None:
    while True:
        await speak(port, WRITTEN[0])
        done.append(None)
        await transcribe(port, bytes(2 * RATE))  # a second of silence
        done.append(None)


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
