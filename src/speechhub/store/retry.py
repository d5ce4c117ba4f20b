"""Retries of requests to another machine, as long as the fault may pass."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from speechhub.errors import ConfigurationError, ModelFilesError
from speechhub.settings.proxies import check_proxies, hint

Result = TypeVar("Result")
OnWait = Callable[[str], None]
"""Called before each pause with a sentence that says what failed and when it is tried again."""

RETRY_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_IDLE_ATTEMPTS: Final = 6
"""Attempts in a row that may fetch nothing new before a download gives up: about a minute."""
MAX_LISTING_ATTEMPTS: Final = 3
"""Attempts to reach a hub at all; few, so that a machine without a network does not wait long."""
MAX_BACKOFF_S: Final = 30.0


def silent(reason: str) -> None:
    """Ignore *reason*; an `OnWait`."""


class StalledError(Exception):
    """One attempt has ended early; another may continue from there."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None, passes: bool = True) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        """Seconds after which the server asks for the next attempt; None if it does not say."""
        self.passes = passes
        """Whether another attempt may succeed."""


def persist(
    what: str,
    attempt: Callable[[], Result],
    *,
    progress: Callable[[], int] = lambda: 0,
    max_attempts: int = MAX_IDLE_ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
    on_wait: OnWait = silent,
) -> Result:
    """Repeat *attempt* as long as the fault may pass; any progress resets the count of attempts.

    Args:
        what: What fails, for the error: ``the hub … failed to list …``.
        attempt: Does the work, or raises `StalledError` or an error of httpx or huggingface-hub.
        progress: Returns a number that grows as attempts make progress.
        max_attempts: How many attempts in a row may make no progress.
        sleep: Waits between attempts, in seconds.
        on_wait: Called with the reason before each pause.

    Raises:
        ModelFilesError: The fault will not pass, or too many attempts made no progress.
    """
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # noqa: PLC0415

    try:
        check_proxies()
    except ConfigurationError as error:  # a client for the hub could not even be made
        raise ModelFilesError(f"{what}: {error.message.rstrip('.')}") from error
    failures, before = 0, progress()
    while True:
        try:
            return attempt()
        except (StalledError, httpx.HTTPError, httpx.InvalidURL, ConnectionError, ValueError) as error:
            fault = _judge(error)
            if progress() > before:
                failures, before = 0, progress()
            failures += 1
            if not fault.passes or failures >= max_attempts:
                raise ModelFilesError(f"{what}: {fault}") from error
        backoff_s = fault.retry_after_s if fault.retry_after_s is not None else 2.0 ** (failures - 1)
        pause_s = min(backoff_s, MAX_BACKOFF_S)
        on_wait(f"{what}: {fault}; trying again in {pause_s:.0f} s")
        sleep(pause_s)


def _judge(error: Exception) -> StalledError:
    """Return what an attempt's failure means, and whether it may pass."""
    from huggingface_hub.errors import (  # noqa: PLC0415
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # noqa: PLC0415

    if isinstance(error, StalledError):
        return error
    if isinstance(error, httpx.UnsupportedProtocol):
        return StalledError(
            "its address, from SPEECHHUB_HF_ENDPOINT, SPEECHHUB_MODELSCOPE_ENDPOINT or HF_ENDPOINT, must "
            "begin with https:// or http://",
            passes=False,
        )
    final = {
        GatedRepoError: "it requires you to accept the terms on its page and to set HF_TOKEN",
        RevisionNotFoundError: "there is no such revision",
        RepositoryNotFoundError: "there is no such repository, or it is private",
        OfflineModeIsEnabled: "HF_HUB_OFFLINE is set",
    }
    for kind, reason in final.items():
        if isinstance(error, kind):
            return StalledError(reason, passes=False)
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return StalledError(
            f"it answers {status}",
            retry_after_s=_retry_after(error.response.headers),
            passes=status in RETRY_STATUSES,
        )
    passing = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, httpx.TransportError) and (through := hint(_asked(error))):
        reason = f"{reason.rstrip('.')}.{through}"
    return StalledError(reason.rstrip("."), passes=isinstance(error, passing))


def _asked(error: Any) -> str:
    """Return the URL of the request that failed; empty if the error does not say."""
    try:
        return str(error.request.url)
    except RuntimeError:
        return ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None
