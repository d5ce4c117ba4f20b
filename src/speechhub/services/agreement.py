"""Agreement of hypotheses: which part of an utterance's text may go out while somebody still speaks. Pure.

Source: Macháček, Dabre, Bojar (2023), Turning Whisper into Real-Time Transcription System,
"LocalAgreement-2".
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speechhub.domain.script import is_unspaced

IGNORED: Final = frozenset(".,?!。，？！、．")  # noqa: RUF001
"""Marks in which two hypotheses may differ: engines set them anew with every word that they hear."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What hypotheses agree on or not: a word, or a character where the script has no spaces."""

    key: str
    """What is compared."""
    end: int
    """The place in the text after it, marks included."""


class Agreement:
    """Decides what of one utterance's hypotheses goes out; what is out is never taken back.

    Text goes out once two hypotheses in a row agree on it, but for the last word of that. An engine that
    knows itself which text is final says so, and that goes out at once. A hypothesis that contradicts what is
    out ends the matter: there is silence until the transcript is complete.
    """

    def __init__(self) -> None:
        self.said = ""
        """All that is out."""
        self.contradicted = False
        """Whether a hypothesis contradicted what is out."""
        self._before: list[_Unit] = []
        """The last hypothesis."""

    def hear(self, hypothesis: str, stable_chars: int = 0) -> str:
        """Take the next hypothesis of the whole utterance; return what to add to `said`, or nothing.

        Args:
            hypothesis: All text of the utterance so far.
            stable_chars: How many of its first characters the engine will not change any more.
        """
        text = hypothesis.strip()
        stable = len(text[: max(0, stable_chars - len(hypothesis) + len(hypothesis.lstrip()))].rstrip())
        units = _units(text)
        before, self._before = self._before, units
        place = self._place(text, units, stable)
        if place is None or self.contradicted:
            self.contradicted = True
            return ""
        agreed = _shared(before, units) - 1
        end = max(units[agreed - 1].end if agreed > 0 else 0, stable)
        return self.say(text[place:end])

    def holds(self, text: str) -> bool:
        """Tell whether *text* is out, from its first word to its last."""
        units = _units(text)
        return _shared(units, _units(self.said)) == len(units)

    def finish(self, transcript: str) -> str:
        """Take the final text; return what to add so that `said` is all of it; nothing if that cannot be."""
        text = transcript.strip()
        place = self._place(text, _units(text), len(text))
        return "" if place is None or self.contradicted else self.say(text[place:])

    def say(self, delta: str) -> str:
        """Note that *delta* goes out; return it."""
        self.said += delta
        return delta

    def _place(self, text: str, units: Sequence[_Unit], stable: int) -> int | None:
        """Return where what is out ends in a hypothesis; None if that contradicts it."""
        out = _units(self.said)
        agrees = _shared(out, units) == len(out)
        if text.startswith(self.said) and (agrees or len(self.said) <= stable):
            return len(self.said)  # it may end inside a word
        return units[len(out) - 1].end if out and agrees else None


def _units(text: str) -> list[_Unit]:
    """Divide a text; marks belong to the unit before them, those at the start to the first."""
    units: list[_Unit] = []
    before = " "
    for place, char in enumerate(text):
        if char.isspace():
            before = char
        elif units and (char in IGNORED or unicodedata.category(char)[0] == "M"):
            units[-1] = _Unit(units[-1].key + ("" if char in IGNORED else char), place + 1)
        elif char not in IGNORED:
            begins = before.isspace() or not units or is_unspaced(char) or is_unspaced(before)
            key = "" if begins else units.pop().key
            units.append(_Unit(key + char.casefold(), place + 1))
            before = char
    return units


def _shared(one: Sequence[_Unit], other: Sequence[_Unit]) -> int:
    """Return how many units two texts have in common, from the start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a.key != b.key), min(len(one), len(other)))
