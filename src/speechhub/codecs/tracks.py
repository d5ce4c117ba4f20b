"""Chooses the audio track of a recording that has several: a film in two languages, a voice memo."""

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Final

from av.audio import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition

from speechhub.codecs.containers import SUPPORTED
from speechhub.domain.language import language_name, parse_language
from speechhub.errors import AudioTrackError, InvalidLanguageError, UnsupportedAudioError
from speechhub.errors.excerpt import quoted

MOST_TRIED: Final = 4
"""How many tracks may turn out to be empty before the recording counts as damaged: trying one reads the whole
file."""
MOST_LISTED: Final = 20
"""How many tracks a message lists."""
MAX_TITLE_CHARS: Final = 40
"""How much of a track's title a message shows."""
MAX_LANGUAGES_CHARS: Final = 64
"""How much of a track's language tag is read."""
MAX_TAG_CHARS: Final = 16
"""How much of an unknown language tag a message shows."""

ASIDE: Final = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.descriptions
    | Disposition.hearing_impaired
    | Disposition.karaoke
    | Disposition.clean_effects
    | Disposition.non_diegetic
    | Disposition.dependent
)
"""Marks of a track that accompanies the main one: a commentary, a description, music without voices."""

_SEPARATORS: Final = re.compile(r"[,;/\s]+")
"""Separators between the languages of a track that has two, as MPEG-TS writes them: ``eng,fra``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """An audio track, as its container describes it."""

    number: int
    """Counted from 1 among the audio tracks."""
    tags: tuple[str, ...]
    """Language tags of the file, in lower case; empty if it has none."""
    codec: str | None
    """FFmpeg's name; None if FFmpeg has no decoder."""
    title: str
    """The file's title for the track; empty if it has none."""
    decodable: bool
    aside: bool
    """Whether it accompanies the main track, such as a commentary."""
    default: bool
    """Whether the container marks it as the one to play by default."""

    def __str__(self) -> str:
        languages = (_described(tag) for tag in self.tags)
        details = [" and ".join(languages) or "language not given", self.codec or "codec unknown"]
        if self.title:
            details.append(quoted(self.title, MAX_TITLE_CHARS))
        return f"{self.number} ({', '.join(details)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackTaken:
    """The audio track of a recording that is decoded."""

    number: int
    """Counted from 1."""
    count: int
    """How many audio tracks there are."""

    def __str__(self) -> str:
        return f"{self.number} of {self.count}"


def is_first(wanted: str | None) -> bool:
    """Return whether the only track of a recording without language tags matches *wanted*."""
    return _normal(wanted) in ("", "1")


class TrackChoice:
    """Chooses the tracks to try, one after another, until one has sound; lives for one decoding.

    Args:
        wanted: a number, counted from 1, or a language; None, empty or ``auto`` leaves the choice to the
            recording: the first default track that can be decoded, then any that can.
        decoders: names of FFmpeg's decoders that may run.
        on_taken: told about the track each time one of several is taken.
    """

    def __init__(
        self,
        wanted: str | None,
        decoders: Container[str],
        on_taken: Callable[[TrackTaken], None] | None = None,
    ) -> None:
        self._wanted = _normal(wanted)
        self._decoders = decoders
        self._on_taken = on_taken
        self._tracks: list[Track] = []
        self._left: list[Track] | None = None
        self._tried: list[Track] = []

    @property
    def is_first(self) -> bool:
        """Whether the only track of a recording without language tags matches what is wanted."""
        return is_first(self._wanted)

    @property
    def has_more(self) -> bool:
        """Whether another track is left to try."""
        return bool(self._left)

    def take(self, container: InputContainer) -> AudioStream:
        """Return the next track to try, and have the demuxer skip all others, cover art and video too.

        Args:
            container: the recording, opened anew for each track.

        Raises:
            UnsupportedAudioError: no track can be decoded, or there is none.
            AudioTrackError: no track that can be decoded matches what is wanted.
        """
        streams = container.streams.audio
        if self._left is None:
            self._tracks = _tracks_of(container, self._decoders)
            self._left = _candidates(self._tracks, self._wanted)[:MOST_TRIED]
        for stream in container.streams:
            stream.discard = Discard.all
        track = self._left.pop(0)
        self._tried.append(track)
        if self._on_taken is not None and len(self._tracks) > 1:
            self._on_taken(TrackTaken(number=track.number, count=len(self._tracks)))
        stream = streams[track.number - 1]
        stream.discard = Discard.default
        return stream

    def check_sound(self) -> None:
        """Raise if no track that was tried has sound and another one might have.

        Raises:
            AudioTrackError: the client chose one of several tracks, so another may work. Otherwise the
                recording itself is at fault, which the caller reports.
        """
        if self._wanted and self._tried and len(self._tracks) > 1:
            number = self._tried[0].number
            raise _refusal(f"Audio track {number} has no sound that can be decoded.", self._tracks)


