"""The Qwen3-ASR engine; imported in the worker only."""

import importlib.util
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Final

from speechhub.engine import (
    Call,
    DeviceMemory,
    Float32Cards,
    Held,
    LoadContext,
    Segment,
    SttEngine,
    TranscribeRequest,
    Transcript,
    Word,
    space_between,
    split_into_sentences,
)
from speechhub_qwen_asr.alignment import Unit, place_words
from speechhub_qwen_asr.context import make_context
from speechhub_qwen_asr.ears import Ears
from speechhub_qwen_asr.fitting import explained, fit
from speechhub_qwen_asr.generation import Wish
from speechhub_qwen_asr.languages import ALIGNED, LANGUAGES, code_of
from speechhub_qwen_asr.model import held_memory, load_model, set_threads
from speechhub_qwen_asr.prepared import prepare_model, stamp_of_model
from speechhub_qwen_asr.recognizer import SAMPLE_RATE, Clip, Deltas, Heard, Recognizer
from speechhub_qwen_asr.settings import QwenAsrSettings
from speechhub_qwen_asr.sound import find_sound

_END = object()
NO_END: Final = "The text of a passage did not end and was cut off: words may be missing there."
"""Warning for the client."""


class QwenAsrEngine(SttEngine):
    """Qwen3-ASR on PyTorch."""

    def __init__(self) -> None:
        self._held: Held[Any] = Held()

    def prepare(self, context: LoadContext) -> None:
        """Read the weights into the host's memory, if there is room; importing this module did the rest."""
        prepare_model(context, context.settings(QwenAsrSettings), self._held)

    def load(self, context: LoadContext) -> None:
        """Load the model, and the aligner if there is one, and listen once to load what is loaded late."""
        self._threads = context.threads
        cards = Float32Cards(context.work_dir)
        fitting = fit(context, context.settings(QwenAsrSettings), cards)
        self._reasons = fitting.reasons
        self._settings = settings = fitting.settings
        held = self._held.take(stamp_of_model(context, settings))
        with explained(context.device):
            self._asr: Any = load_model(context, settings, held)
            recognizer = Recognizer(self._asr, repetition_penalty=settings.repetition_penalty)
            self._recognizer = Ears(self._asr, recognizer, fitting, cards)
            self._recognizer.warm_up()

    def remarks(self) -> Sequence[str]:
        """Return which arithmetic this GPU requires, and what was given up on it."""
        return [f"{reason[0].upper()}{reason[1:]}." for reason in self._reasons]

    def transcribe(self, batch: Sequence[TranscribeRequest], call: Call) -> list[Transcript]:
        """Transcribe clips of up to 30 s; those with the same temperature are decoded together."""
        transcripts: dict[int, Transcript] = {}
        batch = [self._settings.fill_in(request, LANGUAGES) for request in batch]
        for temperature in sorted({request.temperature or 0.0 for request in batch}):
            places = [
                place for place, request in enumerate(batch) if (request.temperature or 0.0) == temperature
            ]
            call.raise_if_cancelled()
            wish = Wish(temperature=temperature, stopped=lambda: call.cancelled)
            found = self._transcribe([batch[place] for place in places], wish, call)
            transcripts |= dict(zip(places, found, strict=True))
            call.report(len(transcripts) / len(batch))
        return [transcripts[place] for place in range(len(batch))]

    def stream(self, request: TranscribeRequest, call: Call) -> Generator[str, None, Transcript]:
        """Yield the text token by token; what was yielded is final, so nothing is decoded twice."""
        call.raise_if_cancelled()
        request = self._settings.fill_in(request, LANGUAGES)
        if request.languages:  # text in another language would have to be taken back
            [transcript] = self.transcribe([request], call)
            yield transcript.text
            return transcript
        if find_sound(request.audio.samples, SAMPLE_RATE) is None:
            return _transcript(request, request.language, ())
        tokens: SimpleQueue[Any] = SimpleQueue()
        left = threading.Event()
        heard: list[Heard | BaseException] = []
        wish = Wish(
            temperature=request.temperature or 0.0,
            stopped=lambda: call.cancelled or left.is_set(),
            on_token=tokens.put,
        )

        def listen() -> None:
            set_threads(self._threads)
            try:
                heard.extend(self._recognizer.hear([_clip(request)], wish))
            except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
                heard.append(error)
            finally:
                tokens.put(_END)

        listener = threading.Thread(target=listen, name="qwen-asr listens")
        listener.start()
        deltas = Deltas(self._decode, tagged=request.language is None)
        try:
            while (token := tokens.get()) is not _END:
                if delta := deltas.add(token):
                    call.raise_if_cancelled()
                    yield delta
        finally:
            left.set()
            listener.join()
        [result] = heard
        if isinstance(result, BaseException):
            raise result
        call.raise_if_cancelled()
        if not result.text.startswith(deltas.said):
            result = replace(result, text=deltas.said)  # yielded text cannot be taken back
        if rest := result.text[len(deltas.said) :]:
            yield rest
        [transcript] = self._written([request], [result])
        call.report(1.0)
        return transcript

    def memory(self) -> DeviceMemory | None:
        """Return what PyTorch holds on the GPUs of the model and the aligner."""
        return held_memory(self._asr)

    def _transcribe(self, requests: Sequence[TranscribeRequest], wish: Wish, call: Call) -> list[Transcript]:
        """Transcribe the clips that contain sound; in silence the model would hear words."""
        heard = [Heard(text="", language="")] * len(requests)
        places = [p for p, one in enumerate(requests) if find_sound(one.audio.samples, SAMPLE_RATE)]
        if places:
            found = self._recognizer.hear([_clip(requests[place]) for place in places], wish)
            call.raise_if_cancelled()
            for place, one in zip(places, found, strict=True):
                heard[place] = self._in_one_of(requests[place], one, wish)
        return self._written(requests, heard)

    def _in_one_of(self, request: TranscribeRequest, heard: Heard, wish: Wish) -> Heard:
        """If a clip came out in a language that is not allowed, decode it again in the first allowed one."""
        allowed = [code for code in request.languages if code in LANGUAGES]
        if request.language or not allowed or not heard.text or code_of(heard.language) in allowed:
            return heard
        clip = replace(_clip(request), language=LANGUAGES[allowed[0]])
        [again] = self._recognizer.hear([clip], wish)
        return replace(again, language=LANGUAGES[allowed[0]])

    def _written(self, requests: Sequence[TranscribeRequest], heard: Sequence[Heard]) -> list[Transcript]:
        languages = [
            request.language or code_of(one.language) for request, one in zip(requests, heard, strict=True)
        ]
        texts = [space_between("", one.text) + one.text for one in heard]
        words = self._align(requests, texts, languages)
        return [
            replace(
                _transcript(request, language, _segments(request, text, words.get(place, ()))),
                warnings=(NO_END,) if heard[place].cut else (),
            )
            for place, (request, text, language) in enumerate(zip(requests, texts, languages, strict=True))
        ]

    def _align(
        self, requests: Sequence[TranscribeRequest], texts: Sequence[str], languages: Sequence[str | None]
    ) -> dict[int, tuple[Word, ...]]:
        """Return the words, by place, of the texts that need word times and can have them."""
        aligner = self._asr.forced_aligner
        wanted = [
            place
            for place, request in enumerate(requests)
            if aligner is not None
            and request.word_timestamps
            and any(map(str.isalnum, texts[place]))
            and _is_alignable(languages[place])
        ]
        words = {}
        for place in wanted:  # one by one: the scores of a batch, 5000 for each position, would be large
            request = requests[place]
            [result] = aligner.align(
                audio=[(_clip(request).samples, SAMPLE_RATE)],
                text=[texts[place].strip()],
                language=[LANGUAGES[languages[place] or ""]],
            )
            units = [Unit(text=item.text, start_s=item.start_time, end_s=item.end_time) for item in result]
            sound = find_sound(request.audio.samples, SAMPLE_RATE)
            words[place] = place_words(
                texts[place], units, request.audio.duration_s, sound_end_s=sound[1] if sound else None
            )
        return words

    def _decode(self, tokens: list[int]) -> str:
        return str(self._asr.processor.tokenizer.decode(tokens, skip_special_tokens=True))


