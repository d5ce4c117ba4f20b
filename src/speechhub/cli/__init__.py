"""The command line: ``speechhub --help`` is its manual.

Heavy imports are inside the functions, so that ``--help`` and ``--version`` answer at once.
"""

import click

from speechhub import __version__
from speechhub.cli._root import STATUSES, RootGroup
from speechhub.cli._settings import add_config
from speechhub.cli._text import check_texts
from speechhub.cli.completion import completion
from speechhub.cli.doctor import doctor
from speechhub.cli.engines import engines
from speechhub.cli.models import models
from speechhub.cli.serve import serve
from speechhub.cli.setup import setup
from speechhub.cli.speak import speak
from speechhub.cli.top import top
from speechhub.cli.transcribe import transcribe
from speechhub.cli.voices import voices

SOURCES = (
    "Settings come from SPEECHHUB_* variables, config.toml in SPEECHHUB_HOME and the file or folder that "
    "--config names. Only 'speechhub serve' reads speechhub.toml and .env in the current folder by itself; "
    "for other commands, add '--config .'. See docs/configuration.md."
)
PROXIES = (
    "Servers on other machines are reached through http_proxy, https_proxy and all_proxy, except those in "
    "no_proxy; servers on this machine are reached directly."
)
EPILOG = "\n\n".join(
    (
        SOURCES,
        PROXIES,
        "NO_COLOR=1 and TERM=dumb turn colours off, FORCE_COLOR=1 turns them on.",
        "\n".join(
            ("\b", "Exit status:", *(f"  {status:<4} {meaning}" for status, meaning in STATUSES.items()))
        ),
    )
)


@click.group(
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(__version__, prog_name="speechhub")
def main() -> None:
    """Speech to text and text to speech on your own machine, with OpenAI's audio API.

    \b
    Start here:
      speechhub serve                          serve on http://127.0.0.1:8000
      speechhub setup                          install what this machine's GPU can serve
      speechhub speak "Hello" -o hello.mp3     speak, without a server
      speechhub transcribe hello.mp3           write down what was said, without a server
      speechhub doctor                         look for problems
    """  # noqa: D301  # \b tells click not to rewrap a paragraph


for command in (serve, setup, transcribe, speak, models, voices, engines, top, doctor, completion):
    main.add_command(command)

add_config(main)
check_texts(main)
