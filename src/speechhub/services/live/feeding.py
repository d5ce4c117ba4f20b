"""Feeding: an engine with live sessions hears each piece of an utterance once, as it is spoken."""

import math
import os
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.resample import StreamResampler
from speechhub.domain.audio import Audio, from_pcm16
from speechhub.engine import Hypothesis, ListenRequest, Transcript
from speechhub.errors import EngineError, LiveSessionLostError, NotIdleError, SpeechhubError
from speechhub.services.live.partials import Partials
from speechhub.services.live.utterance import Utterance, utterance
from speechhub.services.transcript_join import JoinedTranscript

PIECE_S: Final = 0.3
"""How often new audio goes to the engine, in seconds."""


class _Session:
    """One live session of the engine."""

    def __init__(self, said: Utterance, sample_rate: int) -> None:
        self.id = os.urandom(10).hex()
        self.begun = False
        """Whether the engine has it."""
        self.start_ms = said.start_ms
        self.taken = 0
        """How many samples of the utterance went into it, or wait."""
        self._rate = sample_rate
        self._resampler = StreamResampler(said.settings.sample_rate, sample_rate)
        self._waiting: list[NDArray[np.float32]] = []

    def audio(self, said: Utterance, *, last: bool) -> Audio:
        """Return what the engine has not heard yet, until `heard` says that it has."""
        pcm16 = np.concatenate(said.parts)[self.taken :]
        self.taken += len(pcm16)
        self._waiting.append(self._resampler.process(from_pcm16(pcm16)))
        if last:
            self._waiting.append(self._resampler.finish())
        return Audio(samples=np.concatenate(self._waiting), sample_rate=self._rate)

    def heard(self) -> None:
        """Note that the engine has heard all that `audio` returned."""
        self.begun = True
        self._waiting.clear()


class Feeding(Partials):
    """Partial results of an engine with live sessions, and in the end its final result."""

    _session: _Session | None = None
    """None before there is speech, and after the engine has forgotten it."""

    def pause_s(self) -> float:
        """Return a constant: what a piece costs depends on its length alone."""
        return PIECE_S

    async def hypothesis(self) -> str | None:
        """Have the engine hear what was said since the last time."""
        item = self._item
        said = utterance(item.id, self._buffer, self._settings, item.start_ms, self._buffer.now_ms)
        if said.length <= (self._session.taken if self._session else 0) or not self.fits(said):
            return None
        try:
            heard = await self._feed(said, spare=True)
        except LiveSessionLostError:
            return None  # the next one begins with all audio
        text = (await self._written(heard, said)).text
        return item.agreement.hear(text, heard.stable_chars if text == heard.text else 0)

    async def finish(self, said: Utterance, deadline: float) -> JoinedTranscript | None:
        """Return the final text of the engine's session, if that heard this and no more."""
        session = self._session
        if session is None or not session.begun or said.settings.job() != self._settings.job():
            return None
        if session.start_ms != said.start_ms or session.taken > said.length or not self.fits(said):
            return None
        try:
            heard = await self._feed(said, last=True, deadline=deadline)
        except EngineError:  # the session is lost; a transcription tells whether the engine is at fault
            return None
        written = await self._written(heard, said)
        language = written.language
        return JoinedTranscript(
            text=written.text,
            language=language,
            languages=(language,) if language else (),
            duration_s=said.duration_s,
        )

    async def forget(self) -> None:
        """Have the engine forget its session."""
        session, self._session = self._session, None
        if session is not None and session.begun:
            nothing = Audio(samples=np.empty(0, np.float32), sample_rate=self._rate)
            request = ListenRequest(session=session.id, audio=nothing, abandon=True)
            with suppress(SpeechhubError):
                await self._tools.runner.listen(self._job.model.id, request, spare=True)

    @property
    def _rate(self) -> int:
        return self._job.model.capabilities.sample_rate

    async def _feed(
        self, said: Utterance, *, spare: bool = False, last: bool = False, deadline: float = math.inf
    ) -> Hypothesis:
        session = self._session = self._session or _Session(said, self._rate)
        audio = await self._tools.pool.run(session.audio, said, last=last)
        checked, first = self._job.request(audio), not session.begun
        request = ListenRequest(
            session=session.id,
            audio=audio,
            first=first,
            last=last,
            language=checked.language if first else None,
            prompt=checked.prompt if first else None,
            hotwords=checked.hotwords if first else (),
        )
        try:
            heard = await self._tools.runner.listen(
                self._job.model.id, request, spare=spare, deadline=deadline
            )
        except NotIdleError:
            raise
        except BaseException:
            self._session = None  # the engine has forgotten it
            raise
        session.heard()
        if last:
            self._session = None
        return heard

    async def _written(self, heard: Hypothesis, said: Utterance) -> Transcript:
        known = self._job.model.languages
        language = self._job.language or (known[0] if len(known) == 1 else None)
        return await self._job.written(
            Transcript(text=heard.text.strip(), language=language, duration_s=said.duration_s)
        )
