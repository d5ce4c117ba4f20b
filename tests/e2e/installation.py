"""``speechhub engines install``, as tests run it."""

import fcntl
import os
import subprocess
import sys

from speechhub.environments.find import discover_environments

DEADLINE_S = 120
"""For a whole installation, on a slow and busy machine."""


class Installation:
    """``speechhub engines`` on a home of its own, with no package index."""

    def __init__(self, home, wheels):
        self.home = home
        self.engines_dir = home / "engines"
        self.wheels = wheels
        dropped = ("PIP_", "UV_", "SPEECHHUB_", "COLUMNS")
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | {
            "SPEECHHUB_HOME": str(home),
            "SPEECHHUB_OFFLINE": "true",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(wheels),
        }

    def start(self, *words, **environ):
        return subprocess.Popen(
            [sys.executable, "-m", "speechhub", "engines", *map(str, words)],
            env=self.environ | environ,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, *words, **environ):
        with self.start(*words, **environ) as process:
            output, _ = process.communicate(timeout=DEADLINE_S)
        return process.returncode, output

    def engines(self):
        return {engine.spec.name: engine for engine in discover_environments(self.engines_dir).engines}

    def folders(self):
        return {path.name for path in self.engines_dir.glob("*/env-*")}

    def unlocked(self, name):
        """Tell whether no installation of an engine, and nothing that it left, holds the lock."""
        with (self.engines_dir / ".locks" / name).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True
