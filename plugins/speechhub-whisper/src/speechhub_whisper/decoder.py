"""Decoding with faster-whisper: one clip with all of its care, or several clips at once.

Several clips together take about half the time. faster-whisper's batched mode has three faults, which this
module works around: with timestamps it drops the text after the last one, so clips are decoded without, and
their segments are made from words; it never decodes a bad result again; it writes words for silence.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import faster_whisper.transcribe as fw
import numpy as np
from numpy.typing import NDArray

from speechhub.engine import Segment, Word, split_into_sentences
from speechhub_whisper.clips import SAMPLE_RATE, Clip, cut
from speechhub_whisper.ladder import LADDER, Attempt
from speechhub_whisper.model import Model
from speechhub_whisper.rounds import fits, is_made_up
from speechhub_whisper.settings import WhisperSettings
from speechhub_whisper.tongues import Found, Tongues
from speechhub_whisper.work import SpentError, Work

FRAMES_PER_S = 100
"""Of Whisper's spectrograms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to decode one recording."""

    language: str
    """Whisper's own code."""
    task: str
    """``transcribe`` or ``translate``."""
    temperatures: tuple[float, ...] = LADDER
    word_timestamps: bool = False
    prompt: str | None = None
    hotwords: str | None = None
    stop: Callable[[], None] = lambda: None
    """Raises when the call is cancelled; asked before each call into CTranslate2."""


class Decoder:
    """Decodes clips with one model; lives as long as the model."""

    def __init__(self, model: Model, settings: WhisperSettings) -> None:
        self._model = model
        self._batched = fw.BatchedInferencePipeline(model)
        self._settings = settings

    def warm_up(self) -> None:
        """Run every part of the model once."""
        silence = np.zeros(SAMPLE_RATE, np.float32)
        # Without a limit, Whisper writes whole sentences for silence.
        segments, _ = self._model.transcribe(
            silence, language="en", beam_size=self._settings.beam_size, temperature=0.0, max_new_tokens=4
        )
        list(segments)

    def decode_one(
        self, samples: NDArray[np.float32], clip: Clip, wish: Wish, work: Work | None = None
    ) -> Iterator[Segment]:
        """Decode one clip of any length; segments come as they are ready, timed as in the recording.

        A clip that takes too much work ends early, with the segments until then.
        """
        self._model.begin(work or Work(clip.duration_s, wish.stop))
        with suppress(SpentError):
            yield from self._windows(samples, clip, wish)

    def _windows(self, samples: NDArray[np.float32], clip: Clip, wish: Wish) -> Iterator[Segment]:
        segments, _ = self._model.transcribe(
            cut(samples, clip),
            language=wish.language,
            task=wish.task,
            beam_size=self._settings.beam_size,
            temperature=wish.temperatures,
            initial_prompt=wish.prompt,
            hotwords=wish.hotwords,
            word_timestamps=wish.word_timestamps,
            # Hotwords and the text before would together leave too few tokens for the text itself.
            condition_on_previous_text=self._settings.condition_on_previous_text and not wish.hotwords,
        )
        said = ""
        for raw in segments:
            left_s = clip.duration_s - raw.seek / FRAMES_PER_S
            tokens = sum(token < self._model.first_special for token in raw.tokens)
            if not (raw.seek and is_made_up(tokens, left_s, said_before=raw.text.strip() in said)):
                yield _segment(raw, clip, clip.start_s)
            said += raw.text

    def decode_apart(
        self, samples: NDArray[np.float32], clip: Clip, found: Found, wish: Wish, tongues: Tongues
    ) -> Iterator[tuple[Clip, str, Segment]]:
        """Decode one clip; if its language changes at a pause, decode each part in its own language.

        Yields each segment with its part of the clip and the language of that part.

        Args:
            found: The languages of the clip; empty if the request named one.
        """
        for part, language in self._in_languages(samples, clip, found, tongues) or [(clip, wish.language)]:
            for segment in self.decode_one(samples, part, replace(wish, language=language)):
                yield part, language, segment

    def _in_languages(
        self, samples: NDArray[np.float32], clip: Clip, found: Found, tongues: Tongues
    ) -> list[tuple[Clip, str]]:
        """Return the parts of a clip in several languages; none if it is in one."""
        if not tongues.may_be_mixed(found):
            return []
        return tongues.apart(clip.parts(), lambda part: self._model.probe(cut(samples, part)))

    def decode_many(
        self, samples: NDArray[np.float32], clips: Sequence[Clip], wish: Wish, tongues: Tongues
    ) -> Iterator[tuple[Clip, str, Segment]]:
        """Decode clips of at most 30 s together; segments come in order, once all clips are decoded.

        Each comes with its clip and its language: all are decoded in the language of *wish*, and clips that
        turn out to be in another language, or in several, are decoded again.
        """
        raws, found = self._together(samples, clips, wish, detects=tongues.named is None)
        for place, (clip, raw) in enumerate(zip(clips, raws, strict=True)):
            language = tongues.choose(clip, found[place]) if found else wish.language
            parts = self._in_languages(samples, clip, found[place], tongues) if found else []
            if parts or language != wish.language:
                for part, spoken in parts or [(clip, language)]:
                    for segment in self.decode_one(samples, part, replace(wish, language=spoken)):
                        yield part, spoken, segment
            else:
                for segment in self._of_many(samples, clip, raw, wish, clips[0].start_s):
                    yield clip, language, segment

    def _of_many(
        self, samples: NDArray[np.float32], clip: Clip, raw: fw.Segment, wish: Wish, offset_s: float
    ) -> Iterator[Segment]:
        """Yield the segments of one clip of a batch, or better ones from higher temperatures."""
        attempt = _attempt(raw, Work(clip.duration_s))
        if attempt.is_silence:
            return
        better = None
        if not (attempt.is_good or (attempt.is_sure_repeat and _fits(raw, clip, offset_s))):
            better = self._climb_on(samples, clip, wish, attempt)
        if better is None:
            yield from self._sentences(_segment(raw, clip, offset_s), wish)
        else:
            yield from better

    def _climb_on(
        self, samples: NDArray[np.float32], clip: Clip, wish: Wish, first: Attempt
    ) -> list[Segment] | None:
        """Decode a clip at the temperatures after the first; return None if none gives a better text."""
        work = Work(clip.duration_s, wish.stop)
        higher = replace(wish, temperatures=wish.temperatures[1:])
        segments = list(self.decode_one(samples, clip, higher, work))
        if work.salvaged and first.is_sure_repeat:
            return None
        likeliest = max((segment.avg_logprob for segment in segments), default=-math.inf)
        if first.repeats or first.ran_away or likeliest > first.avg_logprob:
            return segments
        return None

    def _together(
        self, samples: NDArray[np.float32], clips: Sequence[Clip], wish: Wish, *, detects: bool
    ) -> tuple[list[fw.Segment], Sequence[Found]]:
        """Decode clips at temperature 0; return one segment for each and, with *detects*, its languages."""
        self._model.begin(Work(max(clip.duration_s for clip in clips), wish.stop))
        offset_s = clips[0].start_s
        self._model.model.detects = detects and self._model.model.is_multilingual
        self._model.model.found = ()
        raws, _ = self._batched.transcribe(
            cut(samples, Clip(start_s=offset_s, end_s=clips[-1].end_s)),
            language=wish.language,
            task=wish.task,
            beam_size=self._settings.beam_size,
            temperature=0.0,
            initial_prompt=f" {wish.prompt}" if wish.prompt else None,
            hotwords=wish.hotwords,
            word_timestamps=True,
            without_timestamps=True,
            clip_timestamps=[
                {"start": clip.start_s - offset_s, "end": clip.end_s - offset_s} for clip in clips
            ],
            batch_size=len(clips),
        )
        try:
            return list(raws), self._model.model.found
        finally:
            self._model.model.detects = False

    def _sentences(self, segment: Segment, wish: Wish) -> Iterator[Segment]:
        if "".join(word.text for word in segment.words).strip() != segment.text.strip():
            yield segment if wish.word_timestamps else replace(segment, words=())
            return
        for words in split_into_sentences(segment.words):
            text = "".join(word.text for word in words)
            yield replace(
                segment,
                text=text,
                start_s=words[0].start_s,
                end_s=words[-1].end_s,
                words=words if wish.word_timestamps else (),
                tokens=tuple(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids),
            )


