"""Live sessions on fakes, in virtual time where that is possible: speech, and what becomes of it."""

import asyncio
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
MODELS = placements(
    placement("ears", device=CPU, languages=("en", "de"), capabilities=SttCapabilities(max_batch=4)),
    placement("short-ears", device=CPU, capabilities=SttCapabilities(longest_input_s=3)),
    placement("streaming-ears", device=CPU, capabilities=SttCapabilities(streaming=True)),
)


class Threadless(Here):
    """A pool of one thread: this one."""

    threads = 1


def counted(request):
    """Return a transcript that says how long its audio is."""
    length_s = request.audio.duration_s
    return Transcript(text=f"{length_s:.1f} seconds.", language="en", duration_s=length_s)


def pcm16(samples):
    """Return samples as clients send them."""
    return (samples * 32767).astype(np.int16)


def speech(*seconds, rate=RATE):
    """Return silence and speech in turns, silence first, as clients send it; 0 leaves a turn out."""
    return pcm16(talk(0, *seconds, rate=rate))


class Live:
    """One session, and what it said so far."""

    def __init__(self, **settings):
        pools = SimpleNamespace(decoding=Threadless(), files=Threadless())
        catalog = Catalog(MODELS)
        self.runner = FakeRunner(MODELS)
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
            pools=pools,
            metrics=self.metrics,
        )
        self.settings = LiveSettings(**{"model": "ears", "sample_rate": RATE} | settings)
        self.session = self.service.open(self.settings)
        self.events = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        async for event in self.session.events():
            self.events.append(event)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.session.aclose()
        await self._reader

    async def say(self, samples, step_s=0.02):
        """Append samples as a client does, in real time."""
        step = round(self.settings.sample_rate * step_s)
        for start in range(0, len(samples), step):
            await self.session.append(samples[start : start + step])
            await asyncio.sleep(step_s)

    def finals(self):
        """Return what the engine was asked for committed items."""
        asked = zip(self.runner.requests, self.runner.spare, strict=True)
        return [request for (_, request), spare in asked if not spare]

    async def done(self):
        """End the session well; return its events."""
        await self.session.drain()
        await self._reader
        return self.events
