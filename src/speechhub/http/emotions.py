"""The field ``emotion`` of a request → what a client asks for."""

from typing import Final

import msgspec

from speechhub.engine import EMOTIONS, EmotionMode
from speechhub.errors import InvalidValueError, MissingValueError
from speechhub.http.schemas.audio import EmotionFields, EmotionVector
from speechhub.services.speaker import EmotionWish

_PARTS: Final = (EmotionMode.AUDIO, EmotionMode.VECTOR, EmotionMode.TEXT)
"""Modes that have a field of their own name."""


def emotion_wish(fields: EmotionFields) -> EmotionWish:
    """Return what the fields ask for.

    Raises:
        InvalidValueError, MissingValueError: They contradict each other; types and ranges were checked when
            they were read.
    """
    given = [part for part in _PARTS if getattr(fields, part.value) is not None]
    if fields.mode is None and len(given) > 1:
        raise InvalidValueError(
            f"emotion has {' and '.join(given)}: choose one with mode, and omit the other.",
            param="emotion",
        )
    mode = EmotionMode(fields.mode) if fields.mode else given[0] if given else EmotionMode.AUTO
    for part in given:
        if part is not mode:
            raise InvalidValueError(
                f"emotion.{part.value} cannot be combined with mode {mode.value!r}.",
                param=f"emotion.{part.value}",
            )
    if mode in (EmotionMode.AUDIO, EmotionMode.VECTOR) and not given:
        raise MissingValueError(f"emotion.{mode.value}", f"Emotion mode {mode.value!r} needs this field.")
    if fields.text is not None and not fields.text.strip():
        raise InvalidValueError("emotion.text is blank.", param="emotion.text")
    if fields.random and mode not in (EmotionMode.VECTOR, EmotionMode.TEXT):
        raise InvalidValueError("emotion.random needs mode 'vector' or 'text'.", param="emotion.random")
    return EmotionWish(
        mode=mode,
        audio=fields.audio,
        vector=_weights(fields.vector) if fields.vector is not None else (),
        text=fields.text,
        alpha=fields.alpha,
        random=fields.random,
    )


def _weights(vector: EmotionVector | list[float]) -> tuple[float, ...]:
    if isinstance(vector, list):
        weights = tuple(map(float, vector))
    else:
        by_name = msgspec.structs.asdict(vector)
        weights = tuple(float(by_name[name]) for name in EMOTIONS)
    if not any(weights):
        raise InvalidValueError("emotion.vector has only zeros.", param="emotion.vector")
    return weights
