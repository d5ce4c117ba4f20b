"""Statuses of errors: the table from class to HTTP's number, also in log and metrics of other protocols."""

from collections.abc import Mapping
from typing import Final

from speechhub import errors

STATUS: Final[Mapping[type[errors.SpeechhubError], int]] = {
    errors.SpeechhubError: 500,
    errors.ConfigurationError: 500,
    errors.RequestError: 400,
    errors.ReplicaNotFoundError: 404,
    errors.ModelNotFoundError: 404,
    errors.ModelNotDeletableError: 403,
    errors.VoiceNotFoundError: 404,
    errors.VoiceExistsError: 409,
    errors.ConsentNotFoundError: 404,
    errors.ConsentInUseError: 409,
    errors.UploadTooLargeError: 413,
    errors.UploadStalledError: 408,
    errors.HostNotAllowedError: 403,
    errors.OriginNotAllowedError: 403,
    errors.AuthenticationError: 401,
    errors.OperatorKeyRequiredError: 403,
    errors.UnavailableError: 503,
    errors.RateLimitedError: 429,
    errors.ModelFilesError: 503,
    errors.VoiceDamagedError: 503,
    errors.LicenceNotAcceptedError: 403,
    errors.EngineError: 500,
    errors.RequestCancelledError: 499,
}
"""Error class → HTTP status; a class that is not here has the status of its nearest ancestor."""

BUG: Final = 500
"""Status of what nothing raises on purpose."""
BUG_MESSAGE: Final = "The server had an error while processing your request. Its log has the details."


def status_of(error: errors.SpeechhubError, table: Mapping[type[errors.SpeechhubError], int] = STATUS) -> int:
    """Return the HTTP status of *error*, as *table* has it."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
