"""Faults of clients that only the Realtime API has, with OpenAI's codes."""

from speechhub.errors import RequestError
from speechhub.errors.excerpt import quoted


class BufferFullError(RequestError):
    """There is too much audio that is not committed."""

    code = "input_audio_buffer_full"

    def __init__(self) -> None:
        super().__init__(
            "The input audio buffer is full: this append was dropped. Send input_audio_buffer.commit, or "
            "input_audio_buffer.clear, before more audio."
        )


class InvalidParameterError(RequestError):
    """What the event asks for does not fit the session."""

    code = "invalid_parameter"


class ItemNotFoundError(RequestError):
    """The conversation has no such item."""

    code = "item_not_found"

    def __init__(self, item_id: str, *, param: str = "item_id") -> None:
        super().__init__(
            f"The item {quoted(item_id)} does not exist. The server keeps the last 100 items.", param=param
        )


class ResponseActiveError(RequestError):
    """A response is being spoken, and there is one at a time."""

    code = "conversation_already_has_active_response"

    def __init__(self, response_id: str) -> None:
        super().__init__(
            f"Conversation already has an active response in progress: {response_id}. Wait until the "
            "response is finished before creating a new one."
        )


class ResponseNotActiveError(RequestError):
    """There is no response that could be cancelled."""

    code = "response_cancel_not_active"

    def __init__(self) -> None:
        super().__init__("Cancellation failed: no active response found")
