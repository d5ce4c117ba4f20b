"""The base of all errors."""

from speechhub.errors.places import without_places


class SpeechhubError(Exception):
    """Base of all errors raised on purpose."""

    code: str | None = None
    """Stable identifier for programs; None where OpenAI's API has none either."""
    cause: str = ""
    """For the log: class of the exception behind it and where it was raised, if a worker reported them.
    Never the exception's message."""
    worker_traceback: str = ""
    """For the log at ``debug``: the worker's traceback, with the exceptions' messages; else empty."""

    @property
    def message(self) -> str:
        """What went wrong and what to do about it, for operators and the log; it may name paths."""
        return str(self)

    @property
    def public(self) -> str:
        """The same for clients that do not operate the server: without paths or addresses of its machine."""
        return without_places(self.message)
