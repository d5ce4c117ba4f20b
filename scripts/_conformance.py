"""Shared parts of the checks with other projects' clients: a server, a recording, separate environments."""

import io
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import _install
import _stamp
from _pip_config import needs_pip, pip_configuration, uv_environment
from lock import blocks

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"
RATE = 16_000

sys.path.insert(0, str(ROOT))

from tests.e2e.server import serving  # noqa: E402 - the path comes first

ECHO = {
    "SPEECHHUB_STT_MODEL": "echo-stt",
    "SPEECHHUB_TTS_MODEL": "echo-tts",
    "SPEECHHUB_MAX_VOICES": "1000",  # clients' tests leave theirs behind
}
"""Engines without weights: what is checked is the server."""


@contextmanager
def server(aliases: Mapping[str, str], *, url: str | None = None) -> Iterator[str]:
    """Serve for a while; yield the address.

    Args:
        aliases: Model names that the client's tests use → models.
        url: A server that runs already, with what engines it likes; then none is started.
    """
    if url:
        yield url.removesuffix("/").removesuffix("/v1")
        return
    environ = ECHO | {"SPEECHHUB_ALIASES": json.dumps(dict(aliases))}
    with tempfile.TemporaryDirectory() as home, serving(Path(home), **environ) as started:
        yield started.url


def recording(duration_s: float = 1.5) -> bytes:
    """Return a WAV file with a tone."""
    count = int(duration_s * RATE)
    samples = [round(8000 * math.sin(2 * math.pi * 220 * n / RATE)) for n in range(count)]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, count, "NONE", "not compressed"))
        file.writeframes(struct.pack(f"<{count}h", *samples))
    return out.getvalue()


def environment(name: str) -> Path:
    """Return the Python of ``.venvs/NAME``, which holds ``requirements/NAME.txt``; rebuilt after a change."""
    lock = Path(_stamp.lock(name))
    return installed(name, [["--require-hashes", "-r", str(lock)]], state=lock.read_text("utf-8"))


def installed(
    name: str, steps: Sequence[Sequence[str]], *, base: Path = Path(sys.executable), state: str = ""
) -> Path:
    """Return the Python of ``.venvs/NAME``, rebuilt when an argument changes.

    Args:
        name: Folder below ``.venvs``.
        steps: What to call ``pip install`` with, one call after the other.
        base: Python to make the environment of.
        state: Text that changes when it has to be made anew, such as a file that *steps* name.
    """
    folder = VENVS / name
    python, stamp = folder / "bin" / "python", folder / ".installed"
    wanted = "\n".join(
        [sys.version, str(base), str(folder), *(word for step in steps for word in step), state]
    )
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python
    _install.say(f"creating the environment .venvs/{name}")
    if subprocess.run([base, "-m", "venv", "--clear", "--without-pip", folder], check=False).returncode:
        sys.exit(f"speechhub: {base} cannot make an environment; Debian, Ubuntu: apt install python3-venv")
    configuration = pip_configuration(os.environ)
    use_uv = not (os.environ.get("NO_UV") or needs_pip(configuration))
    uv = _install.find_uv() if use_uv else None
    for step in steps:
        if uv:
            told = uv_environment(configuration, os.environ, hashed="--require-hashes" in step)
            command = [uv, "pip", "install", "--quiet", "--python", str(python), *step]
            code = _install.run(command, environ={"UV_COMPILE_BYTECODE": "1", **told})
        else:
            code = _install.run(
                [*_install.pip_command(), "--python", str(python), "install", "--quiet", *step]
            )
        if code:
            sys.exit(f"speechhub: could not install {' '.join(step)}; see above")
    stamp.write_text(wanted, "utf-8")
    return python


def source_of(distribution: str, version: str) -> Path:
    """Return the source distribution of a package, fetched once; its wheel lacks the tests.

    It has to be one of the files whose hashes ``requirements/DISTRIBUTION-python.txt`` has.
    """
    folder = VENVS / "sources"
    archive = folder / f"{distribution}-{version}.tar.gz"
    if not archive.exists():
        _install.say(f"fetching the source of {distribution} {version}")
        lock = Path(_stamp.lock(f"{distribution}-python")).read_text("utf-8")
        [pin] = [block for block in blocks(lock) if block.startswith(f"{distribution}==")]
        folder.mkdir(parents=True, exist_ok=True)
        wanted = folder / f"{distribution}.txt"
        wanted.write_text(pin, "utf-8")
        options = ["--quiet", "--dest", str(folder), "--no-deps", "--no-binary", distribution]
        options += ["--require-hashes", "-r", str(wanted)]
        subprocess.run([*_install.pip_command(), "download", *options], check=True, timeout=300)
    return archive
