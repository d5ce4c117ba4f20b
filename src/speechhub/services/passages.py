"""Passages of uploaded recordings: read in threads, a little ahead of the engine; the plainest at once."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.damage import AudioDamage
from speechhub.codecs.decode import MIN_DURATION_S, decode_blocks
from speechhub.codecs.loudness import may_be_quiet, raised
from speechhub.codecs.passages import Passage, PassageReader
from speechhub.codecs.plain import quick_wav
from speechhub.codecs.tracks import TrackTaken, is_first
from speechhub.codecs.vad import may_be_speech
from speechhub.domain.audio import Pcm16Audio
from speechhub.errors import QueueFullError
from speechhub.pools import Pool

LONGEST_S: Final = 300.0
"""Longest passage, in seconds, for engines that would take longer ones: between passages others get their
turn, and memory stays small."""
AHEAD_S: Final = 300.0
"""How much may wait for the engine, in seconds; one passage more at most. 300 s are 19 MB."""
TURN_S: Final = 60.0
"""How much of the recording a job reads, in seconds, before the next recording has its turn in the pool:
silence has no passages that would end a job."""
FIRST_TURN_S: Final = 30.0
"""The same for a recording's first job, after which most recordings are read; 2 MB."""
MOST_PLACES: Final = 8
"""How many recordings have further turns at the same time, however many cores there are: 150 MB."""
WAITING: Final = 64
"""How many recordings may wait for their second turn."""


