"""The settings of a command, and ``--config``, an option of every command that needs settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from speechhub.settings import Reading, Settings

KEY: Final = "speechhub.config"
"""Key in a command's context for the path that ``--config`` names; ``.told`` is added for a hint given."""
WITHOUT: Final = frozenset({"completion"})
"""Commands that need no settings."""


def config_option() -> click.Option:
    """Return the option ``--config``; only `read_own` uses its value."""
    return click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        is_eager=True,  # the default address of a server comes from the settings
        expose_value=False,
        callback=_remember,
        help="File with settings, TOML or .env, or folder with speechhub.toml and .env.  [SPEECHHUB_CONFIG]",
    )


def add_config(command: click.Command) -> None:
    """Give *command*, and all below it, the option ``--config``."""
    if command.name in WITHOUT:
        return
    command.params.append(config_option())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            add_config(inner)


def read_own(
    *, current_folder: bool = False, hint: bool = True, overrides: Mapping[str, object] | None = None
) -> "Reading":
    """Read the settings for this command.

    Args:
        current_folder: Whether to read files in the current folder.
        hint: Whether to report files that are not read, once, on standard error.
        overrides: Values that win over all others.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    from speechhub.settings import read_settings

    context = click.get_current_context(silent=True)
    meta: dict[str, Any] = context.meta if context else {}
    reading = read_settings(config_file=meta.get(KEY), current_folder=current_folder, overrides=overrides)
    if hint and not meta.get(f"{KEY}.told"):
        meta[f"{KEY}.told"] = True
        for text in [one.text for one in reading.ignored] + [
            one.remark for one in reading.files if one.remark
        ]:
            click.echo(f"speechhub: {text}", err=True)
    return reading


def own_settings() -> "Settings":
    """Return the settings for this command, and report files that were not read.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    return read_own().settings


def _remember(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.meta[KEY] = value
