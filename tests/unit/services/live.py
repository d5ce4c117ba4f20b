"""Live sessions on fakes, in virtual time where that is possible: speech, and what becomes of it."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from speechhub.engine import SttCapabilities, Transcript
from speechhub.metrics import Metrics
from speechhub.services.catalog import Catalog
from speechhub.services.live import LiveService, LiveSettings
from speechhub.services.transcription import TranscriptionService
from tests.fakes.babble import talk
from tests.fakes.placements import CPU, placement, placements
from tests.fakes.runner import FakeRunner
from tests.fakes.virtual_time import Here

RATE = 16_000
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
MODELS = placements(
    placement(
        "ears",
        device=CPU,
        languages=("en", "de"),
        capabilities=SttCapabilities(max_batch=4, prompt=True, hotwords=True),
    ),
    placement("short-ears", device=CPU, capabilities=SttCapabilities(longest_input_s=3)),
    placement("live-ears", device=CPU, capabilities=SttCapabilities(live_sessions=True)),
    placement(
        "short-live-ears", device=CPU, capabilities=SttCapabilities(live_sessions=True, longest_input_s=3)
    ),
    placement("low-ears", device=CPU, capabilities=SttCapabilities(sample_rate=8000)),
    placement("streaming-ears", device=CPU, capabilities=SttCapabilities(streaming=True)),
)


class Threadless(Here):
    """A pool of one thread: this one."""

    threads = 1


def counted(request):
    """Return a transcript that says how long its audio is."""
    length_s = request.audio.duration_s
    return Transcript(text=f"{length_s:.1f} seconds.", language="en", duration_s=length_s)


def counting(request):
    """Return a transcript of one word for each second."""
    count = round(request.audio.duration_s)
    return Transcript(text=" ".join(WORDS[:count]), language="en", duration_s=request.audio.duration_s)


class Runner(FakeRunner):
    """An engine that takes its time."""

    takes_s = 0.0
    most = 0

    async def transcribe(self, model, batch, **options):
        asked = super().transcribe(model, batch, **options)
        transcripts = await asked
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.running -= 1
        return transcripts


def kinds(events):
    """Return what kinds of events these are."""
    return list(map(type, events))


def pcm16(samples):
    """Return samples as clients send them."""
    return (samples * 32767).astype(np.int16)


def speech(*seconds, rate=RATE):
    """Return silence and speech in turns, silence first, as clients send it; 0 leaves a turn out."""
    return pcm16(talk(0, *seconds, rate=rate))


class Live:
    """One session, and what it said so far."""

    def __init__(self, partials=True, account=None, **settings):
        pools = SimpleNamespace(decoding=Threadless(), files=Threadless(), live=Threadless())
        catalog = Catalog(MODELS)
        self.runner = Runner(MODELS)
        self.runner.hear = counted
        self.metrics = Metrics()
        transcription = TranscriptionService(
            catalog, self.runner, max_audio_s=3600, request_timeout_s=600, pools=pools
        )
        self.service = LiveService(
            catalog,
            self.runner,
            transcription,
            request_timeout_s=600,
            partials=partials,
            account=account,
            pools=pools,
            metrics=self.metrics,
        )
        self.settings = LiveSettings(**{"model": "ears", "sample_rate": RATE} | settings)
        self.session = self.service.open(self.settings)
        self.events = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self):
        async for event in self.session.events():
            self.events.append(event)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.session.aclose()
        await self.reader

    async def say(self, samples, step_s=0.02):
        """Append samples as a client does, in real time."""
        step = round(self.settings.sample_rate * step_s)
        for start in range(0, len(samples), step):
            await self.session.append(samples[start : start + step])
            await asyncio.sleep(step_s)

    def update(self, **changed):
        """Change the settings."""
        self.settings = replace(self.settings, **changed)
        self.service.check(self.settings)
        self.session.update(self.settings)

    def kept_s(self):
        """Return how much audio is kept, in seconds."""
        return self.session.kept_bytes / 2 / self.settings.sample_rate

    def finals(self):
        """Return what the engine was asked for committed items."""
        asked = zip(self.runner.requests, self.runner.spare, strict=True)
        return [request for (_, request), spare in asked if not spare]

    @staticmethod
    def words(request):
        """Return a transcript of four words."""
        return Transcript(text="one two three four", language="en", duration_s=request.audio.duration_s)

    async def done(self):
        """End the session well; return its events."""
        await self.session.drain()
        await self.reader
        return self.events
