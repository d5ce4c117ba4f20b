"""Places decoded frames where a player would play them: on the recording's own timeline. Pure.

Containers give each frame a time stamp, and stamps are less exact than samples: Matroska rounds them to a
millisecond, networks deliver in bursts, and clocks of recorders get set. So the samples are joined without
regard to stamps, unless a stamp says that sound is missing and the frames after it confirm that: then silence
replaces the missing sound. Sound is never removed because of a stamp.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from speechhub.codecs.damage import AudioDamage

MIN_GAP_S: Final = 0.05
"""Shortest gap that silence fills, in seconds; shorter ones wait until they add up to it."""
LATE_START_S: Final = 0.1
"""Shortest delay, in seconds, that counts as a late start of a track: some codecs add a shorter one."""
CONFIRMED_S: Final = 1.0
"""How much sound after a jump, in seconds, must agree with it: it does after lost packets, not after late
ones."""
MOST_HELD: Final = 200
"""Most frames that must agree: they may have one sample each, and each is compared with all others."""
UNCONFIRMED_GAP_S: Final = 0.25
"""Shortest gap, in seconds, that is filled before less sound than `CONFIRMED_S` at the end: a few packets may
all be late."""
LONE_GAP_S: Final = 10.0
"""Longest gap, in seconds, that is believed after the first frame or before the last: a lone stamp may be
wrong."""
RESTART_S: Final = 1.0
"""Stamps that go back at once by more than this, in seconds, have started over; less is an overlap, for which
the next gap makes up."""
FAR_BEHIND_S: Final = 10.0
"""The same for stamps that fall behind gradually."""
OVERLAP_S: Final = 0.5
"""Shortest overlap, in seconds, that is reported."""

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A stretch of silence."""

    start_s: float
    """Where it begins in the recording, in seconds."""
    end_s: float


@dataclass(frozen=True, slots=True)
class _Frame(Generic[ItemT]):
    item: ItemT
    length_s: float
    time_s: float | None


