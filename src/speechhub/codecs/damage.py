"""Damage in one recording, described for its sender: a bounded list, without any words of the recording."""

from dataclasses import dataclass
from typing import Final

MOST: Final = 10
"""Most warnings about one recording; further ones are only counted."""
JOINED_S: Final = 1.0
"""Damaged stretches that are closer than this, in seconds, are reported as one."""


@dataclass(slots=True)
class _Stretch:
    what: str
    start_s: float
    end_s: float

    def __str__(self) -> str:
        return self.what.format(f"{self.start_s:.2f}", f"{self.end_s:.2f}")


class AudioDamage:
    """Collects what is wrong with one recording; lives as long as its decoding.

    Places are offsets from the start of the recording, in seconds.
    """

    def __init__(self) -> None:
        self._found: list[str | _Stretch] = []
        self._last: _Stretch | None = None
        """The stretch that was noted last, unless something else was noted after it."""
        self._more = 0
        self.longest_gap_s = 0.0
        """Longest silence, in seconds, that was inserted for missing sound; not always damage."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences in ASCII, in the order of the recording; none if nothing is wrong."""
        found = tuple(map(str, self._found))
        return (*found, f"{self._more} more places are damaged.") if self._more else found

    def undecodable(self, start_s: float, end_s: float) -> None:
        """Note a stretch that is in the file but cannot be decoded."""
        self._add_stretch("The recording is damaged from {} s to {} s.", start_s, end_s)

    def missing(self, start_s: float, end_s: float) -> None:
        """Note a stretch that is missing from the file."""
        self._add_stretch("Sound is missing from {} s to {} s: it is replaced by silence.", start_s, end_s)

    def gap(self, start_s: float, end_s: float) -> None:
        """Note a gap, which is damage only if it continues a damaged stretch."""
        if self._last is not None and start_s <= self._last.end_s:
            self._last.end_s = max(self._last.end_s, end_s)

    def unreadable_from(self, start_s: float) -> None:
        """Note that a part from *start_s* on, or all of the rest, cannot be read."""
        self._add(f"The recording is damaged from {start_s:.2f} s: a part of it cannot be read.")

    def cut_off(self, end_s: float, promised_s: float = 0.0) -> None:
        """Note that the recording ends early; *promised_s* is the length that its header states, or 0."""
        said = f"; its header says {promised_s:.2f} s" if promised_s else ""
        self._add(f"The recording breaks off at {end_s:.2f} s{said}.")

    def jump(self, start_s: float, by_s: float) -> None:
        """Note a jump of the time stamps that is not filled with silence; negative ones go back."""
        where = "back" if by_s < 0 else "ahead"
        self._add(
            f"The time stamps jump {where} by {abs(by_s):.2f} s at {start_s:.2f} s: "
            "the sound continues there without a gap."
        )

    def _add_stretch(self, what: str, start_s: float, end_s: float) -> None:
        if self._last is not None and start_s - self._last.end_s < JOINED_S:
            self._last.end_s = max(self._last.end_s, end_s)
        else:
            self._add(_Stretch(what, start_s, end_s))

    def _add(self, warning: str | _Stretch) -> None:
        self._last = warning if isinstance(warning, _Stretch) else None
        if len(self._found) < MOST:
            self._found.append(warning)
        else:
            self._more += 1
