"""Redecoding: the whole utterance so far is transcribed again and again; any engine can do that."""

import asyncio
from typing import Final

from speechhub.domain.script import space_between
from speechhub.engine import Transcript
from speechhub.services.live.partials import Partials
from speechhub.services.live.utterance import utterance
from speechhub.services.segmentation import ends_sentence

WHOLE_MS: Final = 15_000
"""Longest utterance that is decoded from its start; of a longer one, what follows the last sentence that is
out."""


class Redecoding(Partials):
    """Partial results of an engine that transcribes recordings.

    An engine may take as long for a second of speech as for thirty: the pause is twice what the last
    hypothesis took, so that at most a third of the engine's time goes into them.
    """

    _heard_ms = -1
    """End of the speech that was heard last."""
    _from_ms = -1
    """Where decoding begins."""
    _before = ""
    """The text before that."""

    def pause_s(self) -> float:
        """Return the interval of the settings, or longer."""
        return max(self._tools.interval_s, 2 * self._tools.count.took_s)

    async def hypothesis(self) -> str | None:
        """Transcribe what was said so far."""
        tools, job, buffer = self._tools, self._job, self._buffer
        start_ms, now_ms = max(self._item.start_ms, self._from_ms), buffer.now_ms
        speech = buffer.speech(start_ms, now_ms)
        if speech is None or speech[1] == self._heard_ms:
            return None
        said = utterance(self._item.id, buffer, self._settings, start_ms, now_ms)
        if not self.fits(said):
            return None
        audio = await tools.pool.run(said.raised, job.model.capabilities.sample_rate)
        began = _now()
        request = job.request(audio, before=self._before)
        [transcript] = await tools.runner.transcribe(job.model.id, [request], spare=True)
        tools.count.took_s, self._heard_ms = _now() - began, speech[1]
        transcript = await job.written(transcript)
        delta = self._item.agreement.hear(_joined(self._before, transcript.text))
        if now_ms - self._item.start_ms > WHOLE_MS:
            self._move_on(transcript, said.start_ms)
        return delta

    def _move_on(self, transcript: Transcript, start_ms: int) -> None:
        """Decode no more what comes before the end of the last sentence that is out, if its time is known."""
        text = self._before
        for segment in transcript.segments:
            text = _joined(text, segment.text)
            if not self._item.agreement.holds(text):
                return
            if ends_sentence(segment.text):
                self._from_ms, self._before = start_ms + round(1000 * segment.end_s), text


def _joined(before: str, after: str) -> str:
    after = after.strip()
    return before + space_between(before, after) + after if before else after


def _now() -> float:
    return asyncio.get_running_loop().time()
