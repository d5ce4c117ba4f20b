"""Valid requests that cannot be served now; a later attempt may succeed."""

import errno
from typing import Final

from speechhub.errors.base import SpeechhubError
from speechhub.errors.failures import EngineCrashedError


class UnavailableError(SpeechhubError):
    """The request is valid, but cannot be served now."""

    code = "server_is_overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When to ask again, in seconds."""


class QueueFullError(UnavailableError):
    """Too many requests wait for this model."""


class NotIdleError(UnavailableError):
    """Work that was to be done only by an idle engine was not begun; no client sees this."""

    code = "engine_not_idle"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"Model {model!r} is not ready and idle, or a request waits for its device. Try again later."
        )


class RateLimitedError(UnavailableError):
    """This caller sends too many requests, or too many at the same time."""

    code = "rate_limit_exceeded"


class SwitchTimeoutError(UnavailableError):
    """The engine was not ready in time."""

    code = "engine_switch_timeout"


class RequestTimeoutError(UnavailableError):
    """The request was not done by its deadline."""

    code = "request_timeout"


class EnginePinnedError(UnavailableError):
    """An operator pinned another model to the device that this one needs."""

    code = "engine_pinned"

    def __init__(self, model: str, pinned: str, device: str) -> None:
        super().__init__(
            f"Model {model!r} cannot run now: the operator pinned {pinned!r} to {device}, and both do not "
            "fit. Try again later, or ask for the pinned model.",
            retry_after_s=60.0,
        )


class GpuMemoryError(UnavailableError):
    """A stopped engine's GPU memory was not released, or other programs hold it."""

    code = "gpu_memory_not_free"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after_s=10.0)


class EngineFailingError(UnavailableError):
    """The engine could not load its model, or lost its device at every call; it is not retried yet."""

    code = "engine_failing"
    _public = ""

    def __init__(self, model: str, cause: SpeechhubError | None, *, retry_after_s: float) -> None:
        what = "failed at every request" if isinstance(cause, EngineCrashedError) else "could not be loaded"
        said = f"Model {model!r} {what} a moment ago and is tried again later."
        super().__init__(said + (f" It said: {cause.message}" if cause else ""), retry_after_s=retry_after_s)
        self._public = said + (f" It said: {cause.public}" if cause else "")

    @property
    def public(self) -> str:
        """The message, with the cause's text for clients."""
        return self._public or super().public


DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""System errors when a disk, or a user's quota, is full."""
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""System errors when no file descriptors or memory are left, whatever file was to be opened."""


class DiskFullError(UnavailableError):
    """The server's disk has no space for an upload or a custom voice."""

    code = "disk_full"

    def __init__(self) -> None:
        super().__init__(
            "The server's disk is full; its log tells the operator which disk. Try again later.",
            retry_after_s=60.0,
        )


class StorageError(UnavailableError):
    """Nothing can be stored or changed in the server's folder of custom voices."""

    code = "storage_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after_s=60.0)

    @property
    def public(self) -> str:
        """`message` without details for the operator."""
        return "The server cannot store or change custom voices now; its log tells the operator why."


class ServerFullError(UnavailableError):
    """All requests together hold as many bytes as the server allows."""

    def __init__(self) -> None:
        super().__init__(
            "The uploads and answers of other requests use all the space that the server allows. "
            "Try again later.",
            retry_after_s=5.0,
        )


class ExhaustedError(UnavailableError):
    """The server has no file descriptors or memory left to open a file or a connection."""

    def __init__(self) -> None:
        super().__init__(
            "The server has no file descriptors or memory left for this request. Try again later.",
            retry_after_s=5.0,
        )


class ServerBusyError(UnavailableError):
    """More requests wait to begin than begin within a second, and some of them are this caller's."""

    def __init__(self) -> None:
        super().__init__("Too many requests are waiting to start, including yours. Try again later.")


class ShuttingDownError(UnavailableError):
    """The server is stopping."""

    code = "server_shutting_down"

    def __init__(self) -> None:
        super().__init__("The server is shutting down.", retry_after_s=5.0)
