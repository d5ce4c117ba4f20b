"""``speechhub transcribe``."""

import os
from pathlib import Path
from typing import BinaryIO

import click

FORMATS = ("text", "json", "verbose_json", "srt", "vtt")
ENDINGS = {".srt": "srt", ".vtt": "vtt", ".json": "json"}
"""Ending of an output file → format; all others are for text."""
Fields = dict[str, str | list[str]]
"""The fields of the form that the server would get."""


@click.command(short_help="Write down what is said in a recording.")
@click.argument("file", type=click.File("rb"))
@click.option("-m", "--model", help="Model or alias; 'speechhub models list' shows them.")
@click.option("-l", "--language", help="Language of the speech, such as 'en'; by default it is detected.")
@click.option(
    "-f", "--format", "response_format", type=click.Choice(FORMATS),
    help="Shape of the answer, where the ending of --output does not say; text if nothing does.",
)  # fmt: skip
@click.option(
    "--words", is_flag=True, help="Word times too; needs verbose_json, which '-o x.json' then means."
)
@click.option("--translate", is_flag=True, help="Answer in English, whatever is spoken.")
@click.option("--prompt", help="Text that sets style and vocabulary.")
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="Write here instead of printing; .srt, .vtt and .json say the format.")  # fmt: skip
@click.option("--url", help="Ask this running server instead of loading the model here.")
@click.option("--api-key", envvar="OPENAI_API_KEY", help="Key for --url.  [OPENAI_API_KEY]")
@click.option("-v", "--verbose", is_flag=True, help="Show what is going on.")
def transcribe(
    file: BinaryIO,
    model: str | None,
    language: str | None,
    response_format: str | None,
    words: bool,
    translate: bool,
    prompt: str | None,
    output: Path | None,
    url: str | None,
    api_key: str | None,
    verbose: bool,
) -> None:
    """Write down what is said in FILE (any common audio or video format; - for standard input).

    \b
    speechhub transcribe talk.mp3
    speechhub transcribe talk.mp4 -o talk.srt
    speechhub transcribe talk.mp3 -o talk.json --words
    speechhub transcribe talk.mp3 --url http://127.0.0.1:8000
    """  # noqa: D301
    chosen = response_format or _format_of(output, words=words)
    if words and chosen != "verbose_json":
        raise click.UsageError("--words needs --format verbose_json, or an --output that ends in .json.")
    fields = {
        "model": model,
        "language": language,
        "prompt": prompt,
        "response_format": chosen,
        "timestamp_granularities[]": ["segment", "word"] if words else None,
    }
    given: Fields = {name: value for name, value in fields.items() if value is not None}
    recording = _seekable(file)

    def make() -> str:
        if url:
            return _ask(url, api_key, recording, given, translate=translate)
        return _here(recording, given, translate=translate, verbose=verbose)

    if output is None or str(output) == "-":
        text = make()
        click.echo(text, nl=not text.endswith("\n"))
        return
    from speechhub.cli._files import replacing

    with replacing(output) as partial:
        partial.touch()  # a folder that cannot be written is told before the work, not after it
        partial.write_text(make(), "utf-8")


def _format_of(output: Path | None, *, words: bool) -> str:
    """Return the format that the ending of *output* says; times of words make it the verbose one."""
    said = ENDINGS.get(output.suffix.lower(), "text") if output else "text"
    return "verbose_json" if words and said == "json" else said


def _seekable(file: BinaryIO) -> BinaryIO:
    """Return *file*, read into memory if it is a pipe: decoders go back and forth, uploads need a length."""
    import io

    return file if file.seekable() else io.BytesIO(file.read())


def _here(recording: BinaryIO, fields: Fields, *, translate: bool, verbose: bool) -> str:
    from speechhub.cli._here import run_here
    from speechhub.engine import Task
    from speechhub.http.forms import job_of, read_fields
    from speechhub.http.routes.transcriptions import render_text
    from speechhub.services.hub import Hub

    task = Task.TRANSLATE if translate else Task.TRANSCRIBE
    values = {name.removesuffix("[]"): v if isinstance(v, list) else [v] for name, v in fields.items()}
    known = read_fields(values)

    async def work(hub: Hub) -> str:
        transcript = await hub.transcription.transcribe(recording, job_of(known, task))
        return render_text(transcript, known, task)

    return run_here(work, verbose=verbose)


def _ask(url: str, api_key: str | None, recording: BinaryIO, fields: Fields, *, translate: bool) -> str:
    from speechhub.cli._server import check, connected

    route = "/audio/translations" if translate else "/audio/transcriptions"
    name = os.path.basename(str(getattr(recording, "name", "recording")))  # noqa: PTH119  # may be <stdin>
    with connected(url, api_key) as client:
        response = client.post(route, data=fields, files={"file": (name, recording)})
        check(response)
    return response.text