def _clip(request: TranscribeRequest) -> Clip:
    return Clip(
        samples=request.audio.samples,
        context=make_context(request.prompt, request.hotwords),
        language=LANGUAGES[request.language] if request.language else None,
    )


def _is_alignable(language: str | None) -> bool:
    if language == "ko":  # needs a large package that is not in engine-requirements.txt
        return importlib.util.find_spec("soynlp") is not None
    return language in ALIGNED


def _segments(request: TranscribeRequest, text: str, words: Sequence[Word]) -> tuple[Segment, ...]:
    """Return a segment for each sentence if words have times, and otherwise one for all the sound."""
    if not text:
        return ()
    if words:
        return tuple(
            Segment(
                text="".join(word.text for word in group),
                start_s=group[0].start_s,
                end_s=group[-1].end_s,
                words=group,
            )
            for group in split_into_sentences(words)
        )
    start_s, end_s = find_sound(request.audio.samples, SAMPLE_RATE) or (0.0, request.audio.duration_s)
    return (Segment(text=text, start_s=start_s, end_s=end_s),)


def _transcript(
    request: TranscribeRequest, language: str | None, segments: tuple[Segment, ...]
) -> Transcript:
    return Transcript(
        text="".join(segment.text for segment in segments).strip(),
        language=language,
        duration_s=request.audio.duration_s,
        segments=segments,
    )
