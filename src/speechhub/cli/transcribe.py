"""``speechhub transcribe``."""

import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from speechhub.cli._files import check_place
from speechhub.cli._recordings import TranscribedFile, find_recordings, heading, is_folder, with_outputs

if TYPE_CHECKING:
    from speechhub.cli._hearing import Hearing
    from speechhub.hub import Hub

FORMATS: Final = ("text", "json", "verbose_json", "srt", "vtt")
ENDINGS: Final = {".srt": "srt", ".vtt": "vtt", ".json": "json"}
"""Ending of an output file → format; any other ending means text."""
WRITTEN: Final = {"text": ".txt", "json": ".json", "verbose_json": ".json", "srt": ".srt", "vtt": ".vtt"}
"""Format → ending of the files in a folder."""
OF_RECORDING: Final = ("file", "audio_track")
"""Field names in a server's error that concern only one recording."""
Fields = dict[str, str | list[str]]
"""The form fields that a server gets."""
Hear = Callable[[BinaryIO, str, "Hearing"], Awaitable[str]]
"""Recording, its name, its display → answer."""


@click.command(short_help="Transcribe recordings.")
@click.argument("files", nargs=-1, required=True)
@click.option("-m", "--model", help="Model or alias; 'speechhub models list' shows them.")
@click.option("-l", "--language", help="Language of the speech, such as 'en'; by default it is detected.")
@click.option(
    "-f", "--format", "response_format", type=click.Choice(FORMATS),
    help="Format of the transcript; by default from the ending of --output, else text.",
)  # fmt: skip
@click.option("--words", is_flag=True, help="Add word times; needs verbose_json, or '-o x.json'.")
@click.option("--translate", is_flag=True, help="Translate the speech into English.")
@click.option("--prompt", help="Text that sets style and vocabulary.")
@click.option(
    "--audio-track", metavar="TRACK",
    help="Audio track, if a recording has several: its number, from 1, or its language, such as 'de'.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="File to write; its ending .srt, .vtt or .json sets the format. For several recordings, a "
              "folder.")  # fmt: skip
@click.option("--url", help="Ask this running server instead of loading the model here.")
@click.option("--api-key", envvar="OPENAI_API_KEY", help="Key for --url.  [OPENAI_API_KEY]")
@click.option("-v", "--verbose", is_flag=True, help="Show what is going on.")
def transcribe(
    files: tuple[str, ...],
    model: str | None,
    language: str | None,
    response_format: str | None,
    words: bool,
    translate: bool,
    prompt: str | None,
    audio_track: str | None,
    output: Path | None,
    url: str | None,
    api_key: str | None,
    verbose: bool,
) -> None:
    """Transcribe FILES, in any common audio or video format; - for standard input.

    A folder stands for the recordings in it, and a pattern such as 'talks/**/*.mp3' for the files that match.
    The engine is loaded once for all of them.
    If a recording cannot be read, an error names it, the others are still transcribed, and the exit status
    is 1.
    If a recording is damaged, its problems are printed on standard error, in addition to its transcript.
    On a terminal the text is printed as it arrives.

    \b
    speechhub transcribe talk.mp3
    speechhub transcribe talk.mp4 -o talk.srt
    speechhub transcribe talk.mp3 -o talk.json --words
    speechhub transcribe talks/ -o transcripts/ --format vtt
    speechhub transcribe film.mkv -o film.srt --audio-track de
    speechhub transcribe talk.mp3 --url http://127.0.0.1:8000
    """  # noqa: D301
    found = find_recordings(files)
    to_folder = output is not None and str(output) != "-" and is_folder(output, len(found))
    chosen = response_format or ("text" if to_folder else _format_of(output, words=words))
    if words and response_format is None and to_folder:
        chosen = "verbose_json"
    if words and chosen != "verbose_json":
        raise click.UsageError("--words needs --format verbose_json, or an --output that ends in .json.")
    recordings = with_outputs(found, output, WRITTEN[chosen])
    if len(recordings) > 1 and recordings[0].output is None and chosen in ("srt", "vtt"):
        raise click.UsageError(f"Several recordings as {chosen} need a folder: add --output FOLDER.")
    if to_folder and output:
        output.mkdir(parents=True, exist_ok=True)
    for recording in recordings:
        if recording.output:
            check_place(recording.output)
    fields = {
        "model": model,
        "language": language,
        "prompt": prompt,
        "audio_track": audio_track,
        "response_format": chosen,
        "timestamp_granularities[]": ["segment", "word"] if words else None,
    }
    given: Fields = {name: value for name, value in fields.items() if value is not None}
    if url:
        done = _ask(url, api_key, recordings, given, translate=translate)
    else:
        done = _here(recordings, given, translate=translate, verbose=verbose)
    sys.exit(0 if done else 1)


def _format_of(output: Path | None, *, words: bool) -> str:
    """Return the format for the ending of *output*; word times make JSON ``verbose_json``."""
    said = ENDINGS.get(output.suffix.lower(), "text") if output else "text"
    return "verbose_json" if words and said == "json" else said


