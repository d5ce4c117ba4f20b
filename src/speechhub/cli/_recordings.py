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
"""Endings of the files that are taken out of a folder; a file that is named may have any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribedFile:
    """One recording, and the file for its transcript."""

    path: Path | None
    """None means standard input."""
    output: Path | None = None
    """None means standard output."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return str(self.path) if self.path else "standard input"

    def opened(self) -> BinaryIO:
        """Open it; a pipe is read into memory, since decoders go back and forth and uploads need a length.

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
        click.UsageError: A word names none.
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
        found = sorted(it for it in path.iterdir() if it.suffix.lower() in ENDINGS and it.is_file())
        if not found:
            raise click.UsageError(f"The folder {word!r} holds no recordings; name the files to take others.")
        return found
    if path.exists():
        return [path]
    if set(word) & set("*?["):  # quoted, or from a shell that leaves patterns alone
        everything = glob.glob(word, recursive=True)  # noqa: PTH207  # Path.glob takes no absolute pattern
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
        output: File for the only transcript, or folder for all; None or - means standard output.
        ending: Of the files in a folder, such as ``.srt``.

    Raises:
        click.UsageError: There is no file of its own for each, or it would replace a recording.
    """
    if output is None or str(output) == "-":
        return list(recordings)
    if is_folder(output, len(recordings)):
        placed = [_inside(output, it, recordings, ending) for it in recordings]
    else:
        placed = [output]
    for place in placed:
        if placed.count(place) > 1:
            raise click.UsageError(f"Several transcripts would be written to {place}; do one at a time.")
        if any(it.path and place.exists() and place.samefile(it.path) for it in recordings):
            raise click.UsageError(f"The transcript would replace the recording {place}; name another file.")
    return [TranscribedFile(path=it.path, output=place) for it, place in zip(recordings, placed, strict=True)]


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
    alike = sum(it.path is not None and it.path.stem == path.stem for it in others)
    # talk.mp3 and talk.wav keep their endings, or one transcript would replace the other.
    return folder / ((path.name if alike > 1 else path.stem) + ending)


def heading(recording: TranscribedFile) -> str:
    """Return the line before a transcript, where several are printed: head and tail write it so, too."""
    return f"==> {recording.name} <=="
