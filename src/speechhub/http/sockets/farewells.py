"""Reasons why the server ends a session: the close code of each, and what to tell the client."""

from enum import Enum
from typing import Final

SERVER_ERROR: Final = "server_error"
REQUEST_ERROR: Final = "invalid_request_error"


class FarewellReason(Enum):
    """Why the server ends a session. Source of the close codes: RFC 6455, section 7.4, and IANA's registry.

    OpenAI's clients connect again by themselves after 1001, 1011, 1012 and 1013.
    """

    SESSION_IDLE = (
        1001,
        "session_idle",
        REQUEST_ERROR,
        "Neither side has sent anything for too long (setting realtime_idle_timeout_s). Connect again.",
    )
    SESSION_EXPIRED = (
        1001,
        "session_expired",
        REQUEST_ERROR,
        "The session has reached its longest duration (setting realtime_max_s). Connect again to go on.",
    )
    SERVER_STOPPING = (
        1012,
        "server_shutting_down",
        SERVER_ERROR,
        "The server is shutting down. Connect again in a few seconds.",
    )
    SLOW_CONSUMER = (
        1008,
        "slow_consumer",
        REQUEST_ERROR,
        "The client does not read what the server sends. Read messages while you send.",
    )
    """The client learns it from the close frame, if it ever reads on: no further message would reach it."""
    SERVER_ERROR = (
        1011,
        "server_error",
        SERVER_ERROR,
        "The server had an error while processing your session. Its log has the details.",
    )
    RATE_LIMITED = (
        1013,
        "rate_limit_exceeded",
        REQUEST_ERROR,
        "Too many sessions are open, yours (concurrency_limit) or in all (realtime_sessions). Close one.",
    )
    KEY_MISSING = (
        3000,
        "invalid_api_key",
        REQUEST_ERROR,
        "No API key arrived in time. Send it with the request that opens the WebSocket.",
    )
    """The session was opened without a right key, and showed none within its first seconds."""

    def __init__(self, close_code: int, code: str, type_: str, message: str) -> None:
        self.close_code = close_code
        """Code of the close frame."""
        self.code = code
        """Stable identifier for programs: the error's `code`, and the reason in the close frame."""
        self.type = type_
        """OpenAI's `type` of the error."""
        self.message = message
        """What happened and what to do, for the client."""
