"""Shared calls: one call of an engine serves several requests, each of which gets an answer of its own."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

import structlog

from speechhub.engine import TranscribeRequest, Transcript
from speechhub.errors import (
    EngineCrashedError,
    EngineDeviceError,
    RequestCancelledError,
    ShuttingDownError,
    SpeechhubError,
)
from speechhub.worker.host import Worker

log = structlog.get_logger()

_ENDS: Final = (EngineCrashedError, EngineDeviceError, RequestCancelledError, ShuttingDownError)
"""Errors that end a call for all its parts: the worker is gone, or cannot compute at all."""

CallOfWorker = Callable[[int], AbstractContextManager[Worker]]
"""Gives the worker for one call with so many recordings, and tells the scheduler what a failure means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAnswer:
    """The part of a call's result that belongs to one request."""

    transcripts: list[Transcript]
    """One for each of its recordings, in order."""
    took_s: float
    """Its share of the time that the engine worked, by the length of its recordings."""


@dataclass(slots=True, kw_only=True)
class CallPart:
    """What one ticket brings into a call."""

    recordings: Sequence[TranscribeRequest]
    on_progress: Callable[[float], None] | None = None
    answer: "asyncio.Future[PartAnswer]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Cancelled when its request has left."""
    begun: bool = False
    """Whether an engine was granted."""

    @property
    def audio_s(self) -> float:
        """Length of its recordings together, in seconds."""
        return sum(request.audio.duration_s for request in self.recordings)


async def transcribe_together(use: CallOfWorker, parts: Sequence[CallPart]) -> bool:
    """Answer all *parts* that are still wanted, with one call if that goes well.

    If it does not, each is tried alone: a part that the engine cannot take, or that makes it run out of
    memory, does not fail the others. A part whose request has left is dropped; when none is left, the engine
    is asked to give up.

    Args:
        use: Gives the worker for each call.
        parts: What is to be transcribed.

    Returns:
        Whether the engine did it all, so that the time that it took says how long such work takes.

    Raises:
        EngineCrashedError, RequestCancelledError: The worker died, or was told to stop; parts without an
            answer get none.
        EngineDeviceError: The worker cannot compute on its device; likewise.
        ShuttingDownError: The server stops; likewise.
    """
    call = asyncio.ensure_future(_answer(use, parts))

    def left(_: object) -> None:
        if not _wanted(parts):
            call.cancel()

    for part in parts:
        part.answer.add_done_callback(left)
    await asyncio.wait([call])
    return not call.cancelled() and call.result()


async def _answer(use: CallOfWorker, parts: Sequence[CallPart]) -> bool:
    together = _wanted(parts)
    if len(together) > 1:
        try:
            await _call(use, together)
        except _ENDS:
            raise
        except SpeechhubError as error:
            log.warning(
                "shared call failed; retrying its requests one by one",
                error=error.code,
                requests=len(together),
            )
        else:
            return True
    finished = len(together) == 1
    for part in _wanted(parts):
        try:
            await _call(use, [part])
        except _ENDS:
            raise
        except SpeechhubError as error:
            finished = False
            if not part.answer.done():
                part.answer.set_exception(error)
    return finished


async def _call(use: CallOfWorker, parts: Sequence[CallPart]) -> None:
    """Transcribe for *parts* in one call, and answer them."""

    def report(fraction: float) -> None:
        for part in _wanted(parts):
            if part.on_progress is not None:
                part.on_progress(fraction)

    began = _now()
    everything = [request for part in parts for request in part.recordings]
    with use(len(everything)) as worker:
        transcripts = await worker.transcribe(everything, on_progress=report)
    took_s, all_s = _now() - began, sum(part.audio_s for part in parts)
    for part in parts:
        mine, transcripts = transcripts[: len(part.recordings)], transcripts[len(part.recordings) :]
        if not part.answer.done():
            share = part.audio_s / all_s if all_s else 1 / len(parts)
            part.answer.set_result(PartAnswer(transcripts=mine, took_s=took_s * share))


def _wanted(parts: Sequence[CallPart]) -> list[CallPart]:
    return [part for part in parts if not part.answer.done()]


def _now() -> float:
    return asyncio.get_running_loop().time()
