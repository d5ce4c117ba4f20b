"""Exchange: one utterance or speech as operators see it, with id, caller's limits, and line in the log."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from wyoming.error import Error

from speechhub.errors import RequestCancelledError, ShuttingDownError, SpeechhubError
from speechhub.errors.excerpt import MAX_MESSAGE_CHARS, excerpt
from speechhub.hub import Hub
from speechhub.services.statuses import BUG, BUG_MESSAGE, status_of
from speechhub.services.system_refusals import system_refusal

log = structlog.get_logger()

Notes = dict[str, object]
"""Further entries of the line in the log."""

METHOD: Final = "WYOMING"
"""Stands in the log and the metrics where HTTP's method does."""
STT_ROUTE: Final = "wyoming/stt"
TTS_ROUTE: Final = "wyoming/tts"
DONE: Final = 200
LEFT: Final = 499
"""Status of work that its client gave up: it left, or began something new."""


class Exchange:
    """One utterance or speech, from its first event until it is answered or given up."""

    def __init__(self, hub: Hub, *, route: str, caller: str) -> None:
        """Note what is about to begin.

        Args:
            hub: Has the limits and counts.
            route: STT_ROUTE or TTS_ROUTE.
            caller: What `caller_at` returns for the client's address.
        """
        self._hub = hub
        self._route = route
        self._caller = caller
        self.cut_off_by: SpeechhubError | None = None
        """Why the server cancels it; None if the client gave it up."""
        self.answered = False
        """Whether the client has the whole answer; many then leave without reading on."""

    async def run(self, work: Callable[[Notes], Awaitable[None]]) -> Exception | None:
        """Do the work, and return what went wrong, if anything did; the log then has it.

        Args:
            work: Called once, if the caller's limits allow it.
        """
        began, status, notes = time.perf_counter(), LEFT, Notes()
        with structlog.contextvars.bound_contextvars(request_id=f"req_{os.urandom(16).hex()}"):
            try:
                await self._admitted(work, notes)
                status = DONE
            except asyncio.CancelledError:
                if self.answered:
                    status = DONE
                elif self.cut_off_by is not None:
                    status = _noted(self.cut_off_by, notes)
                raise
            except SpeechhubError as error:
                gone = isinstance(error, RequestCancelledError)
                status = DONE if gone and self.answered else _noted(error, notes)
                return error
            except Exception as error:  # noqa: BLE001 - the client is told, and the log has it
                refusal = system_refusal(error, path=self._route) if isinstance(error, OSError) else None
                if refusal is not None:
                    status = _noted(refusal, notes)
                    return refusal
                notes["error"] = type(error).__name__
                status = BUG
                log_bug(error, self._route)
                return error
            finally:
                self._report(status, time.perf_counter() - began, notes)
        return None

    async def _admitted(self, work: Callable[[Notes], Awaitable[None]], notes: Notes) -> None:
        if self._hub.stopping:
            raise ShuttingDownError
        self._hub.callers.take(self._caller)
        with self._hub.callers.running(self._caller):
            await work(notes)

    def _report(self, status: int, took_s: float, notes: Notes) -> None:
        self._hub.metrics.request(method=METHOD, route=self._route, status=status, took_s=took_s)
        log.info(
            "request",
            method=METHOD,
            path=self._route,
            status=status,
            ms=round(took_s * 1000, 1),
            **{name: excerpt(it) if isinstance(it, str) else it for name, it in notes.items()},
        )


def error_event(error: Exception) -> Error:
    """Return what the client is told about an error; a bug is described only in the log."""
    if isinstance(error, SpeechhubError):
        return Error(text=excerpt(error.public, MAX_MESSAGE_CHARS), code=error.code)
    return Error(text=BUG_MESSAGE, code="server_error")


def log_bug(error: Exception, path: str) -> None:
    """Log an exception that nothing raises on purpose."""
    log.error("unexpected error", path=path, exc_info=error)


def _noted(error: SpeechhubError, notes: Notes) -> int:
    """Note an error for the log; return its status."""
    notes["error"] = type(error).__name__
    if error.public != error.message:
        notes["reason"] = error.message
    return status_of(error)
