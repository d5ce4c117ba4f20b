"""Commands in messages, spelled so that a person can type them here."""

import sys
from pathlib import Path
from typing import Final

NAME: Final = "speechhub"
_COMMANDS: Final = r"(?<![\w./\\-])speechhub (?=(?:doctor|engines|models|serve|setup|voices)\b)"


def as_typed(text: str) -> str:
    """Return *text* with this program's path in place of its name, if a shell does not find it by name.

    That is so in a clone, whose environment is not on the shell's path: ``.venv/bin/speechhub``.
    """
    import re

    program = _program()
    return text if program == NAME else re.sub(_COMMANDS, lambda _: f"{program} ", text)


def _program() -> str:
    """Return how a shell in this folder can call this program."""
    import shlex
    import shutil

    here = Path(sys.argv[0])
    if here.name != NAME or not here.is_file():  # python -m speechhub
        return NAME
    found = shutil.which(NAME)
    if found and Path(found).samefile(here):
        return NAME
    place = here.absolute()
    return shlex.quote(str(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place))
