"""`check_tts_engine` and the promises of a TTS engine."""

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import chain, cycle, islice
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speechhub.domain.audio import Audio
from speechhub.domain.voice import Voice
from speechhub.engine.base import TtsEngine
from speechhub.engine.capabilities import TtsCapabilities
from speechhub.engine.options import (
    EMOTIONS,
    MAX_SEED,
    MAX_SILENCE_INTERVAL_MS,
    Emotion,
    EmotionMode,
)
from speechhub.engine.slots import Slot
from speechhub.engine.spec import EngineSpec
from speechhub.engine.testing.description import check_voices
from speechhub.engine.testing.examination import Examination
from speechhub.engine.testing.leaving import expect_prompt_end
from speechhub.engine.testing.limit import LIMIT_S
from speechhub.engine.testing.promise import promise, run_checks
from speechhub.engine.testing.speaker import TtsSubject
from speechhub.engine.testing.subject import (
    ModelDir,
    expect_cancelled,
    expect_stop,
    held_memory,
    standing_by,
)
from speechhub.errors import InvalidValueError

TEXT: Final = "The first sentence is short. Here is the second one, a little longer. And this ends it."
MAX_VOICES: Final = 8
"""How many voices are tried; some models have hundreds."""
ANY_LENGTH_CHARS: Final = 1000
"""What "any length" is tried with."""
ODD_TEXTS: Final = (
    "?!",
    "\N{SLIGHTLY SMILING FACE}",
    "3.14 \N{ALMOST EQUAL TO} \N{GREEK SMALL LETTER PI}",
    "a\n\nb",
)
"""Texts that clients do send, without a word, or without a letter that the model knows."""
QUIET: Final = 0.003
"""Samples closer to 0 than this count as silence."""
FASTER, SLOWER = 2.0, 0.5
ROUGHLY: Final = 1.5
"""Factor by which a duration may miss the one that the speed promises: voices do not scale exactly."""


def promised_voices(subject: TtsSubject) -> None:
    """A loaded model has voices, told apart by their ids, and those that its spec promises."""
    promise(
        bool(subject.loaded_voices) or subject.capabilities.cloning,
        "voices() is empty: a model needs a voice unless it clones; call the only one 'default'.",
    )
    check_voices(subject.loaded_voices, "voices()")
    known = {voice.id for voice in subject.loaded_voices}
    for voice in subject.plan.model.voices:
        promise(voice.id in known, f"The spec promises voice {voice.id!r}, but voices() does not have it.")


def speech(subject: TtsSubject) -> None:
    """A text becomes audio: mono float32 within -1 to 1, in one sample rate, and something to hear."""
    _audible(subject.speak(), "the text")


