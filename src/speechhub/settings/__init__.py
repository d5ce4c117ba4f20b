"""Settings: defaults ← TOML file ← ``.env`` ← environment ``SPEECHHUB_*``.

``values`` says what can be set, ``sources`` reads it. Nothing else reads the environment.
"""

from speechhub.settings.secret import Secret
from speechhub.settings.sources import load_settings
from speechhub.settings.values import ModelSettings, Settings

__all__ = ["ModelSettings", "Secret", "Settings", "load_settings"]
