"""A speech that a client wants: what it says of it, checked, and as an engine's request."""

from dataclasses import dataclass, replace
from typing import Self

from speechhub.codecs.encode import MAX_RATE, MIN_RATE, SpeechFormat
from speechhub.domain.language import parse_language
from speechhub.engine import Emotion, EmotionMode, SynthesizeRequest, TtsCapabilities
from speechhub.errors import InvalidValueError, UnsupportedValueError
from speechhub.errors.excerpt import quoted
from speechhub.services.models import TtsModel
from speechhub.services.segmentation import PIECE_CHARS
from speechhub.services.speaker import EmotionWish, Speaker
from speechhub.speakable import Normalization

MIN_SPEED, MAX_SPEED = 0.25, 4.0
"""Source: OpenAI's openapi.yaml, CreateSpeechRequest.speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechJob:
    """What a client wants to hear."""

    text: str
    model: str | None = None
    """A model id or alias; None means the default."""
    voice: str | None = None
    """A voice of the model, an alias, one of OpenAI's names, a custom voice, or a clip in base64; None means
    the model's first."""
    format: SpeechFormat
    sample_rate: int | None = None
    """Of the encoded audio, in hertz; `MIN_RATE` to `MAX_RATE`. None means `OUTPUT_RATE`."""
    bit_rate: int | None = None
    """Of a compressed format, in bits per second; None means its usual one."""
    speed: float = 1.0
    """0.25 to 4."""
    instructions: str | None = None
    emotion: EmotionWish | None = None
    """None leaves it to the voice, or to the instructions."""
    seed: int | None = None
    """0 to `MAX_SEED`; None means chance."""
    silence_interval_ms: int | None = None
    """Pause between sentences, in milliseconds; None leaves it to the voice."""
    timeout_s: float | None = None
    """How long the client will wait; None if it does not say."""
    language: str | None = None
    """Of the text, as a code or an English name; None leaves it to the engine."""
    text_normalization: Normalization | None = None
    """What is taken for markup in the text; None is the server's setting."""
    whole: bool | None = None
    """Whether the first byte waits for the last, so that headers tell the length; None means where that
    costs no time."""

    def checked(self, model: TtsModel) -> Self:
        """Return this job with its language as a code, once *model* can do what it asks for.

        Raises:
            RequestError: It cannot.
        """
        job = replace(self, language=parse_language(self.language))
        if not MIN_SPEED <= job.speed <= MAX_SPEED:
            raise InvalidValueError(
                f"speed must be between {MIN_SPEED} and {MAX_SPEED}, not {job.speed:g}.", param="speed"
            )
        if job.sample_rate is not None:
            _check_rate(job.sample_rate, job.format)
        if job.seed is not None and not model.capabilities.seed:
            raise UnsupportedValueError(f"Model {model.id!r} does not support `seed`; omit it.", param="seed")
        if job.language is not None and model.languages and job.language not in model.languages:
            raise UnsupportedValueError(
                f"Model {model.id!r} does not speak {quoted(job.language)}; it speaks: "
                f"{', '.join(model.languages)}.",
                param="language",
            )
        return job

    def stretch(self, capabilities: TtsCapabilities) -> float:
        """Return how many times as fast as the engine speaks the hub has to make the speech."""
        return 1.0 if capabilities.native_speed else self.speed


def _check_rate(sample_rate: int, speech_format: SpeechFormat) -> None:
    rates = speech_format.sample_rates
    if not MIN_RATE <= sample_rate <= MAX_RATE or (rates and sample_rate not in rates):
        allowed = f"one of {', '.join(map(str, rates))}" if rates else f"from {MIN_RATE} to {MAX_RATE}"
        raise InvalidValueError(
            f"sample_rate must be {allowed} hertz for the format {speech_format.value!r}, not {sample_rate}.",
            param="sample_rate",
        )


def request_of(
    job: SpeechJob, speaker: Speaker, capabilities: TtsCapabilities, *, alone: bool
) -> SynthesizeRequest:
    """Return what the engine is asked for, with the whole text; what it cannot do is left to the hub.

    Args:
        job: What the client wants.
        speaker: Who speaks, and how.
        capabilities: What the engine can do.
        alone: Whether the whole text is one call.
    """
    return SynthesizeRequest(
        text=job.text,
        voice=speaker.voice,
        language=job.language,
        speed=job.speed if capabilities.native_speed else 1.0,
        instructions=speaker.instructions,
        reference=speaker.reference,
        emotion=speaker.emotion if alone else _of_the_whole(speaker.emotion, job.text),
        seed=job.seed,
        silence_interval_ms=job.silence_interval_ms if capabilities.silence_interval else None,
    )


def _of_the_whole(emotion: Emotion | None, text: str) -> Emotion | None:
    """Have the beginning of a long text tell the emotion of each piece, where the pieces themselves would."""
    if emotion is None or emotion.mode is not EmotionMode.TEXT or emotion.text:
        return emotion
    return replace(emotion, text=text[:PIECE_CHARS])
