"""A runner without engines: it answers from memory and remembers what it was asked."""

import asyncio
import math

import numpy as np

from speechhub.engine import Audio, Hypothesis, Segment, Transcript, Word
from speechhub.errors import LiveSessionLostError, NotIdleError

WORDS = ("Good", "morning,", "dear", "world.")


def transcript_of(request):
    """Return a transcript of four words, spread over the recording."""
    step_s = request.audio.duration_s / len(WORDS)
    words = tuple(
        Word(text=f" {text}", start_s=i * step_s, end_s=(i + 1) * step_s, probability=0.9)
        for i, text in enumerate(WORDS)
    )
    segment = Segment(
        text=" Good morning, dear world.",
        start_s=0.0,
        end_s=request.audio.duration_s,
        words=words if request.word_timestamps else (),
        tokens=(1, 2, 3),
        avg_logprob=-0.2,
        compression_ratio=1.1,
        no_speech_prob=0.01,
    )
    return Transcript(
        text="Good morning, dear world.",
        language=request.language or "en",
        duration_s=request.audio.duration_s,
        segments=(segment,),
    )


def pieces_of(transcript):
    """Return the text of a transcript, word by word."""
    return [f" {word}" if place else word for place, word in enumerate(transcript.text.split())]


def hypothesis_of(heard_s, *, last):
    """Return the words that were said in so many seconds, one each 0.5 s; all but the last are stable."""
    count = len(WORDS) if last else min(int(heard_s / 0.5), len(WORDS))
    text = " ".join(WORDS[:count])
    return Hypothesis(text=text, stable_chars=len(text if last else " ".join(WORDS[: max(count - 1, 0)])))


class FakeRunner:
    """Does what `speechhub.runner.Runner` says; set `error` to make it fail.

    Set `hear` to hear something else, `hypothesize` to hear something else in live sessions, and `pieces` to
    speak something else. Models in `away` are not ready, those in `busy` are ready but not idle, and nothing
    is idle while other work runs; forget `sessions` to lose them.
    """

    def __init__(self, placements):
        self.placements = placements
        self.requests = []
        self.batches = []
        self.deadlines = []
        self.begun = []
        self.switched = []
        self.spare = []
        self.refused = 0
        self.away = set()
        self.busy = set()
        self.listened = []
        self.sessions = {}
        self.hypothesize = hypothesis_of
        self.hear = transcript_of
        self.pieces_of = pieces_of
        self.running = 0
        self.piece_s = 0.5
        self.pieces = None
        self.error = None
        self.error_after_first = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = asyncio.Event()

    async def _pass(self):
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.error:
            raise self.error

    def is_ready(self, model):
        return model not in self.away

    def _refuse_unless_idle(self, model):
        if model in self.away or model in self.busy or self.running:
            self.refused += 1
            raise NotIdleError(model)

    async def listen(self, model, request, *, spare=False, begun=False, deadline=math.inf):
        if spare or request.abandon:
            try:
                self._refuse_unless_idle(model)
            except NotIdleError:
                if request.abandon:
                    return Hypothesis(text="")
                raise
        self.deadlines.append(deadline)
        self.begun.append(begun)
        self.listened.append((model, request))
        self.running += 1
        try:
            await self._pass()
            heard_s = self.sessions.pop(request.session, None)
            if request.abandon:
                return Hypothesis(text="")
            if request.first:
                heard_s = 0.0
            if heard_s is None:
                raise LiveSessionLostError
            heard_s += request.audio.duration_s
            if not request.last:
                self.sessions[request.session] = heard_s
            return self.hypothesize(heard_s, last=request.last)
        finally:
            self.running -= 1

    async def transcribe(
        self, model, batch, *, begun=False, spare=False, deadline=math.inf, on_progress=None
    ):
        if spare:
            self._refuse_unless_idle(model)
        self.spare.append(spare)
        self.deadlines.append(deadline)
        self.begun.append(begun)
        self.requests += [(model, request) for request in batch]
        self.batches.append(len(batch))
        self.running += 1
        try:
            await self._pass()
            if on_progress:
                on_progress(1.0)
            return [self.hear(request) for request in batch]
        finally:
            self.running -= 1

    async def stream(self, model, request, *, begun=False, deadline=math.inf):
        self.deadlines.append(deadline)
        self.begun.append(begun)
        self.requests.append((model, request))
        self.running += 1
        try:
            await self._pass()
            transcript = self.hear(request)
            for number, piece in enumerate(self.pieces_of(transcript)):
                if number and self.error_after_first:
                    raise self.error_after_first
                yield piece
            yield transcript
        finally:
            self.running -= 1

    async def synthesize(self, model, request, *, begun=False, deadline=math.inf):
        self.deadlines.append(deadline)
        self.begun.append(begun)
        self.requests.append((model, request))
        await self._pass()
        if self.pieces is not None:
            for piece in self.pieces:
                yield piece
            return
        for number in range(3):
            if number and self.error_after_first:
                raise self.error_after_first
            tone = np.sin(np.arange(round(16_000 * self.piece_s), dtype=np.float32) * 0.1) * 0.5
            yield Audio(samples=tone.astype(np.float32), sample_rate=16_000)

    async def voices(self, model):
        return self.placements[model].model.voices

    async def switch_to(self, model, *, begun=False, deadline=math.inf):
        self.switched.append(model)
        await self._pass()
