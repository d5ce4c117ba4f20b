"""The audio track that a request's recording was heard from, for its line in the log."""

from collections.abc import Callable
from typing import Any

from litestar import Request

from speechhub.codecs.tracks import TrackTaken


def track_noted(request: Request[Any, Any, Any]) -> Callable[[TrackTaken], None]:
    """Return what writes a track into the line of *request* in the log."""
    notes: dict[str, object] = request.scope["state"]["log"]

    def note(track: TrackTaken) -> None:
        notes["audio_track"] = str(track)

    return note