async def _each(recordings: list[TranscribedFile], response_format: str, hear: Hear) -> bool:
    """Transcribe each recording; return whether all succeeded."""
    from speechhub.cli._root import tell_error
    from speechhub.cli._server import ServerError
    from speechhub.errors import AudioError, SpeechhubError

    sound = True
    for recording in recordings:
        try:
            await _one(recording, hear, response_format, alone=len(recordings) == 1)
        except (AudioError, ServerError, OSError) as error:
            # A fault of one recording says nothing about the next; any other fault would repeat.
            of_recording = isinstance(error, AudioError) or getattr(error, "param", None) in OF_RECORDING
            of_recording = of_recording or getattr(error, "filename", None) == recording.name
            if len(recordings) == 1 or not of_recording:
                raise
            message = error.message if isinstance(error, SpeechhubError) else str(error.strerror)
            tell_error(f"{recording.name}: {message}")
            sound = False
    return sound


async def _one(recording: TranscribedFile, hear: Hear, response_format: str, *, alone: bool) -> None:
    from speechhub.cli._files import replacing
    from speechhub.cli._hearing import Hearing

    name = recording.path.name if recording.path else "stdin"
    output = recording.output
    with recording.opened() as file:
        if output is None:
            if not alone and response_format == "text":
                click.echo(heading(recording))
            with Hearing(name, speaks=response_format == "text") as hearing:
                text = await hear(file, name, hearing)
            if not hearing.printed:
                click.echo(text, nl=not text.endswith("\n"))
            return
        with replacing(output) as partial:
            partial.touch()  # report a folder that cannot be written before the work, not after it
            with Hearing(name, speaks=False) as hearing:
                partial.write_text(await hear(file, name, hearing), "utf-8")
    if not alone:
        click.echo(output, err=True)


def _here(recordings: list[TranscribedFile], fields: Fields, *, translate: bool, verbose: bool) -> bool:
    from contextlib import aclosing

    from speechhub.cli._here import run_here
    from speechhub.engine import Task
    from speechhub.http.forms import job_of, read_fields
    from speechhub.http.routes.transcriptions import render_text
    from speechhub.services.transcript_join import JoinedTranscript

    task = Task.TRANSLATE if translate else Task.TRANSCRIBE
    values = {name.removesuffix("[]"): v if isinstance(v, list) else [v] for name, v in fields.items()}
    known = read_fields(values)
    job = job_of(known, task)

    async def work(hub: "Hub") -> bool:
        async def hear(file: BinaryIO, _: str, hearing: "Hearing") -> str:
            if job.words or not hearing.wanted:
                transcript = await hub.transcription.transcribe(file, job)
                hearing.warnings += transcript.warnings
                return render_text(transcript, known, task)
            async with aclosing(await hub.transcription.stream(file, job)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, JoinedTranscript):
                        hearing.warnings += piece.warnings
                        return render_text(piece, known, task)
                    hearing.heard(piece, pieces.done_s)
            raise AssertionError("unreachable")

        return await _each(recordings, known.response_format, hear)

    return run_here(work, verbose=verbose)


def _ask(
    url: str, api_key: str | None, recordings: list[TranscribedFile], fields: Fields, *, translate: bool
) -> bool:
    import asyncio

    from speechhub.cli._server import connected_async, refusal
    from speechhub.http.render import WARNINGS_HEADER, WARNINGS_SEPARATOR

    route = "/audio/translations" if translate else "/audio/transcriptions"

    async def work() -> bool:
        async with connected_async(url, api_key) as client:

            async def hear(file: BinaryIO, name: str, hearing: "Hearing") -> str:
                form = {**fields, "stream": "true"} if hearing.live else fields
                async with client.stream("POST", route, data=form, files={"file": (name, file)}) as response:
                    if not response.is_success or not hearing.live:
                        body = (await response.aread()).decode(errors="replace")
                        if not response.is_success:
                            raise refusal(response.status_code, body, str(response.url))
                        said = response.headers.get(WARNINGS_HEADER)
                        hearing.warnings += said.split(WARNINGS_SEPARATOR) if said else ()
                        return body
                    return await _read_events(response.aiter_lines(), hearing)

            return await _each(recordings, str(fields["response_format"]), hear)

    return asyncio.run(work())


async def _read_events(lines: AsyncIterable[str], hearing: "Hearing") -> str:
    """Show the pieces of text that the server sends; return the whole text.

    Raises:
        ServerError: The server reports an error, or its answer ends early.
    """
    import json

    from speechhub.cli._server import ServerError

    async for line in lines:
        _, found, data = line.partition("data: ")
        if not found or data == "[DONE]":
            continue
        event = json.loads(data)
        if "error" in event:
            raise ServerError(f"The server stopped: {event['error'].get('message')}")
        if event.get("type") == "transcript.text.delta":
            hearing.heard(event["delta"])
        elif event.get("type") == "transcript.text.done":
            hearing.warnings += event.get("warnings", ())
            return str(event["text"]) + "\n"
    raise ServerError("The server stopped before the end of its answer. Its log says why.")
