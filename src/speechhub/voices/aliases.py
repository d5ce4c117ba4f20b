"""The file of aliases: names that stand for custom voices."""

from pathlib import Path
from typing import Final

import msgspec

from speechhub.home import Damage, explained, keep_aside, read_record
from speechhub.voices import folder

MAX_ALIASES_BYTES: Final = 1024**2
"""Size limit of the file of aliases."""


class AliasFile:
    """Reads and replaces one file of aliases; keeps nothing in memory."""

    def __init__(self, path: Path) -> None:
        """Use the file *path*, which need not exist."""
        self._path = path

    def read(self) -> dict[str, str] | Damage | None:
        """Return the aliases: name in lower case → id of a voice; None if there is no file."""
        found = read_record(self._path, dict[str, str], limit_bytes=MAX_ALIASES_BYTES)
        if not isinstance(found, Damage):
            return found
        effect = "No alias stands for a custom voice; the next change of an alias moves the file aside first."
        return explained(found, effect=effect, aside=self._path)

    def replace(self, aliases: dict[str, str], staging: Path) -> None:
        """Write *aliases*, through the folder *staging*; a damaged file is kept aside.

        Raises:
            OSError: The file cannot be written.
        """
        if isinstance(self.read(), Damage):
            keep_aside(self._path)
        folder.replace(self._path, msgspec.json.encode(aliases), staging)
