"""Emotions as numbers: scaling a vector, and reading one from the emotion model's answer."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from speechhub.engine import EMOTIONS

BIAS: Final = (0.9375, 0.875, 1.0, 1.0, 0.9375, 0.9375, 0.6875, 0.5625)
"""Factor for each weight: strong surprise and calm sound odd. Source: normalize_emo_vec in
index-tts, infer_v2.py."""
LARGEST_SUM: Final = 0.8
"""Largest sum of all weights; the rest up to 1 is the voice's own emotion. Source: as above."""
HIGHEST_SCORE: Final = 1.2
"""Source: QwenEmotion in index-tts, infer_v2.py."""
LABELS: Final = ("高兴", "愤怒", "悲伤", "恐惧", "反感", "低落", "惊讶", "自然")
"""The emotion model's names of `EMOTIONS`, in the same order."""
LEVELS: Final = {"极高": 1.0, "很高": 0.9, "高": 0.8, "中": 0.5, "低": 0.2, "很低": 0.1, "无": 0.0}
"""Words that it sometimes writes instead of numbers (index-tts, issue 751)."""
MELANCHOLIC: Final = ("melanchol", "melancol", "depress", "deprimid", "gloomy", "nostalgi", "bajón", "低落")
"""Words of a description that mean melancholy, which the model does not distinguish from sadness."""

_ENTRY: Final = re.compile(rf'({"|".join(LABELS)})["\'\s]*[:：]\s*["\']?([\d.]+|[^\s"\',，}}]+)')  # noqa: RUF001  # full-width, as it writes them


def capped(vector: Sequence[float]) -> list[float]:
    """Return the weights, scaled down together if their sum exceeds `LARGEST_SUM`."""
    total = sum(vector)
    scale = LARGEST_SUM / total if total > LARGEST_SUM else 1.0
    return [weight * scale for weight in vector]


def normalized(vector: Sequence[float]) -> list[float]:
    """Return weights of a request as the model needs them, scaled as upstream's own interface does."""
    return capped([weight * bias for weight, bias in zip(vector, BIAS, strict=True)])


def read_answer(answer: str, description: str) -> list[float]:
    """Return the weights, in the order of `EMOTIONS`, that the emotion model's *answer* gives.

    Labels and numbers are taken from any text; if there are none, the answer is calm.
    """
    scores = _scores(answer)
    if any(word in description.lower() for word in MELANCHOLIC):
        scores["悲伤"], scores["低落"] = scores.get("低落", 0.0), scores.get("悲伤", 0.0)
    vector = [min(max(scores.get(label, 0.0), 0.0), HIGHEST_SCORE) for label in LABELS]
    if not any(vector):
        vector[EMOTIONS.index("calm")] = 1.0
    return capped(vector)


def _scores(answer: str) -> dict[str, float]:
    try:
        found: object = json.loads(answer)
    except ValueError:
        found = None
    pairs = found.items() if isinstance(found, Mapping) else _ENTRY.findall(answer)
    return {label: _number(value) for label, value in pairs if label in LABELS}


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    try:
        return float(text)
    except ValueError:
        return LEVELS.get(text, 0.0)
