"""Cards that compute a model wrongly in 16 bits, remembered from one load to the next.

Standard library only.
"""

import json
import logging
import os
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

NAME: Final = "float32.json"


class Float32Cards:
    """The cards that need float32, kept in a file in the engine's own folder; lives as long as the engine."""

    def __init__(self, work_dir: Path | None) -> None:
        """Read what earlier loads found; an unreadable file counts as empty.

        Args:
            work_dir: `LoadContext.work_dir`; None remembers them for this process only.
        """
        self._path = work_dir / NAME if work_dir else None
        self._known = self._read()

    def __contains__(self, key: str) -> bool:
        """Tell whether *key*, from `card_key`, was added, by this process or an earlier one."""
        return key in self._known

    def add(self, key: str) -> None:
        """Remember *key*."""
        self._known = {*self._read(), *self._known, key}
        if self._path is None:
            return
        unfinished = self._path.with_name(f".{NAME}.{os.getpid()}")
        try:
            unfinished.write_text(json.dumps(sorted(self._known), indent=1), "utf-8")
            unfinished.replace(self._path)
        except OSError as error:
            log.warning("cannot save that this GPU needs float32: %s", type(error).__name__)
            unfinished.unlink(missing_ok=True)

    def _read(self) -> set[str]:
        if self._path is None:
            return set()
        try:
            content = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return set()
        return {key for key in content if isinstance(key, str)} if isinstance(content, list) else set()


def card_key(*, card: str, model: str, library: str) -> str:
    """Return the key for a card and a model; another version of the library is another key, and tried anew.

    Args:
        card: Name of the GPU.
        model: Id of the model.
        library: Name and version of the library that computes, such as ``torch 2.13.0+cu126``.
    """
    return f"{card} | {model} | {library}"
