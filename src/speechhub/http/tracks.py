"""The audio track that a request's recording was heard from, for its line in the log."""

from collections.abc import Callable

from speechhub.codecs.tracks import TrackTaken
from speechhub.http.context import HttpRequest, context_of


def track_noted(request: HttpRequest) -> Callable[[TrackTaken], None]:
    """Return what writes a track into the line of *request* in the log."""
    notes = context_of(request).log

    def note(track: TrackTaken) -> None:
        notes["audio_track"] = str(track)

    return note
