"""The Whisper engine; imported in the worker only."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from speechhub.engine import (
    Call,
    EngineOutOfMemoryError,
    LoadContext,
    Segment,
    SttEngine,
    Task,
    TranscribeRequest,
    Transcript,
    UnsupportedValueError,
    space_between,
)
from speechhub_whisper.aside import Aside
from speechhub_whisper.clips import SAMPLE_RATE, Clip, cut, find_clips
from speechhub_whisper.compute import device_error
from speechhub_whisper.decoder import Wish
from speechhub_whisper.ladder import LADDER
from speechhub_whisper.languages import from_whisper, to_whisper
from speechhub_whisper.prompts import fit_prompt
from speechhub_whisper.settings import WhisperSettings
from speechhub_whisper.start import start
from speechhub_whisper.timeline import Timeline
from speechhub_whisper.tongues import Found, Tongues


class WhisperEngine(SttEngine):
    """Whisper on CTranslate2."""

    def load(self, context: LoadContext) -> None:
        """Load the model from its folder and decode once, so that the first request does not wait for it."""
        self._settings = context.settings(WhisperSettings)
        self._device = context.device
        self._batch_size = self._settings.batch_size or (4 if context.device == "cpu" else 8)
        list(find_clips(np.zeros(SAMPLE_RATE, np.float32), self._settings.vad_threshold))
        self._model, self._decoder = start(context, self._settings)
        self._aside = Aside()

    def close(self) -> None:
        """Release the worker thread."""
        self._aside.close()

    def transcribe(self, batch: Sequence[TranscribeRequest], call: Call) -> list[Transcript]:
        """Transcribe one recording after the other; pieces of a long one are decoded together."""
        transcripts = []
        for position, request in enumerate(map(self._filled_in, batch)):
            part = replace(call, report=_part_of(call, position, len(batch)))
            pieces = self._decode(request, part, first_group=self._batch_size)
            segments = []
            try:
                while True:
                    segments.append(next(pieces))
            except StopIteration as end:
                transcripts.append(_transcript(request, end.value, segments))
        return transcripts

    def stream(self, request: TranscribeRequest, call: Call) -> Generator[str, None, Transcript]:
        """Yield the text segment by segment."""
        request = self._filled_in(request)
        pieces = self._decode(request, call, first_group=1)
        segments: list[Segment] = []
        try:
            while True:
                segment = next(pieces)
                yield segment.text if segments else segment.text.lstrip()
                segments.append(segment)
        except StopIteration as end:
            return _transcript(request, end.value, segments)

    def _decode(
        self, request: TranscribeRequest, call: Call, *, first_group: int
    ) -> Generator[Segment, None, Sequence[str]]:
        """Yield the tidied segments; return Whisper's codes of the languages, none if there is no speech."""
        call.raise_if_cancelled()
        named = self._check_language(request)
        allowed = [to_whisper(code) for code in request.languages]
        tongues = Tongues(
            named=named, allowed=[code for code in allowed if code in self._model.supported_languages]
        )
        samples, duration_s = request.audio.samples, request.audio.duration_s
        timeline = Timeline(duration_s)
        prompt, hotwords = fit_prompt(self._model.hf_tokenizer, request.prompt, request.hotwords)
        before = ""
        for group in self._aside.each(self._groups(request, first_group), call):
            call.raise_if_cancelled()
            found: Found = ()
            if named is None and (len(group) == 1 or tongues.main is None):
                found = self._aside.run(partial(self._model.detect, cut(samples, group[0])), call)
                language = tongues.choose(group[0], found) if len(group) == 1 else tongues.begin(found)
            else:
                language = tongues.main or ""
            wish = Wish(
                language=language,
                task=request.task.value,
                temperatures=(request.temperature,) if request.temperature else LADDER,
                word_timestamps=request.word_timestamps,
                prompt=prompt,
                hotwords=hotwords,
                stop=call.raise_if_cancelled,
            )
            with self._one_group():
                decoded = self._decode_group(request, group, found, wish, tongues)
                heard: set[float] = set()
                for clip, spoken, segment in self._aside.each(decoded, call):
                    call.raise_if_cancelled()
                    if segment.text.strip():
                        if clip.start_s not in heard:
                            heard.add(clip.start_s)
                            tongues.heard(clip, spoken)
                        placed = timeline.place(_tidy(segment, before))
                        before = placed.text
                        call.report(placed.end_s / duration_s)
                        yield placed
        return tongues.all or ((tongues.main,) if tongues.main else ())

    @contextmanager
    def _one_group(self) -> Iterator[None]:
        """Recognise running out of memory, and forget the recording afterwards."""
        try:
            yield
        except MemoryError as error:
            raise EngineOutOfMemoryError(
                "There is not enough memory to transcribe this recording."
            ) from error
        except RuntimeError as error:
            # CTranslate2 raises RuntimeError for everything.
            if "out of memory" in str(error).lower():
                raise EngineOutOfMemoryError(
                    "There is not enough GPU memory to transcribe this recording; set a smaller batch_size."
                ) from error
            if unusable := device_error(error, self._device):
                raise unusable from error
            raise
        finally:
            self._aside.later(self._model.forget)

    def _decode_group(
        self, request: TranscribeRequest, group: Sequence[Clip], found: Found, wish: Wish, tongues: Tongues
    ) -> Iterator[tuple[Clip, str, Segment]]:
        samples = request.audio.samples
        if len(group) == 1:
            return self._decoder.decode_apart(samples, group[0], found, wish, tongues)
        return self._decoder.decode_many(samples, group, wish, tongues)

    def _groups(self, request: TranscribeRequest, first_group: int) -> Iterator[list[Clip]]:
        """Yield the clips to decode together, each group twice as large as the last, up to the limit."""
        whole = Clip(start_s=0.0, end_s=request.audio.duration_s)
        clips: Iterable[Clip] = [whole]
        if self._settings.vad:
            clips = find_clips(request.audio.samples, self._settings.vad_threshold)
        # Sampling needs the decoder that takes one clip at a time.
        limit = 1 if request.temperature else self._batch_size
        size, clips = min(first_group, limit), iter(clips)
        while group := list(islice(clips, size)):
            yield group
            size = min(2 * size, limit)

    def _filled_in(self, request: TranscribeRequest) -> TranscribeRequest:
        """Return the request with the operator's languages, as far as the model knows them."""
        return self._settings.fill_in(request, [*map(from_whisper, self._model.supported_languages)])

    def _check_language(self, request: TranscribeRequest) -> str | None:
        """Return Whisper's code of the wanted language; None means detect it."""
        multilingual = self._model.model.is_multilingual
        if request.task is Task.TRANSLATE and not multilingual:
            raise UnsupportedValueError("This Whisper model transcribes English only; it cannot translate.")
        if request.language is None:
            return None if multilingual else "en"
        language = to_whisper(request.language)
        if language not in self._model.supported_languages:
            raise UnsupportedValueError(
                f"This Whisper model does not support the language {request.language!r}.", param="language"
            )
        return language


def _part_of(call: Call, position: int, count: int) -> Callable[[float], None]:
    return lambda fraction: call.report((position + fraction) / count)


def _tidy(segment: Segment, before: str) -> Segment:
    """Return a segment whose text and first word have a leading space only if their script has spaces.

    Args:
        segment: As Whisper wrote it, with some text.
        before: Text of the segment before it; empty for the first.
    """
    text, words = segment.text.strip(), segment.words
    space = space_between(before, text)
    if words:
        words = (replace(words[0], text=space + words[0].text.strip()), *words[1:])
    return replace(segment, text=space + text, words=words)


def _transcript(
    request: TranscribeRequest, languages: Sequence[str], segments: Sequence[Segment]
) -> Transcript:
    codes = tuple(map(from_whisper, languages))
    return Transcript(
        text="".join(segment.text for segment in segments).strip(),
        language=codes[0] if codes else request.language,
        languages=codes,
        duration_s=request.audio.duration_s,
        segments=tuple(segments),
    )
