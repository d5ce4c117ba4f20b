"""Commands that are told to a person, in the words that the person can type here."""

import sys
from pathlib import Path
from typing import Final

NAME: Final = "speechhub"
_COMMANDS: Final = r"(?<![\w./\\-])speechhub (?=(?:doctor|engines|models|serve|setup|voices)\b)"


def as_typed(text: str) -> str:
    """Return *text* with this program called by its path, where a shell does not find it by its name.

    So it is in a clone, whose environment no shell looks into: ``.venv/bin/speechhub``.
    """
    import re

    program = _program()
    return text if program == NAME else re.sub(_COMMANDS, lambda _: f"{program} ", text)


def _program() -> str:
    """Return what a shell in this folder understands as this program."""
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
