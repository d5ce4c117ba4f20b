"""``speechhub voices``."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from speechhub.cli._json import JSON_HELP, print_json

if TYPE_CHECKING:
    from speechhub.home import Damage
    from speechhub.settings import Settings
    from speechhub.voices import VoiceLibrary


@click.group(short_help="Add, list and remove custom voices.")
def voices() -> None:
    """Add, list and remove custom voices, for engines that clone them.

    The library is the folder 'voices' in SPEECHHUB_HOME; a running server sees every change at once.

    \b
    speechhub voices add anna anna.wav --statement "Anna agreed by mail, 2026-11-24"
    speechhub voices list
    """  # noqa: D301


@voices.command("add", short_help="Add a custom voice.")
@click.argument("name")
@click.argument("recording", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--consent", default="", help="Id of the speaker's consent, as the server gave it.")
@click.option("--statement", default="", help="Who agreed and when, if no consent was recorded.")
def add_voice(name: str, recording: Path, consent: str, statement: str) -> None:
    """Add the voice NAME from a RECORDING of one speaker: 1 to 30 s, best 5 to 15, clear and without music.

    \b
    speechhub voices add anna anna.wav --statement "Anna agreed by mail, 2026-11-24"
    """  # noqa: D301
    from speechhub.errors import InvalidValueError
    from speechhub.voices.recording import read_recording

    if bool(consent) == bool(statement.strip()):
        raise click.UsageError(
            "A voice belongs to a person: add --consent with the id of a recorded consent, or --statement "
            "with who agreed and when."
        )
    settings, library = _library()
    if recording.stat().st_size > settings.max_reference_bytes:
        raise InvalidValueError(
            f"{recording} is larger than {settings.max_reference_bytes} bytes (max_reference_bytes)."
        )
    read = read_recording(
        recording.read_bytes(), max_duration_s=settings.max_reference_s, param=str(recording)
    )
    made = library.add(name, read, consent=consent, statement=statement.strip())
    click.echo(f"{made.id}  {made.name}, {made.duration_s:.1f} s")
    for warning in made.warnings:
        click.echo(f"Warning: {warning}", err=True)


@voices.command("list", short_help="List the custom voices.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def list_voices(as_json: bool) -> None:
    """List the custom voices, who agreed, and the names that stand for them.

    \b
    speechhub voices list
    """  # noqa: D301
    from speechhub.cli._tables import print_table

    _, library = _library()
    aliases = library.aliases()
    if as_json:
        print_json(
            [
                {
                    "name": voice.name,
                    "id": voice.id,
                    "duration_s": voice.duration_s,
                    "created_at": voice.created_at,
                    "aliases": sorted(alias for alias, meant in aliases.items() if meant == voice.id),
                    "consent": voice.consent or None,
                    "statement": voice.statement or None,
                    "warnings": voice.warnings,
                }
                for voice in library.voices()
            ]
        )
        return
    rows = [
        (
            voice.name,
            voice.id,
            f"{voice.duration_s:.1f} s",
            time.strftime("%Y-%m-%d", time.localtime(voice.created_at)),
            ", ".join(sorted(alias for alias, meant in aliases.items() if meant == voice.id)),
            voice.consent or voice.statement,
        )
        for voice in library.voices()
    ]
    if not rows:
        click.echo("There are no custom voices; 'speechhub voices add' makes one.")
        return
    print_table(("voice", "id", "length", "added", "aliases", "consent"), rows)


@voices.command("remove", short_help="Delete custom voices.")
@click.argument("names", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Delete without asking.")
def remove_voices(names: tuple[str, ...], yes: bool) -> None:
    """Delete the custom voices NAMES, their recordings, and the aliases for them.

    Data that engines computed from them is deleted too.

    \b
    speechhub voices remove anna
    """  # noqa: D301
    from speechhub.store import ReferenceCache

    settings, library = _library()
    for voice in [library.voice(name) for name in names]:
        if not yes:
            click.confirm(f"Delete the voice {voice.name}?", abort=True)
        library.remove(voice.id)
        click.echo(f"{voice.name}: deleted")
    ReferenceCache(
        settings.voice_features_dir, limit_bytes=settings.voice_features_bytes, digests=library.digests
    ).sweep()


@voices.command("preview", short_help="Write a custom voice's recording to a file.")
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path, allow_dash=True), required=True,
              help="WAV file to write. - for standard output.")  # fmt: skip
def preview_voice(name: str, output: Path) -> None:
    """Write the recording that the voice NAME was made from, as engines receive it.

    To hear the voice itself, speak with a model that clones voices: 'speechhub speak --voice NAME'.

    \b
    speechhub voices preview anna -o - | aplay
    """  # noqa: D301
    from speechhub.cli._files import replacing

    _, library = _library()
    wav = library.recording(library.voice(name)).wav()
    if str(output) == "-":
        sys.stdout.buffer.write(wav)
        return
    with replacing(output) as partial:
        partial.write_bytes(wav)


@voices.command("alias", short_help="Make a name stand for a custom voice.")
@click.argument("alias")
@click.argument("name", required=False)
@click.option("--remove", is_flag=True, help="Stop ALIAS from standing for a custom voice.")
def alias_voice(alias: str, name: str | None, remove: bool) -> None:
    """Make ALIAS, such as alloy, stand for the custom voice NAME.

    This applies to models that clone voices; for other models the name keeps its meaning.

    \b
    speechhub voices alias alloy anna
    speechhub voices alias alloy --remove
    """  # noqa: D301
    if remove == bool(name):
        raise click.UsageError("Name the voice that ALIAS stands for, or use --remove.")
    _, library = _library()
    voice = library.set_alias(alias, name)
    click.echo(f"{alias} → {voice.name}" if voice else f"{alias} stands for no custom voice")


def _library() -> "tuple[Settings, VoiceLibrary]":
    from speechhub.cli._settings import own_settings
    from speechhub.voices import VoiceLibrary

    settings, told = own_settings(), set[Path]()

    def tell(damage: "Damage") -> None:
        if damage.path not in told:
            told.add(damage.path)
            click.echo(f"speechhub: {damage.text}", err=True)

    return settings, VoiceLibrary(settings.voices_dir, limit=settings.max_voices, on_damage=tell)
