"""A runner that hums, and what is heard of it: sounds with silence between them."""

import asyncio
import itertools
import re

import numpy as np

from speechhub.codecs.encode import OUTPUT_RATE
from speechhub.engine import Audio
from tests.fakes.runner import FakeRunner

RATE = 16_000
SOUND_S, QUIET_S = 0.4, 0.05


class Humming(FakeRunner):
    """Hums for each piece, with silence around it, and can be made to wait before a piece."""

    def __init__(self, placements):
        super().__init__(placements)
        self.wait_before = None
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()

    @property
    def texts(self):
        return [request.text for _, request in self.requests]

    async def synthesize(self, model, request, *, begun, **_):
        self.begun.append(begun)
        self.requests.append((model, request))
        self.running += 1
        try:
            if len(self.requests) == self.wait_before:
                self.waiting.set()
                await self.go_on.wait()
            if self.error and len(self.requests) > 1:
                raise self.error
            for samples in self.hum(request):
                yield Audio(samples=samples.astype(np.float32), sample_rate=RATE)
        finally:
            self.running -= 1

    def hum(self, request):
        """Return what is heard of one call, part by part."""
        time = np.arange(round(SOUND_S * RATE))
        softly = np.clip(np.minimum(time, time[::-1]) / (0.01 * RATE), 0, 1)
        silence = np.zeros(round(QUIET_S * RATE))
        return [silence, 0.5 * softly * np.sin(time * 0.1), silence]


class Reading(Humming):
    """Hums for each sentence of a call, and makes a pause of its own between two."""

    own_pause_s = 0.2

    def hum(self, request):
        pause = np.zeros(round(self.own_pause_s * RATE))
        heard = [pause] if request.follows_sentence else []
        for place, _ in enumerate(re.findall(r"[^.!?]+[.!?]+", request.text)):
            heard += [pause] if place else []
            heard += super().hum(request)
        return heard


def sounds(samples):
    """Return the stretches without silence, each as places of its samples."""
    sound = np.flatnonzero(np.abs(samples) > 0.003)
    return np.split(sound, np.flatnonzero(np.diff(sound) > 0.01 * OUTPUT_RATE) + 1)


def pauses_s(samples):
    """Return the lengths of the silences between sounds, in seconds."""
    return [
        float(after[0] - before[-1]) / OUTPUT_RATE for before, after in itertools.pairwise(sounds(samples))
    ]
