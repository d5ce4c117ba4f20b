"""The client's own timeout: how long it will wait, as a header says."""

import math
from typing import Final

from speechhub.errors import InvalidValueError
from speechhub.http.context import HttpRequest

HEADER: Final = "X-Request-Timeout"


def patience_s(request: HttpRequest) -> float | None:
    """Return what the header says, in seconds; None without it.

    Raises:
        InvalidValueError: It holds something else.
    """
    text = request.headers.get(HEADER)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidValueError(f"{HEADER} must be a number of seconds above 0.", param=HEADER)
    return seconds
