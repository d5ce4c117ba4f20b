"""Live sessions: what an engine has heard of utterances that are still being spoken."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Hypothesis
from speechhub.engine.call import Call
from speechhub.engine.options import ListenRequest
from speechhub.errors import LiveSessionLostError

LONGEST_IDLE_S: Final = 300.0
"""How long a session may be idle before the engine forgets it."""


class LiveSession(ABC):
    """One utterance, heard while it is spoken. `SttEngine.begin` makes it; it belongs to one engine.

    Calls for other sessions, and for whole recordings, come between those of a session: whatever it needs
    from one call to the next must be its own. If a method raises, the session is closed and forgotten.
    """

    @abstractmethod
    def feed(self, audio: Audio, call: Call) -> Hypothesis:
        """Hear what was said since the last call; return all of the utterance's text so far.

        Later calls may revise text behind `Hypothesis.stable_chars`. Return soon: a call that works for long
        on a short piece holds up everybody else.

        Args:
            audio: At the engine's declared sample rate, of any length above 0.
            call: Use ``call.raise_if_cancelled()`` between steps.

        Raises:
            RequestCancelledError: Raised by *call*; let it pass.
            EngineOutOfMemoryError: There is not enough memory.
        """

    @abstractmethod
    def finish(self, call: Call) -> Hypothesis:
        """Return the final text, after the last `feed`, or without any; called at most once.

        Raises:
            RequestCancelledError: Raised by *call*; let it pass.
        """

    def close(self) -> None:  # noqa: B027  # most sessions have nothing to close
        """Release what the session holds; the last call, made once, whether or not it was finished."""


@dataclass(slots=True, kw_only=True)
class _Open:
    session: LiveSession
    heard: Hypothesis
    """Answer to its last request."""
    used: float
    """When that was, by `Call.began`."""


class LiveSessions:
    """The sessions of one engine, from their first request to the last; used from one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, _Open] = {}
        """In the order of their last requests."""

    def __len__(self) -> int:
        return len(self._open)

    def listen(
        self, request: ListenRequest, call: Call, begin: Callable[[ListenRequest], LiveSession]
    ) -> Hypothesis:
        """Do what one request asks of its session.

        Args:
            request: The request.
            call: Passed on to the session.
            begin: Makes a session, for a request that is the first of one.

        Raises:
            LiveSessionLostError: The request goes on with a session that is not here, or no longer.
        """
        now = call.began
        self._forget_idle(now)
        open_ = self._open.pop(request.session, None)  # so that it is forgotten if anything fails
        if request.abandon:
            _close(open_)
            return Hypothesis(text="")
        if request.first:
            _close(open_)
            while len(self._open) >= self._most:
                self._forget(next(iter(self._open)))
            open_ = _Open(session=begin(request), heard=Hypothesis(text=""), used=now)
        if open_ is None:
            raise LiveSessionLostError
        kept = False
        try:
            if len(request.audio.samples):
                open_.heard = open_.session.feed(request.audio, call)
            if request.last:
                return open_.session.finish(call)
            open_.used = now
            self._open[request.session], kept = open_, True
            return open_.heard
        finally:
            if not kept:
                _close(open_)

    def close(self) -> None:
        """Close all sessions."""
        while self._open:
            self._forget(next(iter(self._open)))

    def _forget_idle(self, now: float) -> None:
        for name in [name for name, it in self._open.items() if now - it.used > LONGEST_IDLE_S]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        _close(self._open.pop(name))


def _close(open_: _Open | None) -> None:
    if open_ is not None:
        open_.session.close()
