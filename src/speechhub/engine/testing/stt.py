"""`check_stt_engine` and the promises of an STT engine."""

import contextlib
from collections.abc import Collection, Generator, Mapping
from threading import Event
from typing import Any, Final

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Transcript
from speechhub.engine.base import SttEngine
from speechhub.engine.call import Call
from speechhub.engine.capabilities import SttCapabilities
from speechhub.engine.options import Task
from speechhub.engine.slots import Slot
from speechhub.engine.spec import EngineSpec
from speechhub.engine.testing.examination import Examination
from speechhub.engine.testing.leaving import expect_prompt_end
from speechhub.engine.testing.limit import LIMIT_S
from speechhub.engine.testing.listener import SttSubject
from speechhub.engine.testing.live import LIVE_CHECKS
from speechhub.engine.testing.promise import promise, promise_type
from speechhub.engine.testing.recording import murmur, read_only, repeated, silence
from speechhub.engine.testing.subject import (
    ModelDir,
    check_fraction,
    expect_cancelled,
    expect_stop,
    held_memory,
    standing_by,
)
from speechhub.engine.testing.transcript import check_transcript, likeness
from speechhub.errors import RequestCancelledError

SHORTEST_S: Final = 0.1
"""Shortest recording that the hub accepts."""
ANY_LENGTH_S: Final = 35.0
"""What "any length" is tried with: more than the 30 s that many models see at once."""
MAX_LANGUAGES: Final = 3
"""How many of a model's languages are tried."""


def transcript(subject: SttSubject) -> None:
    """A recording becomes a transcript with times in order and segments that join to its text."""
    [heard] = subject.transcribe(subject.request())
    promise(
        bool(heard.text) or not subject.audio_has_speech,
        "The engine heard nothing in the recording that was passed as audio=.",
    )


def quiet_recordings(subject: SttSubject) -> None:
    """Silence, and the shortest recording that the hub accepts, are transcribed, even if to no text."""
    rate = subject.capabilities.sample_rate
    subject.transcribe(subject.request(silence(rate, 1.0)))
    subject.transcribe(subject.request(silence(rate, SHORTEST_S)))
    subject.transcribe(subject.request(repeated(subject.audio, SHORTEST_S)))


def longest_recording(subject: SttSubject) -> None:
    """The longest recording that the engine declares is transcribed."""
    longest_s = subject.capabilities.longest_input_s
    subject.transcribe(subject.request(repeated(subject.audio, longest_s or ANY_LENGTH_S)))


def word_times(subject: SttSubject) -> None:
    """Words have times when the request asks for them, and only then."""
    if subject.capabilities.word_timestamps:
        subject.transcribe(subject.request(word_timestamps=True))
        subject.transcribe(subject.request(silence(subject.audio.sample_rate, 1.0), word_timestamps=True))


def declared_options(subject: SttSubject) -> None:
    """Prompt, hotwords, temperature and translation work where they are declared."""
    for chosen in _options(subject):
        subject.transcribe(subject.request(**chosen))


def spoken_language(subject: SttSubject) -> None:
    """A request may name each of the model's languages, and the transcript agrees."""
    for code in subject.plan.model.languages[:MAX_LANGUAGES]:
        subject.transcribe(subject.request(language=code))


def batches(subject: SttSubject) -> None:
    """As many recordings as `max_batch` go into one call, whatever they ask for, and come out in order."""
    size = subject.capabilities.max_batch
    if size == 1:
        return
    rate, whole_s = subject.audio.sample_rate, subject.audio.duration_s
    lengths_s = [whole_s * (1 - 0.5 * number / size) for number in range(size)]
    subject.transcribe(*(subject.request(repeated(subject.audio, length_s)) for length_s in lengths_s))

    different = [subject.request(), subject.request(silence(rate, whole_s))]
    alone = [subject.transcribe(request)[0].text for request in different]
    together = [found.text for found in subject.transcribe(*different)]
    # Batched arithmetic may change a letter, so alike is enough.
    straight = likeness(together[0], alone[0]) + likeness(together[1], alone[1])
    crossed = likeness(together[0], alone[1]) + likeness(together[1], alone[0])
    promise(straight >= crossed, "A batch's transcripts are not in the order of its recordings.")
    for chosen in _options(subject):  # a batch may hold requests of several clients
        subject.transcribe(subject.request(), subject.request(**chosen))


def stream_joins(subject: SttSubject) -> None:
    """Streaming yields text that joins to the transcript it returns; `streaming` declares it."""
    overridden = type(subject.engine).stream is not SttEngine.stream
    declared = subject.capabilities.streaming
    promise(overridden or not declared, "streaming is declared, but stream() is not overridden.")
    promise(declared or not overridden, "stream() is overridden, but streaming is not declared: declare it.")
    if not declared:
        return
    pieces, whole = _drain(subject.stream(subject.call()))
    whole = check_transcript(whole, subject.request(), subject.capabilities)
    promise("".join(pieces) == whole.text, "The stream's pieces do not join to the transcript's text.")


def stream_closes(subject: SttSubject) -> None:
    """A stream can be closed before its end, and the engine still works."""
    if subject.capabilities.streaming:
        stream = subject.stream(subject.call())
        next(stream, None)
        stream.close()
        subject.transcribe(subject.request())


