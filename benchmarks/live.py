"""Measures live audio: how soon the Realtime API hears, transcribes and speaks, and what that costs the hub.

    .venv/bin/python benchmarks/live.py [--rounds N] [--seconds S] [sessions] [finals] [speech]

`sessions`: 1, 8 and 32 sessions in real time on the echo engine, and 32 beside a client that does not read.
`finals`: from the end of an utterance to its transcript, compared with the same engine called directly, in
turns, without and with partial results. `speech`: from the end of a first sentence, whose words arrive one by
one, to its first audio, compared with the same engine called directly. Without a name, all three.
"""

import argparse
import asyncio
import base64
import itertools
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load.engines import CLIPS, SPOKEN, samples_of  # the path comes first
from speechhub.engine import (
    Audio,
    Call,
    ListenRequest,
    LoadContext,
    SttEngine,
    SynthesizeRequest,
    TranscribeRequest,
    TtsEngine,
)
from speechhub.store import ModelStore
from speechhub_echo.stt import EchoStt
from speechhub_echo.tts import EchoTts
from speechhub_piper import JOE
from speechhub_piper.engine import PiperEngine
from speechhub_whisper import WHISPER_BASE
from speechhub_whisper.engine import WhisperEngine
from tests.e2e import realtime
from tests.e2e.conftest import ECHO
from tests.e2e.realtime import PIECE_S, RATE, SPEECH, Session
from tests.e2e.server import Server, serving
from tests.fakes.babble import talk
from tests.fuzz.probe import Probe

COUNTS = (1, 8, 32)
ROOM = {"SPEECHHUB_REALTIME_SESSIONS": str(COUNTS[-1] + 1)}
PREFIX_MS, SILENCE_MS = 300, 500
"""Turn detection of every session here, in milliseconds."""
PROOF_MS = 96
"""Speech that the hub has to hear before it says so: three windows of 32 ms."""
TRIMMED_MS = 200
"""Silence at an utterance's end that reaches the engine, in milliseconds."""
WORK_S = 0.3
"""How long the echo engine works in the comparisons; without it there would be nothing to compare."""
LAST_S = 0.3
"""Audio that an engine with live sessions has not heard at the end of an utterance, at most."""
WORD_S = 0.1
"""Pace of a text that is being written."""
WRITTEN = (
    "The keeper climbs the stairs to light the great lamp.",
    "He can see the fishing boats come home one after another.",
    "By the time the last one is in, it is dark.",
)
"""The first sentence is shorter than what is spoken before its end is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What a client saw of one utterance."""

    late_s: float
    """From the audio that proves speech to ``speech_started``."""
    partial_s: float
    """From ``speech_started`` to the first partial result; infinity if the transcript was all there was."""
    final_s: float
    """From ``speech_stopped`` to ``completed``."""
    first: int
    last: int
    """Its samples, among those sent: the first, and the one after the last."""


def utterances(session: Session) -> list[Utterance]:
    """Return what became of the utterances of a session."""
    found = []
    for started in session.all(realtime.STARTED):
        item = started["item_id"]
        [stopped] = session.all(realtime.STOPPED, item_id=item)
        [completed] = session.all(realtime.COMPLETED, item_id=item)
        deltas = [event.at_s for event in session.all(realtime.DELTA, item_id=item)]
        early = [at_s for at_s in deltas if at_s < stopped.at_s]
        proof_s = (started["audio_start_ms"] + PREFIX_MS + PROOF_MS) / 1000
        piece = math.ceil(round(proof_s / PIECE_S, 6)) - 1
        end_ms = stopped["audio_end_ms"] - SILENCE_MS + TRIMMED_MS
        found.append(
            Utterance(
                late_s=started.at_s - session.sent_at_s[piece],
                partial_s=early[0] - started.at_s if early else math.inf,
                final_s=completed.at_s - stopped.at_s,
                first=started["audio_start_ms"] * RATE // 1000,
                last=end_ms * RATE // 1000,
            )
        )
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def ms(values: Sequence[float], *shares: float) -> str:
    """Return percentiles of seconds as cells, in milliseconds."""
    return " | ".join(f"{1000 * percentile(values, share):.0f}" for share in shares)


