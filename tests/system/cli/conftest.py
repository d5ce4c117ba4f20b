"""The fixtures of the command line in this process, and a recording; tests that need a server start one."""

from tests.http.conftest import clip
from tests.unit.cli.conftest import clean_settings, own_model, run

__all__ = ["clean_settings", "clip", "own_model", "run"]