def _tracks_of(container: InputContainer, decoders: Container[str]) -> list[Track]:
    streams = container.streams.audio
    tracks = []
    for number, stream in enumerate(streams, 1):
        context = stream.codec_context
        # There is no context where FFmpeg has no decoder; PyAV's types do not say so.
        codec: str | None = context.name if context is not None else None  # type: ignore[redundant-expr]
        tags = {key.lower(): text for key, text in stream.metadata.items()}
        if len(streams) == 1:  # WAV, FLAC and MP3 have tags for the whole file
            tags = {key.lower(): text for key, text in container.metadata.items()} | tags
        spoken = (_normal(tag) for tag in _SEPARATORS.split(tags.get("language", "")[:MAX_LANGUAGES_CHARS]))
        tracks.append(
            Track(
                number=number,
                tags=tuple(filter(None, spoken)),
                codec=codec,
                title=(tags.get("title") or tags.get("name") or "").strip(),
                decodable=codec is not None and codec in decoders,
                aside=bool(stream.disposition & ASIDE),
                default=bool(stream.disposition & Disposition.default),
            )
        )
    return tracks


def _candidates(tracks: Sequence[Track], wanted: str) -> list[Track]:
    """Return the tracks that match *wanted* and can be decoded, the best first."""
    if not tracks:
        raise UnsupportedAudioError("The file has no audio stream.")
    if not any(track.decodable for track in tracks):
        raise UnsupportedAudioError(_undecodable(tracks))
    found = [track for track in tracks if _fits(track, wanted)]
    if not found:
        raise _refusal(f"The file has no audio track {quoted(wanted)}.", tracks)
    usable = [track for track in found if track.decodable]
    if not usable:
        raise _refusal(
            f"Audio track {found[0].number} has {_named(found[0].codec)}, which is not supported.", tracks
        )
    return sorted(usable, key=lambda track: (wanted not in track.tags, track.aside, not track.default))


def _fits(track: Track, wanted: str) -> bool:
    if not wanted:
        return True
    if wanted.isdecimal():
        return int(wanted) == track.number
    return any(_code(tag) == _code(wanted) for tag in track.tags)


def _refusal(message: str, tracks: Sequence[Track]) -> AudioTrackError:
    listed = "; ".join(map(str, tracks[:MOST_LISTED]))
    more = f"; and {len(tracks) - MOST_LISTED} more" if len(tracks) > MOST_LISTED else ""
    return AudioTrackError(message, listed + more)


def _undecodable(tracks: Sequence[Track]) -> str:
    codecs = list(dict.fromkeys(_named(track.codec) for track in tracks))
    where = "The audio of this file has" if len(tracks) == 1 else "The audio tracks of this file have"
    return f"{where} {', '.join(codecs)}, which is not supported. Send one of: {SUPPORTED}."


def _named(codec: str | None) -> str:
    return f"the codec {codec}" if codec else "a codec that has no decoder"


def _normal(text: str | None) -> str:
    """Return a number or language tag in the form that is compared; empty if it names no track."""
    tag = (text or "").strip().lower().replace("_", "-")
    return "" if tag in ("auto", "und") else tag


def _code(tag: str) -> str:
    """Return the code of a language; for an unknown one, the first part of its tag."""
    try:
        return parse_language(tag) or ""
    except InvalidLanguageError:
        return tag.partition("-")[0]


def _described(tag: str) -> str:
    name = language_name(_code(tag))
    known = name.isalpha() and name != _code(tag)
    if not known:
        return quoted(tag, MAX_TAG_CHARS)
    return name.title() if "-" not in tag else f"{name.title()} {quoted(tag, MAX_TAG_CHARS)}"