def whole_pieces(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return *samples* with silence up to a whole number of pieces, which makes their times easy to find."""
    return np.pad(samples, (0, -len(samples) % round(PIECE_S * RATE)))


@asynccontextmanager
async def listening(url: str, model: str) -> AsyncIterator[Session]:
    """Open a session that transcribes English, with the turn detection of this benchmark."""
    async with realtime.ready(url, decode=json.loads, max_queue=None) as session:
        turns = {
            "type": "server_vad",
            "prefix_padding_ms": PREFIX_MS,
            "silence_duration_ms": SILENCE_MS,
        }
        await session.update(
            audio={
                "input": {"turn_detection": turns, "transcription": {"model": model, "language": "en"}},
            }
        )
        yield session


# ── Many sessions ────────────────────────────────────────────────────────────


def one_of_many(number: int, seconds: float) -> NDArray[np.float32]:
    """Return what speaker *number* says in *seconds*: babble and silence in turns, silence first."""
    dice = random.Random(f"live {number}")
    turns = [0.0, 1.0]
    while sum(turns) < seconds:
        turns += [dice.uniform(1.5, 4.0), dice.uniform(1.0, 1.6)]
    return whole_pieces(talk(*turns, rate=RATE))


async def speak(url: str, recording: NDArray[np.float32], start_s: float) -> list[Utterance]:
    """Play a recording in real time, *start_s* later than others; return what became of it."""
    await asyncio.sleep(start_s)
    async with listening(url, "echo-stt") as session:
        await session.play(recording)
        count = len(session.all(realtime.STARTED))
        await session.until(realtime.STOPPED, count)  # in the last silence
        await session.until(realtime.COMPLETED, count)
        return utterances(session)


@asynccontextmanager
async def slow_reader(url: str) -> AsyncIterator[None]:
    """Have a client beside that asks for much speech and reads nothing."""
    async with realtime.joined(url, SPEECH, reading=False, decode=json.loads, max_queue=1) as session:
        await session.speak("One two three four five. " * 390)
        yield
        await session.hang_up()


async def look(server: Server, count: int, seconds: float, *, beside: bool) -> str:
    """Return the table's line for this many sessions at a time."""
    recordings = [one_of_many(number, seconds) for number in range(count)]  # not while others speak
    server.forget_peak()
    with Probe(server.url, pace_s=0.05, path="/health") as probe:
        async with asyncio.TaskGroup() as group:
            speakers = [
                group.create_task(speak(server.url, recording, number / count))
                for number, recording in enumerate(recordings)
            ]
            if beside:
                async with slow_reader(server.url):
                    await asyncio.wait(speakers)
    said = [utterance for speaker in speakers for utterance in speaker.result()]
    partials = [utterance.partial_s for utterance in said if utterance.partial_s < math.inf]
    name = f"{count}, and one that does not read" if beside else str(count)
    return (
        f"| {name} | {len(said)} | {ms([one.late_s for one in said], 0.5, 0.95, 1)} | "
        f"{ms(partials, 0.5, 0.95) if partials else 'none | none'} | {len(partials)} | "
        f"{ms([one.final_s for one in said], 0.5, 0.95)} | {1000 * probe.median_s:.1f} | "
        f"{1000 * probe.p99_s:.1f} | {server.peak_bytes() / 1e6:.0f} |"
    )


async def sessions(seconds: float) -> None:
    """Print what sessions in real time see, and what they cost the hub."""
    print(
        "| sessions | utterances | speech_started late, ms: p50 | p95 | worst | first partial after it, ms: "
        "p50 | p95 | utterances with a partial | speech_stopped to completed, ms: p50 | p95 | /health, ms: "
        f"p50 | p99 | hub at most, MB |\n{'| --- ' * 13}|"
    )
    for count, beside in (*((count, False) for count in COUNTS), (COUNTS[-1], True)):
        with tempfile.TemporaryDirectory() as home, serving(Path(home), **ECHO, **ROOM) as server:
            await speak(server.url, one_of_many(0, 5), 0)  # loads the engine
            print(await look(server, count, seconds, beside=beside), flush=True)
    print()


# ── Transcripts, and the engine alone ────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One engine: how a server runs it, and itself."""

    model: str
    engine: SttEngine | TtsEngine
    env: dict[str, str] = field(default_factory=dict)
    voice: str = ""
    live: bool = False
    """Whether the engine hears while somebody speaks, so that only the end is left after an utterance."""

    def transcription_s(self, samples: NDArray[np.float32]) -> float:
        """Return how long the engine itself takes to transcribe *samples*, at 24 kHz."""
        assert isinstance(self.engine, SttEngine)
        audio = Audio(samples=soxr.resample(samples, RATE, 16_000), sample_rate=16_000)
        began = time.perf_counter()
        self.engine.transcribe([TranscribeRequest(audio=audio, language="en")], Call())
        return time.perf_counter() - began

    def ending_s(self, samples: NDArray[np.float32]) -> float:
        """Return how long the engine takes for the last piece of *samples*, having heard the rest before."""
        assert isinstance(self.engine, SttEngine)
        heard, last = np.split(soxr.resample(samples, RATE, 16_000), [-round(LAST_S * 16_000)])
        before = Audio(samples=heard, sample_rate=16_000)
        self.engine.listen(ListenRequest(session="1", audio=before, first=True, language="en"), Call())
        request = ListenRequest(session="1", audio=Audio(samples=last, sample_rate=16_000), last=True)
        began = time.perf_counter()
        self.engine.listen(request, Call())
        return time.perf_counter() - began

    def speech_s(self, text: str) -> float:
        """Return how long the engine itself takes for the first audio of *text*."""
        assert isinstance(self.engine, TtsEngine)
        began = time.perf_counter()
        next(iter(self.engine.synthesize(SynthesizeRequest(text=text, voice=self.voice), Call())))
        return time.perf_counter() - began


def loaded(engine: SttEngine | TtsEngine, model: str, folder: Path | None = None, **options: object) -> None:
    """Load an engine as its worker does."""
    engine.load(LoadContext(model=model, model_dir=folder, options=options))


def echo(slot: str) -> Compared:
    """Return an echo engine that works for a while."""
    engine = EchoStt() if slot == "stt" else EchoTts()
    loaded(engine, f"echo-{slot}", work_s=WORK_S)
    env = ECHO | {"SPEECHHUB_ENGINES": json.dumps({f"echo-{slot}": {"work_s": WORK_S}})}
    return Compared(model=f"echo-{slot}", engine=engine, env=env, voice="low", live=slot == "stt")


def real(slot: str, home: Path) -> Compared:
    """Return Whisper base or Piper, on the weights that are here."""
    store = ModelStore(home / "models", hf_endpoint=None, offline=True)
    engine, spec = (WhisperEngine(), WHISPER_BASE) if slot == "stt" else (PiperEngine(), JOE)
    loaded(engine, spec.id, store.resolve(spec))
    return Compared(model=spec.id, engine=engine, env={"SPEECHHUB_OFFLINE": "true"}, voice="joe")


def spoken() -> list[NDArray[np.float32]]:
    """Return the clips, each between silences, at 24 kHz."""
    before, after = np.zeros(RATE * 2 // 5, np.float32), np.zeros(RATE, np.float32)
    clips = [samples_of((CLIPS / f"{name}.ogg").read_bytes(), RATE) for name in SPOKEN]
    return [whole_pieces(np.concatenate([before, clip, after])) for clip in clips]


async def finals_of(
    server: Server, compared: Compared, rounds: int, *, partials: bool
) -> tuple[list[Utterance], list[float]]:
    """Return the utterances of one session, and how long the engine takes for each of them itself."""
    directly_s = compared.ending_s if compared.live and partials else compared.transcription_s
    clips = list(itertools.islice(itertools.cycle(spoken()), rounds))
    sent = np.concatenate(clips)
    directly: list[float] = []
    async with listening(server.url, compared.model) as session:
        for clip in clips:
            await session.play(clip)
            count = len(session.all(realtime.STARTED))
            await session.until(realtime.STOPPED, count)  # in the silence after the clip
            await session.until(realtime.COMPLETED, count)
            new = utterances(session)[len(directly) :]  # nothing else is at work now
            directly += [directly_s(sent[one.first : one.last]) for one in new]
        return utterances(session), directly


async def finals(rounds: int) -> None:
    """Print how long a transcript takes after its utterance, beside the engine itself."""
    print(
        "| engine | partials | utterances | first partial after speech_started, ms: p50 | speech_stopped to "
        "completed, ms: p50 | p95 | engine itself, ms: p50 | p95 | ratio, median | allowed p95, ms | "
        f"p95 ÷ allowed |\n{'| --- ' * 11}|"
    )
    for compared in (echo("stt"), None):
        for partials in (False, True):
            with tempfile.TemporaryDirectory() as home:
                one = compared or real("stt", Path(home))
                env = one.env | {"SPEECHHUB_REALTIME_PARTIALS": json.dumps(partials)}
                with serving(Path(home), **env) as server:
                    await finals_of(server, one, 1, partials=partials)  # loads the engine
                    said, directly = await finals_of(server, one, rounds, partials=partials)
                if compared is None:
                    one.engine.close()
            # A partial result that is under way is not cancelled; it takes at most as long as the transcript.
            allowed_s = 1.1 * percentile(directly, 0.95) + 0.05 + partials * percentile(directly, 0.95)
            found = [utterance.final_s for utterance in said]
            early = [utterance.partial_s for utterance in said if utterance.partial_s < math.inf]
            ratio = statistics.median(through / alone for through, alone in zip(found, directly, strict=True))
            print(
                f"| {one.model} | {'on' if partials else 'off'} | {len(said)} | "
                f"{ms(early, 0.5) if early else 'none'} | {ms(found, 0.5, 0.95)} | "
                f"{ms(directly, 0.5, 0.95)} | {ratio:.2f} | {1000 * allowed_s:.0f} | "
                f"{percentile(found, 0.95) / allowed_s:.2f} |",
                flush=True,
            )
    print()


# ── Speech from a text that is being written ─────────────────────────────────


async def written(url: str, compared: Compared) -> float:
    """Write a text word by word; return the seconds from the word that ends the first sentence to its audio.

    That word is the first of the second sentence: only then is it certain that the first one has ended.
    """
    query = f"model_id={compared.model}&output_format=pcm_24000"
    address = realtime.address(url, f"/v1/text-to-speech/{compared.voice}/stream-input", query)
    async with connect(address, compression=None, proxy=None, max_size=None) as connection:

        async def write() -> float:
            ended_s = 0.0
            await connection.send(json.dumps({"text": " "}))
            for number, sentence in enumerate(WRITTEN):
                for place, word in enumerate(sentence.split()):
                    if (number, place) == (1, 0):
                        ended_s = time.monotonic()
                    await connection.send(json.dumps({"text": f"{word} "}))
                    await asyncio.sleep(WORD_S)
            await connection.send(json.dumps({"text": ""}))
            return ended_s

        writing = asyncio.create_task(write())
        first_s = math.inf
        async for message in connection:
            event = json.loads(message)
            assert "error" not in event, event
            if event.get("audio"):
                first_s = min(first_s, time.monotonic())
            if event.get("isFinal"):
                break
        return first_s - await writing


async def responded(url: str, compared: Compared) -> float:
    """Ask for a whole text as a response; return the seconds to its first audio."""
    async with realtime.ready(url, f"model={compared.model}", decode=json.loads, max_queue=None) as session:
        await session.update("realtime", audio={"output": {"voice": compared.voice}})
        began = time.monotonic()
        await session.speak(" ".join(WRITTEN))
        await session.until("response.done")
        first = session.all(realtime.AUDIO)[0]
        assert base64.b64decode(first["delta"])
        return first.at_s - began


DOORS = {"stream-input, a word every 100 ms": written, "response.create, the whole text": responded}


async def speech(rounds: int) -> None:
    """Print how soon the first audio arrives, beside the engine itself."""
    print(
        f"| engine | text | first audio, ms: p50 | p95 | engine itself, ms: p50 | ratio, median |\n"
        f"{'| --- ' * 6}|"
    )
    for compared in (echo("tts"), None):
        with tempfile.TemporaryDirectory() as home:
            one = compared or real("tts", Path(home))
            with serving(Path(home), **one.env) as server:
                for name, through in DOORS.items():
                    await through(server.url, one), one.speech_s(WRITTEN[0])
                    ours, theirs = [], []
                    for _ in range(rounds):
                        ours.append(await through(server.url, one))
                        theirs.append(one.speech_s(WRITTEN[0]))
                    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
                    print(
                        f"| {one.model} | {name} | {ms(ours, 0.5, 0.95)} | {ms(theirs, 0.5)} | {ratio:.2f} |",
                        flush=True,
                    )
    print()


async def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help="what to measure; nothing named: all")
    parser.add_argument("--rounds", type=int, default=20, help="clips, or texts, of each comparison")
    parser.add_argument("--seconds", type=float, default=30.0, help="audio of each of many sessions")
    chosen = parser.parse_args()
    parts = {
        "sessions": partial(sessions, chosen.seconds),
        "finals": partial(finals, chosen.rounds),
        "speech": partial(speech, chosen.rounds),
    }
    if unknown := set(chosen.parts) - set(parts):
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(parts)}")
    os.environ["SPEECHHUB_LOG_LEVEL"] = "warning"
    for name in chosen.parts or parts:
        await parts[name]()
    print(f"load {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