class DecodingPlaces:
    """The threads that decode recordings, and places for long ones; one for the life of the server.

    Every recording has its first turn soon, so that a short one waits for no long one. Only so many have
    further turns at the same time, in which each may hold 19 MB.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.places = min(2 * pool.threads, MOST_PLACES)
        """How many recordings have further turns at the same time."""
        self._places = asyncio.Semaphore(self.places)
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, in the order of coming, and have it.

        Raises:
            QueueFullError: Too many wait already.
        """
        if self._waiting >= WAITING:
            raise QueueFullError(
                f"{self._waiting} long recordings are already waiting to be decoded. Try again later.",
                retry_after_s=5.0,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


def _in_loop(told: Callable[[TrackTaken], None] | None) -> Callable[[TrackTaken], None] | None:
    """Return what has *told* called in this event loop, from any thread."""
    if told is None:
        return None
    loop = asyncio.get_running_loop()

    def tell(track: TrackTaken) -> None:
        loop.call_soon_threadsafe(told, track)

    return tell


class Passages:
    """The passages of one recording, on their way to an engine; belong to one request, which closes them.

    Jobs in the pool read while it is awaited, and while the engine is busy with what was taken last: until
    the next passages are there, and no further.
    """

    def __init__(
        self,
        recording: BinaryIO,
        *,
        sample_rate: int,
        longest_s: float | None,
        max_audio_s: float,
        places: DecodingPlaces,
        audio_track: str | None = None,
        on_track: Callable[[TrackTaken], None] | None = None,
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            recording: seekable file; left open.
            sample_rate: that the engine wants, in hertz.
            longest_s: length of a passage, in seconds, that the engine takes; None if any will do.
            max_audio_s: longest recording, in seconds.
            places: where it is read.
            audio_track: which track, as `decode_blocks` takes it.
            on_track: told which track is read, where there are several; in the event loop.
        """
        self._decoding = places
        self._jobs = 0
        self._in_line = False
        """Whether it waits for a place, so that no thread has it."""
        self._left = threading.Event()
        self._damage = AudioDamage()
        blocks = decode_blocks(
            recording,
            sample_rate=sample_rate,
            max_duration_s=max_audio_s,
            cancelled=self._left.is_set,
            audio_track=audio_track,
            on_track=_in_loop(on_track),
            damage=self._damage,
        )
        longest_s = min(longest_s or LONGEST_S, LONGEST_S)
        self._reader = PassageReader(
            raised(blocks, sample_rate),
            sample_rate=sample_rate,
            longest_s=longest_s,
            cancelled=self._left.is_set,
            damage=self._damage,
        )
        self._quick: Callable[[], NDArray[np.int16] | None] = lambda: None
        if is_first(audio_track):
            self._quick = partial(quick_wav, recording, sample_rate, min(longest_s, max_audio_s))
        self._sample_rate = sample_rate
        self._begun = False
        self._whole: Pcm16Audio | None = None
        """The recording, if it was read at once."""
        self._waiting: deque[Passage] = deque()
        self._ahead: asyncio.Task[list[Passage]] | None = None

    @property
    def duration_s(self) -> float:
        """Length of what was read so far, in seconds; at the end, of the recording."""
        return self._whole.duration_s if self._whole else self._reader.duration_s

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with what was read so far, in words for the client; at the end, with all of it."""
        return self._damage.warnings

    async def may_be_speech(self, passage: Passage) -> bool:
        """Tell whether anybody may speak in a passage; True at once where a voice detector chose it."""
        if self._whole is None and not self._reader.uncut:
            return True
        return await self._decoding.pool.run(may_be_speech, passage.audio)

    async def take(self, most: int, *, ahead: int) -> list[Passage]:
        """Return the next passages, at least one and up to *most*; none at the end.

        Args:
            most: How many to return.
            ahead: How many to read while the engine is busy with them.

        Raises:
            AudioError: The recording is at fault, as `decode_blocks` says, here or further on.
        """
        if not self._begun:
            self._begun = True
            self._read_at_once()
        if not self._waiting:
            if self._ahead is None and self._ended:
                return []
            # The first comes alone: the engine need not wait for more.
            coming = self._ahead or self._start(1)
            # A thread cannot be cancelled: if this is, aclose() has the thread stop, and waits for it.
            self._waiting.extend(await asyncio.shield(coming))
            self._ahead = None
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not self._waiting and not self._ended:
            self._start(ahead)
        return taken

    async def aclose(self) -> None:
        """Stop reading; return when no thread touches the recording any more."""
        self._left.set()
        if self._ahead is not None and self._in_line:
            self._ahead.cancel()
        if self._ahead is not None and not self._ahead.done():
            self._ahead.add_done_callback(self._finished)  # whatever becomes of this coroutine
            await asyncio.wait([self._ahead])
        else:
            self._finished(self._ahead)

    @property
    def _ended(self) -> bool:
        return self._whole is not None or self._reader.ended

    def _read_at_once(self) -> None:
        """Read a recording for which a thread takes longer; whatever is wrong is left to the thread."""
        pcm16 = self._quick()
        if pcm16 is None or may_be_quiet(pcm16, self._sample_rate):
            return
        if len(pcm16) >= MIN_DURATION_S * self._sample_rate:
            self._whole = Pcm16Audio(pcm16=pcm16, sample_rate=self._sample_rate)
            self._waiting.append(Passage(audio=self._whole, start_s=0.0))

    def _start(self, most: int) -> asyncio.Task[list[Passage]]:
        self._ahead = asyncio.create_task(self._read(most))
        return self._ahead

    async def _read(self, most: int) -> list[Passage]:
        passages: list[Passage] = []
        if not self._jobs:
            passages = await self._read_turn(most, FIRST_TURN_S)
        if passages or self._reader.ended:
            return passages
        self._in_line = True
        async with self._decoding.place():
            self._in_line = False
            while not passages and not self._reader.ended:
                passages = await self._read_turn(most, TURN_S)
        return passages

    async def _read_turn(self, most: int, turn_s: float) -> list[Passage]:
        self._jobs += 1
        return await self._decoding.pool.run(self._reader.read, most, AHEAD_S, turn_s)

    def _finished(self, ahead: asyncio.Task[list[Passage]] | None) -> None:
        if ahead is not None and not ahead.cancelled():
            ahead.exception()  # retrieved, or asyncio would log it: no caller awaits it any more
        self._reader.close()
        self._waiting.clear()
