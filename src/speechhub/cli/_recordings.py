"""Recordings that a command line names: files, folders and patterns, and where each transcript goes."""

import glob
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import click

ENDINGS: Final = frozenset(
    f".{name}"
    for name in (
        "3gp", "aac", "aif", "aiff", "amr", "avi", "caf", "flac", "flv", "m4a", "m4b", "mka", "mkv", "mov",
        "mp2", "mp3", "mp4", "mpeg", "mpg", "mpga", "oga", "ogg", "opus", "ts", "wav", "weba", "webm",
        "wma", "wmv",
    )
)  # fmt: skip
"""Endings of the files that are picked from a folder; a file that is named may have any ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribedFile:
    """One recording, and the file for its transcript."""

    path: Path | None
    """None means standard input."""
    output: Path | None = None
    """None means standard output."""

    @property
    def name(self) -> str:
        """Name of the recording in messages."""
        return str(self.path) if self.path else "standard input"

    def opened(self) -> BinaryIO:
        """Open it; a pipe is read into memory, because decoders seek and uploads need a length.

        Raises:
            OSError: It cannot be read.
        """
        if self.path:
            return self.path.open("rb")
        stdin = sys.stdin.buffer
        return stdin if stdin.seekable() else io.BytesIO(stdin.read())


def find_recordings(words: Iterable[str]) -> list[TranscribedFile]:
    """Return the recordings that *words* name, each once: files, folders, patterns, or - for standard input.

    Raises:
        click.UsageError: A word names no recording.
    """
    paths: dict[Path | None, None] = {}
    for word in words:
        paths |= dict.fromkeys(_named(word))
    return [TranscribedFile(path=path) for path in paths]


def _named(word: str) -> Sequence[Path | None]:
    if word == "-":
        return [None]
    path = Path(word)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
        if not found:
            raise click.UsageError(
                f"The folder {word!r} holds no recordings; to use files with other endings, name them."
            )
        return found
    if path.exists():
        return [path]
    if set(word) & set("*?["):  # quoted, or from a shell that does not expand patterns
        everything = glob.glob(word, recursive=True)  # noqa: PTH207  # Path.glob rejects absolute patterns
        matches = sorted(path for path in map(Path, everything) if path.is_file())
        if matches:
            return matches
        raise click.UsageError(f"No file matches {word!r}.")
    raise click.UsageError(f"There is no file or folder {word!r}.")


def with_outputs(
    recordings: Sequence[TranscribedFile], output: Path | None, ending: str
) -> list[TranscribedFile]:
    """Return *recordings* with the files that their transcripts go to.

    Args:
        recordings: As the command line names them.
        output: File for a single transcript, or folder for several; None or - means standard output.
        ending: Ending of the files in a folder, such as ``.srt``.

    Raises:
        click.UsageError: Two transcripts would share a file, or one would replace a recording.
    """
    if output is None or str(output) == "-":
        return list(recordings)
    if is_folder(output, len(recordings)):
        placed = [_inside(output, recording, recordings, ending) for recording in recordings]
    else:
        placed = [output]
    for place in placed:
        if placed.count(place) > 1:
            raise click.UsageError(f"Several transcripts would be written to {place}; do one at a time.")
        if any(one.path and place.exists() and place.samefile(one.path) for one in recordings):
            raise click.UsageError(f"The transcript would replace the recording {place}; name another file.")
    return [
        TranscribedFile(path=recording.path, output=place)
        for recording, place in zip(recordings, placed, strict=True)
    ]


def is_folder(output: Path, count: int) -> bool:
    """Return whether *output* is a folder for the transcripts of *count* recordings.

    Raises:
        click.UsageError: It is a file, and there are several.
    """
    if output.is_dir():
        return True
    if count == 1:
        return False
    if output.exists() or output.suffix:
        raise click.UsageError(f"--output {output} is a file; for {count} recordings, name a folder.")
    return True


def _inside(folder: Path, recording: TranscribedFile, others: Sequence[TranscribedFile], ending: str) -> Path:
    path = recording.path or Path("stdin")
    alike = sum(other.path is not None and other.path.stem == path.stem for other in others)
    # talk.mp3 and talk.wav keep their endings, or one transcript would replace the other.
    return folder / ((path.name if alike > 1 else path.stem) + ending)


def heading(recording: TranscribedFile) -> str:
    """Return the line before a transcript when several are printed, in the form that head and tail use."""
    return f"==> {recording.name} <=="
