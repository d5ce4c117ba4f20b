"""Where packages come from: the hub's own reader and table, which need nothing but the standard library."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from speechhub.environments.pip_config import needs_pip, pip_configuration, uv_environment
from speechhub.mirrors import MIRRORS

__all__ = ["MIRRORS", "needs_pip", "pip_configuration", "uv_environment"]
