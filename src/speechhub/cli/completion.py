"""``speechhub completion``."""

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print a script that completes speechhub's commands in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    speechhub completion bash > ~/.local/share/bash-completion/completions/speechhub
    speechhub completion zsh > ~/.zfunc/_speechhub      with ~/.zfunc in your fpath
    speechhub completion fish > ~/.config/fish/completions/speechhub.fish
    """  # noqa: D301
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    made = kind(context.find_root().command, {}, "speechhub", "_SPEECHHUB_COMPLETE")
    click.echo(made.source())
