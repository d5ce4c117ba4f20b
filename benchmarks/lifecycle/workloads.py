"""Workloads of the comparison: each starts its clients in a world.

Service times are assumptions, not measurements: a clip of 1 to 30 s takes 0.35 s + 0.02 s for each of its
seconds to transcribe; speech takes 0.8 s for each of its seconds.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final, Protocol

from benchmarks.lifecycle.world import HOUR_S, Costs


class Site(Protocol):
    """What clients see: one GPU's world, or a part of a cluster's clients."""

    rng: Random
    costs: Costs
    length_s: float
    on_ready: Callable[[str], None] | None

    @property
    def now(self) -> float:
        """Seconds of the clock."""
        ...

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        """Call *action* after *delay_s*."""
        ...

    def ask(self, model: str, service_s: float, size: float, after: Callable[[], None] | None = None) -> None:
        """Send a request for *model* now."""
        ...


def transcribe(world: Site, after: Callable[[], None] | None = None) -> None:
    """Request the transcript of a clip of about 6 s."""
    clip_s = min(30.0, max(1.0, world.rng.lognormvariate(1.8, 0.6)))
    world.ask("stt", 0.35 + 0.02 * clip_s, clip_s, after)


def speak(world: Site, after: Callable[[], None] | None = None) -> None:
    """Request a sentence or two: about 5 s of speech."""
    speech_s = min(30.0, max(1.0, world.rng.lognormvariate(1.6, 0.5)))
    world.ask("tts", 0.8 * speech_s, speech_s, after)


def arrivals(world: Site, act: Callable[[Site], None], per_hour: float, *, variation: float = 1.0) -> None:
    """Call *act* for the world's length, with gamma-distributed gaps; *variation* 1 is a Poisson process."""
    shape = 1.0 / variation**2

    def gaps() -> Iterator[float]:
        time = 0.0
        while (time := time + world.rng.gammavariate(shape, HOUR_S / per_hour / shape)) < world.length_s:
            yield time

    for time in gaps():
        world.at(time, lambda: act(world))


def voice_loop(world: Site, people: int = 1) -> None:
    """Let people talk to an assistant: a question, 1 to 3 s of work elsewhere, an answer, a pause."""

    def question() -> None:
        if world.now < world.length_s:
            transcribe(world, lambda: world.at(world.rng.uniform(1, 3), answer))

    def answer() -> None:
        speak(world, lambda: world.at(world.rng.uniform(3, 8), question))

    for _ in range(people):
        world.at(world.rng.uniform(0, 10), question)


def three_voice_loops(world: Site) -> None:
    """Three people at once."""
    voice_loop(world, 3)


def bulk(world: Site) -> None:
    """A text of 30 lines to speak every ten minutes, beside live transcription."""
    for start in range(0, int(world.length_s), 600):
        for _ in range(30):
            world.at(start, lambda: speak(world))
    arrivals(world, transcribe, 400)


def flood(world: Site) -> None:
    """More transcription than the GPU can do, and a sentence to speak once a minute."""
    arrivals(world, transcribe, 4 * HOUR_S)
    arrivals(world, speak, 60)


def adversary(world: Site) -> None:
    """A client that requests the other engine as soon as one is ready, beside a little of both."""

    def spite(ready: str) -> None:
        if world.now < world.length_s:
            world.at(0.01, lambda: speak(world) if ready == "stt" else transcribe(world))

    world.on_ready = spite
    arrivals(world, transcribe, 400)
    arrivals(world, speak, 200)


def crash_storm(world: Site) -> None:
    """Workers that crash on every tenth request, and loads that fail one time in ten."""
    world.costs.crashes = world.costs.load_failures = 0.1
    arrivals(world, transcribe, 400)
    arrivals(world, speak, 120)


def bursts(world: Site) -> None:
    """Trace-shaped: gamma gaps with a coefficient of variation of 13, that of Azure's code trace of 2023."""
    arrivals(world, transcribe, 900, variation=13)
    arrivals(world, speak, 240, variation=13)


WORKLOADS: Final[dict[str, Callable[[Site], None]]] = {
    "voice loop": voice_loop,
    "3 voice loops": three_voice_loops,
    "bulk TTS + live STT": bulk,
    "STT flood": flood,
    "ABAB adversary": adversary,
    "crash storm": crash_storm,
    "bursts, CV 13": bursts,
}
