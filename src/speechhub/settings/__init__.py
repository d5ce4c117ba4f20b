"""Settings: defaults ← TOML file ← ``.env`` ← environment ``SPEECHHUB_*``.

``values`` defines the settings, ``sources`` reads them, ``files`` decides which files are read. Nothing else
reads the environment.
"""

from speechhub.settings.hiding import hide_process
from speechhub.settings.secret import Secret
from speechhub.settings.sources import Reading, load_settings, read_settings
from speechhub.settings.values import ModelSettings, Settings

__all__ = ["ModelSettings", "Reading", "Secret", "Settings", "hide_process", "load_settings", "read_settings"]
