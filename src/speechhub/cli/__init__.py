"""The command line: ``speechhub --help`` is its manual.

Heavy imports stand inside the functions: ``--help`` and ``--version`` answer at once.
"""

import errno
import sys

import click

from speechhub import __version__
from speechhub.cli.doctor import doctor
from speechhub.cli.engines import engines
from speechhub.cli.models import models
from speechhub.cli.serve import serve
from speechhub.cli.speak import speak
from speechhub.cli.top import top
from speechhub.cli.transcribe import transcribe
from speechhub.cli.voices import voices
from speechhub.errors import SpeechhubError


class _Group(click.Group):
    """Turns our errors, and the system's, into one clear line and exit status 1: a traceback is for bugs."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SpeechhubError as error:
            message = error.message
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read our output has left, and click is silent about it
                raise
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        click.echo(f"{click.style('error:', fg='red', bold=True)} {' '.join(message.split())}", err=True)
        sys.exit(1)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from speechhub.toml, .env and SPEECHHUB_* variables; see docs/configuration.md.",
)
@click.version_option(__version__, prog_name="speechhub")
def main() -> None:
    """Speech to text and text to speech on your own machine, with OpenAI's audio API.

    \b
    Start here:
      speechhub serve                          serve on http://127.0.0.1:8000
      speechhub speak "Hello" -o hello.mp3     speak, without a server
      speechhub transcribe hello.mp3           write down what was said, without a server
      speechhub doctor                         find out what is wrong
    """  # noqa: D301  # \b is click's mark for text to leave as it is


for command in (serve, transcribe, speak, models, voices, engines, top, doctor):
    main.add_command(command)