class Timeline(Generic[ItemT]):
    """Lays out one recording; lives as long as its decoding.

    Args:
        limit_s: longest recording, in seconds; a gap beyond it is not believed.
        damage: where jumps are noted.
    """

    def __init__(self, limit_s: float, damage: AudioDamage) -> None:
        self._limit_s = limit_s
        self._damage = damage
        self.now_s = 0.0
        """Where the next sample goes, in seconds from the start of the recording."""
        self.left_out_s = 0.0
        """Total length of the gaps that were not accepted, in seconds."""
        self._zero_s: float | None = None
        """The stamp of the recording's start; None until one is known."""
        self._stamp_s: float | None = None
        """The expected next stamp."""
        self._frames = 0
        """How many frames of the container have been placed."""
        self._held: deque[_Frame[ItemT]] = deque()
        self._held_s = 0.0

    @property
    def end_s(self) -> float:
        """Where the sound so far would end, without further silence."""
        return self.now_s + self._held_s

    def begin(self, zero_s: float | None) -> None:
        """Begin a container after the one before; *zero_s* is the stamp of its start, None if unknown."""
        self._zero_s = None if zero_s is None else zero_s - self.now_s
        self._stamp_s = None
        self._frames = 0

    def follows(self, length_s: float, time_s: float | None) -> bool:
        """Place the next frame if it simply follows the one before; return whether it did.

        Nearly all frames do, and `add` takes as long as decoding one. Arguments are as for `add`.
        """
        if self._held:
            return False
        if time_s is not None:
            if self._zero_s is None or not -OVERLAP_S < time_s - self._zero_s - self.now_s < MIN_GAP_S:
                return False
            self._stamp_s = time_s + length_s
        elif self._stamp_s is not None:
            self._stamp_s += length_s
        self._frames += 1
        self.now_s += length_s
        return True

    def add(self, item: ItemT, length_s: float, time_s: float | None) -> Iterator[ItemT | Silence]:
        """Take the next frame; yield the items whose places are certain now.

        Args:
            item: the frame, which is yielded in its turn.
            length_s: its length, in seconds.
            time_s: its stamp, in seconds; None if it has none, and so follows the one before.
        """
        self._held.append(_Frame(item, length_s, time_s))
        self._held_s += length_s
        yield from self._release(last=False)

    def end(self) -> Iterator[ItemT | Silence]:
        """Yield what was held back: the container ends here."""
        yield from self._release(last=True)

    def advance(self, length_s: float) -> None:
        """Account for sound of that length, which has no stamps and is placed by the caller."""
        self.now_s += length_s

    def drop(self, now_s: float) -> None:
        """Drop the frames held back, and go back to *now_s*: the container failed there."""
        self._held.clear()
        self._held_s = 0.0
        self.now_s = now_s

    def skip(self, length_s: float) -> Iterator[Silence]:
        """Yield silence for a stretch that cannot be decoded; call it when no frame is held back."""
        length_s = min(length_s, self._limit_s - self.now_s)
        if length_s > 0:
            yield self._silence(length_s)

    def _release(self, *, last: bool) -> Iterator[ItemT | Silence]:
        while self._held:
            frame = self._held[0]
            late_s = self._late(frame.time_s, self.now_s)
            if not self._frames and 0 < late_s < LATE_START_S:
                self._set_by(late_s)
                late_s = 0.0
            back_s = 0.0 if frame.time_s is None or self._stamp_s is None else self._stamp_s - frame.time_s
            restarts = min(back_s, -late_s) > RESTART_S or late_s < -FAR_BEHIND_S
            if (late_s > MIN_GAP_S or restarts) and not last and not self._is_confirmed:
                return
            if late_s > MIN_GAP_S:
                yield from self._jump_ahead(last=last)
            elif restarts and (restarts := self._all_late()[1] < -RESTART_S):
                self._set_by(late_s)
                self._damage.jump(self.now_s, -max(back_s, -late_s))
            elif min(back_s, -late_s) > OVERLAP_S:
                self._damage.jump(self.now_s, -back_s)
            self._held.popleft()
            self._held_s -= frame.length_s
            self._frames += 1
            self.now_s += frame.length_s
            # A lone stamp that goes back is wrong, and says nothing about the next one.
            if frame.time_s is not None and (restarts or back_s < RESTART_S):
                self._stamp_s = frame.time_s + frame.length_s
            elif self._stamp_s is not None:
                self._stamp_s += frame.length_s
            yield frame.item

    def _jump_ahead(self, *, last: bool) -> Iterator[Silence]:
        """Fill the gap before the first frame that is held, if it is believed."""
        gap_s, _ = self._all_late()
        alone = self._frames == 1 or (last and len(self._held) == 1)
        if (alone and gap_s > LONE_GAP_S) or self.now_s + gap_s > self._limit_s:
            self._damage.jump(self.now_s, gap_s)
            self.left_out_s += gap_s
            self._set_by(gap_s)
        elif gap_s > (MIN_GAP_S if self._is_confirmed else UNCONFIRMED_GAP_S):
            yield self._silence(gap_s)

    @property
    def _is_confirmed(self) -> bool:
        """Whether enough frames are held to tell a jump from a single wrong stamp."""
        return self._held_s >= CONFIRMED_S or len(self._held) >= MOST_HELD

    def _late(self, time_s: float | None, now_s: float) -> float:
        """Return how much later than *now_s* a stamp is."""
        if time_s is None:
            return 0.0
        if self._zero_s is None:
            self._zero_s = time_s - now_s
        return time_s - self._zero_s - now_s

    def _all_late(self) -> tuple[float, float]:
        """Return the least and the greatest delay of the held frames, in seconds."""
        due_s, late_s = self.now_s + (self._zero_s or 0.0), []
        for frame in self._held:
            if frame.time_s is not None:
                late_s.append(frame.time_s - due_s)
            due_s += frame.length_s
        return min(late_s), max(late_s)

    def _set_by(self, late_s: float) -> None:
        """Treat stamps that are late by *late_s* as on time from now on."""
        if self._zero_s is not None:
            self._zero_s += late_s

    def _silence(self, length_s: float) -> Silence:
        start_s = self.now_s
        self.now_s += length_s
        return Silence(start_s=start_s, end_s=self.now_s)
