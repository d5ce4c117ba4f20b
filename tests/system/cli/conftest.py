"""The fixtures of the command line in this process, and a recording; servers are started where they are used."""

from tests.http.conftest import clip
from tests.unit.cli.conftest import clean_settings, own_model, run

__all__ = ["clean_settings", "clip", "own_model", "run"]