def every_voice(subject: TtsSubject) -> None:
    """Each voice speaks."""
    voices = subject.loaded_voices
    step = max(1, -(-len(voices) // MAX_VOICES))
    for voice in voices[::step]:
        _audible(subject.speak(voice=voice.id), f"voice {voice.id!r}")


def declared_options(subject: TtsSubject) -> None:
    """Declared instructions and the model's own languages are accepted."""
    if subject.capabilities.instructions:
        _audible(subject.speak(instructions="Whisper, as if it were a secret."), "instructions")
    for code in subject.plan.model.languages[:1]:
        _audible(subject.speak(language=code), f"language {code!r}")


def cloning(subject: TtsSubject) -> None:
    """Where `cloning` is declared, references are spoken in, one after another and the first again."""
    if subject.capabilities.cloning:
        for hertz in (180.0, 120.0, 180.0):
            _audible(subject.speak(reference=subject.reference(hertz)), "a reference")


def stored_references(subject: TtsSubject) -> None:
    """`cache_dir` holds files of stored references only, by their digests; they may be deleted."""
    folder = subject.plan.cache_dir
    if folder is None or not subject.capabilities.cloning:
        return
    stored, passing = subject.reference(150.0, stored=True), subject.reference(210.0)
    for reference in (stored, passing, stored):
        _audible(subject.speak(reference=reference), "a reference")
    for path in folder.iterdir():
        promise(
            path.name.startswith(stored.digest),
            f"In cache_dir is {path.name!r}, which does not begin with the digest of a stored reference: "
            "keep nothing else there, and nothing of references that are not stored.",
        )
        path.unlink()  # as the host does when the voice goes
    _audible(subject.speak(reference=stored), "a reference whose files in cache_dir are gone")


def emotions(subject: TtsSubject) -> None:
    """Each declared way to tell an emotion is accepted."""
    parts: dict[EmotionMode, dict[str, Any]] = {
        EmotionMode.AUDIO: {"audio": subject.reference(240.0)},
        EmotionMode.VECTOR: {"vector": (0.7, *[0.0] * (len(EMOTIONS) - 1))},
        EmotionMode.TEXT: {"text": "as glad as can be"},
    }
    for mode in subject.capabilities.emotions:
        emotion = Emotion(mode=mode, alpha=0.6, **parts[mode])
        _audible(subject.speak(emotion=emotion), f"an emotion of mode {mode.value!r}")


def seed(subject: TtsSubject) -> None:
    """Where `seed` is declared, the same seed gives the same samples, and another one is accepted."""
    if not subject.capabilities.seed:
        return
    first, other, again = (subject.speak(seed=number) for number in (1, MAX_SEED, 1))
    _audible(other, f"seed {MAX_SEED}")
    promise(
        [piece.samples.tobytes() for piece in first] == [piece.samples.tobytes() for piece in again],
        "The same seed gave other samples: seed every random generator in each call, after computing what is "
        "kept for later calls.",
    )


def silence_interval(subject: TtsSubject) -> None:
    """Where `silence_interval` is declared, a longer pause makes a long text longer."""
    if not subject.capabilities.silence_interval:
        return
    text = _long_text(subject)
    fields = {"seed": 1} if subject.capabilities.seed else {}
    short_s, long_s = (
        subject.duration_s(text=text, silence_interval_ms=pause_ms, **fields) for pause_ms in (0, 1000)
    )
    promise(
        long_s > short_s,
        f"With pauses of 1000 ms a text takes {long_s:.2f} s, without {short_s:.2f} s: use "
        "request.silence_interval_ms between the parts of a text, or do not declare silence_interval.",
    )


def following_sentence(subject: TtsSubject) -> None:
    """With `follows_sentence`, speech begins with more silence, or with no more, and is the same after it."""
    fields: dict[str, Any] = {"seed": 1} if subject.capabilities.seed else {}
    first, again, following = (
        _after_silence(subject.speak(follows_sentence=follows, **fields)) for follows in (False, False, True)
    )
    promise(len(following[1]) > 0, "There is nothing to hear with follows_sentence.")
    added_s = following[0] - first[0]
    promise(
        added_s <= MAX_SILENCE_INTERVAL_MS / 1000,
        f"With follows_sentence the speech begins with {added_s:.2f} s more of silence: add the pause that "
        "you make between two sentences of one text.",
    )
    if np.array_equal(first[1], again[1]):  # chance does not decide how this engine sounds
        promise(
            np.array_equal(first[1], following[1]),
            "With follows_sentence the engine speaks something else: put silence before the first sound, "
            "and change nothing after it.",
        )


def native_speed(subject: TtsSubject) -> None:
    """Where `native_speed` is declared, twice the speed takes about half the time, half of it twice."""
    if not subject.capabilities.native_speed:
        return
    normal_s = subject.duration_s()
    for speed in (FASTER, SLOWER):
        found_s, wanted_s = subject.duration_s(speed=speed), normal_s / speed
        promise(
            wanted_s / ROUGHLY <= found_s <= wanted_s * ROUGHLY,
            f"At speed {speed} the text takes {found_s:.2f} s, at speed 1 {normal_s:.2f} s; about "
            f"{wanted_s:.2f} s were expected. Use request.speed, or do not declare native_speed.",
        )


def streaming(subject: TtsSubject) -> None:
    """Where `streaming` is declared, a text of several sentences comes in several pieces."""
    if subject.capabilities.streaming:
        promise(
            len(subject.speak()) > 1,
            "streaming is declared, but the whole text came in one piece: yield each as soon as it exists.",
        )


def longest_text(subject: TtsSubject) -> None:
    """The longest text that the engine declares is spoken."""
    text = _long_text(subject)
    _audible(subject.speak(text), f"a text of {len(text)} characters")


def odd_texts(subject: TtsSubject) -> None:
    """A text that cannot be spoken is passed over, or refused with InvalidValueError."""
    for text in ODD_TEXTS:
        try:
            subject.speak(text)
        except InvalidValueError:
            continue
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(
                f"The text {text!r} made the engine raise {type(error).__name__}: yield nothing for it, or "
                "raise InvalidValueError with a message for the client."
            ) from error


def speech_closes(subject: TtsSubject) -> None:
    """Speech can be closed before its end, and the engine still works."""
    pieces = subject.pieces()
    next(pieces, None)
    getattr(pieces, "close", lambda: None)()
    _audible(subject.speak(), "the text, after a speech that was closed early,")


def cancellation(subject: TtsSubject) -> None:
    """A cancelled call ends with RequestCancelledError, and the engine still works."""
    cancelled = Event()
    cancelled.set()
    expect_cancelled(lambda: next(subject.pieces(cancel_event=cancelled), None), "synthesize")
    _audible(subject.speak(), "the text, after a speech that was cancelled,")


def cancellation_half_way(subject: TtsSubject) -> None:
    """Speech that is cancelled stops after the current piece."""
    cancelled = Event()
    expect_stop(subject.pieces(cancel_event=cancelled), cancelled, "synthesize")
    _audible(subject.speak(), "the text, after a speech that was cancelled half-way,")


def cancellation_in_time(subject: TtsSubject) -> None:
    """Speech of a long text ends within 5 s when it is cancelled, wherever it is."""
    text = _long_text(subject)
    expect_prompt_end(lambda event: list(subject.pieces(text, cancel_event=event)), "synthesize")
    _audible(subject.speak(), "the text, after a speech that was cancelled at work,")


_BEHAVIOUR: Final = (
    promised_voices,
    speech,
    standing_by,
    held_memory,
    every_voice,
    declared_options,
    cloning,
    stored_references,
    emotions,
    seed,
    native_speed,
    streaming,
    longest_text,
    odd_texts,
    speech_closes,
    cancellation,
    cancellation_half_way,
    cancellation_in_time,
    silence_interval,
    following_sentence,
)
_EXAMINATION: Final[Examination[TtsEngine, TtsSubject]] = Examination(
    slot=Slot.TTS,
    engine_class=TtsEngine,  # type: ignore[type-abstract]  # the plugin's class is made, not this one
    behaviour=_BEHAVIOUR,
)
TTS_CHECKS: Final = _EXAMINATION.names
"""Names of all checks, for `skip`."""


def check_tts_engine(
    engine: EngineSpec | type[TtsEngine],
    *,
    model: str | None = None,
    model_dir: ModelDir = None,
    text: str = TEXT,
    device: str = "cpu",
    options: Mapping[str, object] | None = None,
    capabilities: TtsCapabilities | None = None,
    limit_s: float = LIMIT_S,
    skip: Collection[str] = (),
) -> None:
    """Check that a TTS engine keeps the promises of `speechhub.engine`.

    Args:
        engine: The plugin's spec; or a bare class, and then nothing is checked about its description.
        model: Id of the model to load; by default the spec's first. Call once for each that matters.
        model_dir: Folder with the model's files, or a function from the ModelSpec to it; only for a model
            that needs files.
        text: Three sentences or so in a language that the model speaks.
        device: Where to load, as in `LoadContext`.
        options: The engine's options, as an operator writes them.
        capabilities: What a bare class can do.
        limit_s: How long each check may take, in seconds; one that takes longer is ended and fails.
        skip: Names of checks to leave out, out of `TTS_CHECKS`; say why where you do it.

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

    def subject_of(loaded: TtsEngine) -> TtsSubject:
        engine_voices: list[Voice] = []

        def tells_voices(engine: TtsEngine) -> None:
            """A loaded engine tells its voices."""
            engine_voices.extend(engine.voices())

        run_checks(plan.spec.name, [tells_voices], loaded, limit_s=limit_s)
        return TtsSubject(plan=plan, engine=loaded, text=text, loaded_voices=tuple(engine_voices))

    with tempfile.TemporaryDirectory(prefix="speechhub-kit-") as folder:
        plan = replace(plan, cache_dir=Path(folder))
        _EXAMINATION.run(plan, subject_of, skip=skip)


def _long_text(subject: TtsSubject) -> str:
    """Return the text under test, again and again, as long as the engine says it may be."""
    length = subject.capabilities.longest_input_chars or ANY_LENGTH_CHARS
    endless = chain.from_iterable(cycle((subject.text, " ")))
    return "".join(islice(endless, length - 1)) + "."


def _after_silence(pieces: list[Audio]) -> tuple[float, NDArray[np.float32]]:
    """Return how long the silence is that speech begins with, in seconds, and the samples after it."""
    samples = np.concatenate([np.empty(0, np.float32), *(piece.samples for piece in pieces)])
    sound = np.flatnonzero(np.abs(samples) > QUIET)
    if not len(sound):
        return 0.0, samples[:0]
    return int(sound[0]) / pieces[0].sample_rate, samples[sound[0] :]


def _audible(pieces: list[Audio], what: str) -> None:
    promise(any(np.any(piece.samples) for piece in pieces), f"There is nothing to hear for {what}.")