def cancellation(subject: SttSubject) -> None:
    """A cancelled call ends with RequestCancelledError, and the engine still works."""
    cancelled = Event()
    cancelled.set()
    request = subject.request()
    expect_cancelled(lambda: subject.engine.transcribe([request], subject.call(cancelled)), "transcribe")
    if subject.capabilities.streaming:
        expect_cancelled(lambda: next(subject.stream(subject.call(cancelled)), None), "stream")
    subject.transcribe(request)


def cancellation_half_way(subject: SttSubject) -> None:
    """A call that is cancelled at work takes no further step after the current one."""
    cancelled, reports = Event(), list[float]()

    def report(fraction: float) -> None:
        check_fraction(fraction)
        reports.append(fraction)
        cancelled.set()

    batch = [subject.request()] * subject.capabilities.max_batch
    with contextlib.suppress(RequestCancelledError):
        subject.engine.transcribe(batch, Call(cancel_event=cancelled, report=report))
    promise(
        len(reports) <= 2,  # noqa: PLR2004  # one cancels, one ends the step
        f"transcribe reported progress {len(reports) - 1} times after it was cancelled: use "
        "call.raise_if_cancelled() before each step.",
    )
    if subject.capabilities.streaming:
        halted = Event()
        expect_stop(subject.stream(subject.call(halted)), halted, "stream")
    subject.transcribe(subject.request())


def cancellation_in_time(subject: SttSubject) -> None:
    """A call on a long recording ends within 5 s when it is cancelled, wherever it is."""
    request = subject.request(repeated(subject.audio, subject.capabilities.longest_input_s or ANY_LENGTH_S))
    expect_prompt_end(lambda event: subject.engine.transcribe([request], subject.call(event)), "transcribe")
    subject.transcribe(subject.request())


_BEHAVIOUR: Final = (
    transcript,
    standing_by,
    held_memory,
    quiet_recordings,
    longest_recording,
    word_times,
    declared_options,
    spoken_language,
    batches,
    stream_joins,
    stream_closes,
    cancellation,
    cancellation_half_way,
    cancellation_in_time,
    *LIVE_CHECKS,
)
_EXAMINATION: Final[Examination[SttEngine, SttSubject]] = Examination(
    slot=Slot.STT,
    engine_class=SttEngine,  # type: ignore[type-abstract]  # the plugin's class is made, not this one
    behaviour=_BEHAVIOUR,
)
STT_CHECKS: Final = _EXAMINATION.names
"""Names of all checks, for `skip`."""


def check_stt_engine(
    engine: EngineSpec | type[SttEngine],
    *,
    model: str | None = None,
    model_dir: ModelDir = None,
    audio: Audio | None = None,
    device: str = "cpu",
    options: Mapping[str, object] | None = None,
    capabilities: SttCapabilities | None = None,
    limit_s: float = LIMIT_S,
    skip: Collection[str] = (),
) -> None:
    """Check that an STT engine keeps the promises of `speechhub.engine`.

    Args:
        engine: The plugin's spec; or a bare class, and then nothing is checked about its description.
        model: Id of the model to load; by default the spec's first. Call once for each that matters.
        model_dir: Folder with the model's files, or a function from the ModelSpec to it; only for a model
            that needs files.
        audio: Mono recording with some seconds of speech, at the engine's sample rate. Without it, the kit
            murmurs, and engines that hear no words in that are checked less.
        device: Where to load, as in `LoadContext`.
        options: The engine's options, as an operator writes them.
        capabilities: What a bare class can do.
        limit_s: How long each check may take, in seconds; one that takes longer is ended and fails.
        skip: Names of checks to leave out, out of `STT_CHECKS`; say why where you do it.

    Raises:
        AssertionError: A promise is broken; the message says which, and what to do.
        ValueError: The arguments make no sense.
    """
    __tracebackhide__ = True
    plan = _EXAMINATION.plan(
        engine,
        capabilities=capabilities,
        model=model,
        model_dir=model_dir,
        device=device,
        options=options,
        limit_s=limit_s,
        skip=skip,
    )
    declared = plan.spec.capabilities_of(plan.model)
    rate = getattr(declared, "sample_rate", None)
    if audio is not None and audio.sample_rate != rate:
        raise ValueError(f"audio has {audio.sample_rate} Hz; resample it to the engine's {rate} Hz.")

    def subject_of(loaded: SttEngine) -> SttSubject:
        return SttSubject(
            plan=plan,
            engine=loaded,
            audio=read_only(audio) if audio else murmur(rate or 16_000),
            audio_has_speech=audio is not None,
        )

    _EXAMINATION.run(plan, subject_of, skip=skip)


def _options(subject: SttSubject) -> list[dict[str, Any]]:
    able = subject.capabilities
    fields: list[dict[str, Any]] = [
        {"prompt": "The quick brown fox,"} if able.prompt else {},
        {"hotwords": ("speechhub", "Ljubljana")} if able.hotwords else {},
        {"temperature": 0.0} if able.temperature else {},
        {"temperature": 0.7} if able.temperature else {},
        {"task": Task.TRANSLATE} if able.translation else {},
    ]
    return [chosen for chosen in fields if chosen]


def _drain(stream: Generator[str, None, Transcript]) -> tuple[list[str], object]:
    pieces: list[str] = []
    while True:
        try:
            piece = next(stream)
        except StopIteration as stop:
            return pieces, stop.value
        pieces.append(
            promise_type(piece, str, f"stream yielded a {type(piece).__name__}; its pieces are text.")
        )
