"""``speechhub speak``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from speechhub.services.speech_job import SpeechJob

FORMATS = ("wav", "mp3", "opus", "aac", "flac", "pcm")
Write = Callable[[bytes], object]


@click.command(short_help="Speak a text into an audio file, or play it.")
@click.argument("text")
@click.option("-o", "--output", type=click.Path(path_type=Path, allow_dash=True),
              help="Audio file to write; its ending sets the format. - for standard output.")  # fmt: skip
@click.option("-p", "--play", is_flag=True, help="Play the speech as it is made; write no file.")
@click.option("-m", "--model", help="Model or alias; 'speechhub models list' shows them.")
@click.option("--voice", help="Voice of the model; by default its first voice.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="0.25 to 4.")
@click.option("--instructions", help="How to speak, for models that follow instructions.")
@click.option("--language", help="Language of the text, if the model speaks several.")
@click.option("--seed", type=int, help="Number that reproduces the same speech, for models that support it.")
@click.option("--silence-interval-ms", type=click.IntRange(0, 5000),
              help="Pause between sentences.")  # fmt: skip
@click.option("--text-normalization", type=click.Choice(("auto", "markdown", "none")),
              help="What to treat as markup in TEXT; by default what is clearly meant as such.")  # fmt: skip
@click.option("--show-text", is_flag=True,
              help="Show the text that the engine would get, and the pauses; load no model.")  # fmt: skip
@click.option("-f", "--format", "audio_format", type=click.Choice(FORMATS),
              help="Audio format; by default from the file's ending, else wav.")  # fmt: skip
@click.option("--url", help="Ask this running server instead of loading the model here.")
@click.option("--api-key", envvar="OPENAI_API_KEY", help="Key for --url.  [OPENAI_API_KEY]")
@click.option("-v", "--verbose", is_flag=True, help="Show what is going on.")
def speak(
    text: str,
    output: Path | None,
    play: bool,
    audio_format: str | None,
    url: str | None,
    api_key: str | None,
    show_text: bool,
    verbose: bool,
    **fields: Any,
) -> None:
    """Speak TEXT into an audio file, or play it (- reads the text from standard input).

    --play uses the first of these programs that is installed: ffplay, mpv, paplay, aplay, play.

    \b
    speechhub speak "Good morning." --play
    speechhub speak "Good morning." -o morning.mp3
    speechhub speak - -o chapter.wav < chapter.txt
    speechhub speak "Good morning." -o - --format mp3 | ssh kitchen mpv -
    speechhub speak "Good morning." -o morning.mp3 --url http://127.0.0.1:8000
    speechhub speak - --show-text < README.md
    """  # noqa: D301
    from speechhub.cli._feed import feeding
    from speechhub.cli._files import replacing
    from speechhub.cli._player import find_player, playing
    from speechhub.cli._text import read_stdin

    if show_text:
        _check_alone(output, play=play, url=url)
        _show(read_stdin() if text == "-" else text, fields, verbose=verbose)
        return
    if play == (output is not None):
        raise click.UsageError("Give --output to write the speech to a file, or --play to hear it.")
    if play and audio_format:
        raise click.UsageError("--format is for --output; omit it with --play.")
    chosen = _format_of(output, audio_format) if output else "wav"
    player = find_player() if play else []
    spoken = read_stdin() if text == "-" else text
    given = {name: value for name, value in fields.items() if value is not None}

    def make(wanted: str, write: Write, *, whole: bool = False) -> None:
        if url:
            body = {"input": spoken, "response_format": wanted, "stream": not whole, **given}
            _ask(url, api_key, body, write)
        else:
            _here(spoken, wanted, given | {"whole": whole}, write, verbose=verbose)

    if output is None:
        with playing(player) as hear:
            make(chosen, hear)
        return
    if str(output) == "-":
        with feeding(getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)) as write:
            make(chosen, write)
        return
    with replacing(output) as partial:
        with partial.open("wb") as out:
            # A WAV header must have the length, even from a server without the field `stream`: request raw
            # samples, and wrap them here.
            make("pcm" if chosen == "wav" else chosen, out.write, whole=True)
        if chosen == "wav":
            _wrap(partial)
    click.echo(f"{output} ({output.stat().st_size / 1000:.0f} kB)", err=True)


def _format_of(output: Path, audio_format: str | None) -> str:
    chosen = audio_format or output.suffix.lstrip(".").lower().replace("ogg", "opus") or "wav"
    if chosen not in FORMATS:
        raise click.UsageError(
            f"The ending {output.suffix!r} names no audio format; use one of {', '.join(FORMATS)}, "
            "or add --format."
        )
    return chosen


def _job(text: str, audio_format: str, fields: dict[str, Any]) -> "SpeechJob":
    from speechhub.codecs.encode import SpeechFormat
    from speechhub.services.speech_job import SpeechJob
    from speechhub.speakable import Normalization

    given = {name: value for name, value in fields.items() if value is not None}
    if mode := given.pop("text_normalization", None):
        given["text_normalization"] = Normalization(mode)
    return SpeechJob(text=text, format=SpeechFormat(audio_format), **given)


def _check_alone(output: Path | None, *, play: bool, url: str | None) -> None:
    if output is not None or play:
        raise click.UsageError("--show-text makes no speech: omit --output and --play.")
    if url:
        raise click.UsageError("--show-text reads the text in this process: omit --url.")


def _show(text: str, fields: dict[str, Any], *, verbose: bool) -> None:
    """Print the text of each engine call on its own line, and the pauses between them in brackets."""
    from speechhub.cli._here import run_here
    from speechhub.hub import Hub

    job = _job(text, "wav", fields)

    async def work(hub: Hub) -> None:
        pieces = await hub.speech.preview(job)
        for place, piece in enumerate(pieces, 1):
            if piece.text:
                click.echo(piece.text)
            if piece.asked or (place < len(pieces) and piece.pause.shortest_s):
                click.echo(f"[{piece.pause.shortest_s:g} s]")

    run_here(work, verbose=verbose)


def _here(text: str, audio_format: str, fields: dict[str, Any], write: Write, *, verbose: bool) -> None:
    from speechhub.cli._here import run_here
    from speechhub.hub import Hub

    job = _job(text, audio_format, fields)

    async def work(hub: Hub) -> None:
        stream = await hub.speech.open(job)
        try:
            async for chunk in stream:
                write(chunk)
        finally:
            await stream.aclose()

    run_here(work, verbose=verbose)


def _ask(url: str, api_key: str | None, body: dict[str, Any], write: Write) -> None:
    from speechhub.cli._server import check, connected

    with (
        connected(url, api_key) as client,
        client.stream("POST", "/audio/speech", json=body) as response,
    ):
        check(response)
        for chunk in response.iter_bytes():
            write(chunk)


def _wrap(path: Path) -> None:
    """Turn a file of raw PCM16 into WAV."""
    import wave

    from speechhub.codecs.encode import OUTPUT_RATE

    pcm16 = path.read_bytes()
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, OUTPUT_RATE, 0, "NONE", "not compressed"))
        out.writeframes(pcm16)
