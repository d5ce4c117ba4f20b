"""Alignment: puts the forced aligner's times on the words of the written text. Pure."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from speechhub.engine import Word

SHORTEST_S: Final = 0.08
"""Step of the aligner's times, in seconds; a word without length gets this much where there is room."""


BUNCH: Final = 5
"""Most words in a row that may be short."""
EPSILON_S: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A word, or a Chinese character, as the aligner returns it: only letters, digits and apostrophes."""

    text: str
    start_s: float
    end_s: float


def place_words(
    text: str, units: Sequence[Unit], duration_s: float, *, sound_end_s: float | None = None
) -> tuple[Word, ...]:
    """Return words that join to *text* exactly, punctuation and spaces included.

    Args:
        text: As the model wrote it, with or without a space in front.
        units: In order; a unit whose letters are not the next ones of the text ends the search, and the rest
            of the text goes to the word before it.
        duration_s: Length of the clip; no time exceeds it.
        sound_end_s: End of its sound; the last word does not last longer.
    """
    spans = list(_find(text, units))
    if not spans:
        return ()
    times = [(unit.start_s, unit.end_s) for unit in units[: len(spans)]]
    times = repair(spread(times, sound_end_s or duration_s), duration_s)
    last_start_s, last_end_s = times[-1]
    if sound_end_s is not None and sound_end_s - last_start_s >= SHORTEST_S:
        times[-1] = last_start_s, min(last_end_s, round(sound_end_s, 3))
    starts = [0]
    for (_, end), (following, _) in pairwise(spans):
        starts.append(end + _split_gap(text[end:following]))
    ends = [*starts[1:], len(text)]
    return tuple(
        Word(text=text[first:last], start_s=start_s, end_s=end_s)
        for first, last, (start_s, end_s) in zip(starts, ends, times, strict=True)
    )


def spread(times: Sequence[tuple[float, float]], sound_end_s: float) -> list[tuple[float, float]]:
    """Return times without many words squeezed into a moment, as the aligner does when it is lost.

    More than `BUNCH` words in a row that are shorter than a step share the time up to the next longer word,
    or up to the end of the sound.
    """
    spaced = list(times)
    place = 0
    while place < len(times):
        last = place
        while last < len(times) and times[last][1] - times[last][0] < SHORTEST_S - EPSILON_S:
            last += 1
        if last - place > BUNCH:
            start_s = times[place][0]
            end_s = times[last][0] if last < len(times) else sound_end_s
            step_s = (end_s - start_s) / (last - place)
            if step_s > 0:
                for number in range(last - place):
                    spaced[place + number] = (start_s + number * step_s, start_s + (number + 1) * step_s)
        place = last + 1
    return spaced


def repair(times: Sequence[tuple[float, float]], duration_s: float) -> list[tuple[float, float]]:
    """Return times in order, without overlap, within the clip, and not empty where there is room."""
    fixed: list[list[float]] = []
    now_s = 0.0
    for start_s, end_s in times:
        start_s = min(max(start_s, now_s), duration_s)  # noqa: PLW2901
        now_s = min(max(end_s, start_s), duration_s)
        fixed.append([start_s, now_s])
    place = 0
    while place < len(fixed):
        last = place
        while last < len(fixed) and fixed[last][1] - fixed[last][0] < SHORTEST_S / 2:
            last += 1
        if last > place:
            _widen(fixed, place, last, duration_s)
        place = last + 1
    return [(round(start_s, 3), round(end_s, 3)) for start_s, end_s in fixed]


def _widen(times: list[list[float]], first: int, last: int, duration_s: float) -> None:
    """Share the time around the words from *first* to before *last*, which have no length."""
    wanted_s = SHORTEST_S * (last - first)
    earliest_s = times[first - 1][1] if first else 0.0
    latest_s = times[last][0] if last < len(times) else duration_s
    start_s = times[first][0]
    end_s = min(max(start_s + wanted_s, times[last - 1][1]), latest_s)
    start_s = max(earliest_s, min(start_s, end_s - wanted_s))
    if end_s - start_s < wanted_s / 2 and first:
        # No room at all: the word before gives up to half of its time.
        before = times[first - 1]
        before[1] -= min(wanted_s, (before[1] - before[0]) / 2)
        start_s = before[1]
    step_s = (end_s - start_s) / (last - first)
    for number, place in enumerate(range(first, last)):
        times[place] = [start_s + number * step_s, start_s + (number + 1) * step_s]


def _find(text: str, units: Sequence[Unit]) -> Iterator[tuple[int, int]]:
    """Yield where each unit begins and ends in *text*, until one is not there."""
    letters = [place for place, char in enumerate(text) if _is_kept(char)]
    done = 0
    for unit in units:
        places = letters[done : done + len(unit.text)]
        if not unit.text or "".join(text[place] for place in places).casefold() != unit.text.casefold():
            return
        done += len(places)
        yield places[0], places[-1] + 1


def _is_kept(char: str) -> bool:
    """Tell whether the aligner keeps a character. Source: Qwen3ForceAlignProcessor.is_kept_char."""
    return char == "'" or unicodedata.category(char)[0] in "LN"


def _split_gap(gap: str) -> int:
    """Return how much of the text between two words belongs to the first word."""
    for place, char in enumerate(gap):
        if char.isspace() or unicodedata.category(char) in {"Ps", "Pi"}:
            return place
    return len(gap)
