"""Speech to text with PocketSphinx: recordings, and utterances while they are spoken."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechhub.engine import (
    Audio,
    Call,
    EngineLoadError,
    Hypothesis,
    ListenRequest,
    LiveSession,
    LoadContext,
    Segment,
    SttEngine,
    TranscribeRequest,
    Transcript,
    Word,
)
from speechhub_pocketsphinx.decoders import DecoderPool, UtteranceDecoder, text_of
from speechhub_pocketsphinx.settings import PocketSphinxSettings

PAUSE_S: Final = 0.5
"""Length of a pause, in seconds, at which a segment ends."""


class PocketSphinxEngine(SttEngine):
    """Hears American English, in small letters and without punctuation."""

    def load(self, context: LoadContext) -> None:
        """Load a decoder for recordings; those for sessions are made when they are needed."""
        settings = context.settings(PocketSphinxSettings)
        if context.model_dir is None:
            raise EngineLoadError(f"Model {context.model!r} has no folder with its files.")
        try:
            self._decoder = UtteranceDecoder(context.model_dir)
        except RuntimeError as error:
            raise EngineLoadError(
                f"PocketSphinx cannot read the model in {context.model_dir}: {error}. Run "
                "'speechhub models verify'."
            ) from error
        self._decoders = DecoderPool(context.model_dir, settings.sessions)

    def transcribe(self, batch: Sequence[TranscribeRequest], call: Call) -> list[Transcript]:
        """Transcribe each recording in turn."""
        transcripts = []
        for done, request in enumerate(batch, start=1):
            self._hear_all(request.audio.samples, call)
            transcripts.append(_transcript(request, self._decoder.words()))
            call.report(done / len(batch))
        return transcripts

    def begin(self, request: ListenRequest) -> LiveSession:  # noqa: ARG002  # it can heed none of its wishes
        """Begin to hear an utterance: now, or when it has ended if too many others are being spoken."""
        decoder = self._decoders.take()
        return _Late(self) if decoder is None else _Utterance(decoder, self._decoders)

    def hear_late(self, pieces: Sequence[NDArray[np.float32]], call: Call) -> str:
        """Return the text of an utterance that has ended."""
        self._hear_all(np.concatenate([np.zeros(0, np.float32), *pieces]), call)
        return text_of(self._decoder.words())

    def _hear_all(self, samples: NDArray[np.float32], call: Call) -> None:
        self._decoder.begin()
        self._decoder.decode(samples, call)
        self._decoder.end(call)


class _Utterance(LiveSession):
    """An utterance with a decoder of its own; any word of it may still be revised until the end."""

    def __init__(self, decoder: UtteranceDecoder, decoders: DecoderPool) -> None:
        self._decoder, self._decoders = decoder, decoders
        decoder.begin()

    def feed(self, audio: Audio, call: Call) -> Hypothesis:
        """Decode the next piece."""
        self._decoder.decode(audio.samples, call)
        return Hypothesis(text=text_of(self._decoder.words()))

    def finish(self, call: Call) -> Hypothesis:
        """Go over the whole utterance again, which takes a fraction of the first time."""
        self._decoder.end(call)
        return _final(text_of(self._decoder.words()))

    def close(self) -> None:
        """Leave the decoder to the next utterance."""
        self._decoders.give_back(self._decoder)


class _Late(LiveSession):
    """An utterance that is heard when it has ended."""

    def __init__(self, engine: PocketSphinxEngine) -> None:
        self._engine = engine
        self._pieces: list[NDArray[np.float32]] = []

    def feed(self, audio: Audio, call: Call) -> Hypothesis:
        """Keep the piece."""
        call.raise_if_cancelled()
        self._pieces.append(audio.samples)
        return Hypothesis(text="")

    def finish(self, call: Call) -> Hypothesis:
        """Hear all pieces."""
        return _final(self._engine.hear_late(self._pieces, call))


def _final(text: str) -> Hypothesis:
    return Hypothesis(text=text, stable_chars=len(text))


def _transcript(request: TranscribeRequest, words: Sequence[Word]) -> Transcript:
    duration_s = request.audio.duration_s
    words = [
        replace(word, start_s=min(word.start_s, duration_s), end_s=min(word.end_s, duration_s))
        for word in words
    ]
    segments = tuple(
        Segment(
            text="".join(word.text for word in group),
            start_s=group[0].start_s,
            end_s=group[-1].end_s,
            words=tuple(group) if request.word_timestamps else (),
        )
        for group in _groups(words)
    )
    return Transcript(text=text_of(words), language="en", duration_s=duration_s, segments=segments)


def _groups(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Yield the words between pauses."""
    first = 0
    for place, word in enumerate(words, start=1):
        if place == len(words) or words[place].start_s - word.end_s >= PAUSE_S:
            yield words[first:place]
            first = place
