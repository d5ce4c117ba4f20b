"""Speech to text: one word for each half second of audio, chosen by the audio's bytes."""

import zlib
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from speechhub.engine import (
    Audio,
    Call,
    DeviceMemory,
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
from speechhub_echo.faults import EchoSttSettings, Faults

WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "runs", "home")
WORD_S = 0.5
"""Length of a word, in seconds."""
SEGMENT_WORDS = 10
"""Words in a segment; the last can have fewer."""


class EchoStt(SttEngine):
    """Hears words from the request's hotwords, else from its prompt, else from `WORDS`."""

    def load(self, context: LoadContext) -> None:
        """Read the options; an engine with weights would load them from `context.model_dir`."""
        settings = context.settings(EchoSttSettings)
        self._languages = settings.languages
        self._faults = Faults(settings, context.device)
        self._faults.while_loading()

    def transcribe(self, batch: Sequence[TranscribeRequest], call: Call) -> list[Transcript]:
        """Transcribe each recording in turn."""
        self._faults.while_working(call, requests=len(batch), text=batch[0].prompt or "")
        transcripts = []
        for done, request in enumerate(batch, start=1):
            call.raise_if_cancelled()
            transcripts.append(self._transcript(request, _segments(request)))
            call.report(done / len(batch))
        return transcripts

    def stream(self, request: TranscribeRequest, call: Call) -> Generator[str, None, Transcript]:
        """Yield the text of each segment as it is found."""
        self._faults.while_working(call, requests=1, text=request.prompt or "")
        segments: list[Segment] = []
        for segment in _segments(request):
            call.raise_if_cancelled()
            # Pieces join to the transcript's text, which begins without a space.
            yield segment.text if segments else segment.text.lstrip()
            segments.append(segment)
        return self._transcript(request, segments)

    def begin(self, request: ListenRequest) -> LiveSession:
        """Begin to hear an utterance; its words are those that `transcribe` hears in all of it."""
        return _Utterance(_vocabulary(request), self._faults, text=request.prompt or "")

    def _transcript(self, request: TranscribeRequest, segments: Sequence[Segment]) -> Transcript:
        heard = self._languages[_checksum(request.audio.samples) % len(self._languages)]
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            language=request.language or heard,
            duration_s=request.audio.duration_s,
            segments=tuple(segments),
        )

    def memory(self) -> DeviceMemory | None:
        """Report nothing, unless the switch `leak_bytes` is set."""
        return self._faults.memory()

    def close(self) -> None:
        """Close nothing; the switch `ignore_stop` makes this hang."""
        self._faults.while_closing()


class _Utterance(LiveSession):
    """Hears a word as soon as it begins, and revises it until it has its full length."""

    def __init__(self, vocabulary: Sequence[str], faults: Faults, *, text: str) -> None:
        self._vocabulary = vocabulary
        self._faults = faults
        self._text = text
        """What `FaultSettings.fail` quotes."""
        self._heard: list[str] = []
        """Words that have their full length."""
        self._rest = np.zeros(0, np.float32)
        """Samples of the word that is being spoken."""

    def feed(self, audio: Audio, call: Call) -> Hypothesis:
        """Hear the words that end in the piece, and the beginning of another one."""
        self._faults.while_working(call, requests=1, text=self._text)
        self._rest = np.concatenate([self._rest, audio.samples])
        whole = round(WORD_S * audio.sample_rate)
        while len(self._rest) >= whole:
            self._heard.append(_word(self._rest[:whole], self._vocabulary))
            self._rest = self._rest[whole:]
        return self._so_far()

    def finish(self, call: Call) -> Hypothesis:
        """Hear no more: the last word stays as it is."""
        self._faults.while_working(call, requests=1, text=self._text)
        text = self._so_far().text
        return Hypothesis(text=text, stable_chars=len(text))

    def _so_far(self) -> Hypothesis:
        stable = " ".join(self._heard)
        spoken = [_word(self._rest, self._vocabulary)] if len(self._rest) else []
        return Hypothesis(text=" ".join([*self._heard, *spoken]), stable_chars=len(stable))


def _segments(request: TranscribeRequest) -> list[Segment]:
    words = _words(request)
    groups = [words[first : first + SEGMENT_WORDS] for first in range(0, len(words), SEGMENT_WORDS)]
    return [
        Segment(
            text="".join(word.text for word in group),
            start_s=group[0].start_s,
            end_s=group[-1].end_s,
            words=tuple(group) if request.word_timestamps else (),
            temperature=request.temperature or 0.0,
        )
        for group in groups
    ]


def _words(request: TranscribeRequest) -> list[Word]:
    audio = request.audio
    vocabulary = _vocabulary(request)
    words: list[Word] = []
    while (start_s := len(words) * WORD_S) < audio.duration_s:
        end_s = min(start_s + WORD_S, audio.duration_s)
        text = _word(audio.slice_s(start_s, end_s).samples, vocabulary)
        words.append(Word(text=f" {text}", start_s=start_s, end_s=end_s))
    return words


def _vocabulary(request: TranscribeRequest | ListenRequest) -> Sequence[str]:
    return request.hotwords or tuple((request.prompt or "").split()) or WORDS


def _word(samples: NDArray[np.float32], vocabulary: Sequence[str]) -> str:
    return vocabulary[_checksum(samples) % len(vocabulary)]


def _checksum(samples: NDArray[np.float32]) -> int:
    return zlib.crc32(samples.tobytes())
