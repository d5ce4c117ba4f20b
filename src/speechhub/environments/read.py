"""Asks an environment's own Python which engines it holds."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

import speechhub
from speechhub.environments.record import Description
from speechhub.settings.secret import is_secret

PROGRAM: Final = Path(__file__).with_name("describe.py")
PACKAGE: Final = Path(speechhub.__file__).parent
TOKENS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY")
"""Variables that no installation needs."""
TIMEOUT_S: Final = 60.0
"""For descriptions, which import nothing heavy; a cold disk is slow."""
FACTORIES_TIMEOUT_S: Final = 600.0
"""With the engines' own imports, which read gigabytes from a cold disk."""


class DescriptionError(Exception):
    """The environment's Python does not start, or does not answer; the message says why."""


def describe(python: Path, *, factories: bool = False) -> Description:
    """Run *python* once and return what it says of its environment.

    Args:
        python: Interpreter of the environment.
        factories: Whether to import the engines' code, too, to prove that a worker could.

    Raises:
        DescriptionError: It does not work.
    """
    command = [str(python), "-P", str(PROGRAM), str(PACKAGE), *(["--factories"] if factories else [])]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            timeout=FACTORIES_TIMEOUT_S if factories else TIMEOUT_S,
            env=keyless_environment(os.environ),
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise DescriptionError(f"its Python {python} does not start: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        missed = "import the engines' code" if factories else "read the engines' descriptions"
        raise DescriptionError(
            f"its Python {python} was stopped, because it did not {missed} in {error.timeout:g} s"
        ) from error
    try:
        return msgspec.json.decode(done.stdout, type=Description)
    except msgspec.MsgspecError as error:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [str(error)]
        raise DescriptionError(f"its Python {python} does not work: {last[0]}") from error


NO_TELEMETRY: Final = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""Keeps engines' libraries from reporting their use to their makers; the operator's own values win.

Seen with ONNX Runtime 1.32.0 on Linux, by strace: without its variable it writes an id of the machine into
the user's cache and a file into the temporary folder, and asks DNS for mobile.events.data.microsoft.com, the
place that it names for its events. Other versions were not tried. `disable_telemetry_events`, called after
the import, changes none of that.
"""


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* without what would mix this Python's packages into another, and without our keys.

    Tokens of model hubs and of APIs go, too; what package indexes want to be shown stays.
    """
    dropped = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", *TOKENS)
    return NO_TELEMETRY | {
        k: v for k, v in environ.items() if k not in dropped and not k.startswith("SPEECHHUB_")
    }


def keyless_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* as `clean_environment` does, without any secret: for code of plugins."""
    return {k: v for k, v in clean_environment(environ).items() if not is_secret(k, v)}
