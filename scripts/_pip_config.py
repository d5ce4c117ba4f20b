"""pip's configuration for uv: the package's own reader, which needs nothing but the standard library."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from speechhub.environments.pip_config import needs_pip, pip_configuration, uv_environment

__all__ = ["needs_pip", "pip_configuration", "uv_environment"]