def _attempt(raw: fw.Segment, work: Work) -> Attempt:
    """Return a segment of a batch as the attempt at temperature 0."""
    return Attempt(
        tokens=tuple(raw.tokens),
        temperature=0.0,
        avg_logprob=raw.avg_logprob,
        # Of the text without its leading space, as generate_with_fallback() sees it.
        compression_ratio=fw.get_compression_ratio(raw.text.strip()),
        no_speech_prob=raw.no_speech_prob,
        ran_away=work.ran_away(len(raw.tokens)),
        too_fast=work.too_fast(len(raw.tokens)),
    )


def _fits(raw: fw.Segment, clip: Clip, offset_s: float) -> bool:
    words = [(float(word.start) + offset_s, float(word.end) + offset_s) for word in raw.words or ()]
    return fits(words, clip, len(raw.tokens))


def _segment(raw: fw.Segment, clip: Clip, offset_s: float) -> Segment:
    """Convert a segment of faster-whisper, whose times begin at *offset_s*."""
    start_s, end_s = clip.snap(raw.start + offset_s, raw.end + offset_s)
    return Segment(
        text=raw.text,
        start_s=start_s,
        end_s=end_s,
        words=tuple(_words(raw.words or (), clip, offset_s)),
        tokens=tuple(raw.tokens),
        temperature=raw.temperature or 0.0,
        avg_logprob=raw.avg_logprob,
        compression_ratio=raw.compression_ratio,
        no_speech_prob=raw.no_speech_prob,
    )


def _words(raws: Iterable[fw.Word], clip: Clip, offset_s: float) -> Iterator[Word]:
    for raw in raws:
        start_s, end_s = clip.snap(float(raw.start) + offset_s, float(raw.end) + offset_s)
        yield Word(
            text=raw.word,
            start_s=start_s,
            end_s=end_s,
            probability=min(1.0, max(0.0, float(raw.probability))),
        )
