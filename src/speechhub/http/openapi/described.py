"""The description of an operation: what its handler's signature cannot say, for the OpenAPI document.

It stands at the handler, in its ``opt``. What takes time to make is a function, which is called when the
document is asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Json = dict[str, Any]

OPENAI: Final = "OpenAI's API"
OWN: Final = "speechhub's own"
ELEVENLABS: Final = "ElevenLabs' API"

DESCRIBED: Final = "described"
"""Key of a handler's `opt`: its `Described`."""

FORM_ERRORS: Final = ("400", "401", "404", "408", "413", "415", "429", "500", "503")
"""What can be answered to a recording in a form that keeps an engine busy."""

RECORDING_WARNINGS: Final = "x-recording-warnings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the document says of one operation, beside what Litestar finds."""

    errors: tuple[str, ...] = ()
    """Statuses of the errors that it can answer, each a key of the document's `ERRORS`."""
    errors_of: Literal["", "ElevenLabs"] = ""
    """What the names of those responses begin with."""
    succeeds: bool = True
    """Whether the operation ever answers 200."""
    query: type | None = None
    """The struct of what stands behind the ``?``, where the handler's signature does not say."""
    form: Callable[[], Json] | None = None
    """Makes the request's body, where that is a form."""
    requests: Json = field(default_factory=dict)
    """Examples of JSON requests, by name."""
    content: Callable[[], Json] | None = None
    """Makes what is answered, by media type, where that is not JSON of one struct alone."""
    answers: Json = field(default_factory=dict)
    """Examples of JSON answers, by name."""
    headers: Mapping[str, Json] = field(default_factory=dict)
    """Further headers of the answer."""


def header(description: str, *, required: bool = False) -> Json:
    """Return the description of a header that holds text."""
    return {"schema": {"type": "string"}, "description": description} | (
        {"required": True} if required else {}
    )
