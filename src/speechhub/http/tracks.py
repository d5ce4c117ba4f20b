"""The audio track that was transcribed, for the request's line in the log."""

from collections.abc import Callable

from speechhub.codecs.tracks import TrackTaken
from speechhub.http.context import HttpRequest, context_of


def track_noted(request: HttpRequest) -> Callable[[TrackTaken], None]:
    """Return a function that notes a track for the line of *request* in the log."""
    notes = context_of(request).log

    def note(track: TrackTaken) -> None:
        notes["audio_track"] = str(track)

    return note
