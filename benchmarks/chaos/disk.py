"""A small disk for the server's home and temporary files, visible only to this program and its children."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DISK_BYTES = 320 * 2**20
"""Room for the models, which take two thirds of it, and for the files that the clients cause."""
_INSIDE = "SPEECH_CHAOS_MOUNTS"


def enter_private_mounts() -> str | None:
    """Run this program again where it may mount file systems; if that is impossible, return the reason."""
    if os.environ.pop(_INSIDE, None):
        return None
    if not shutil.which("unshare"):
        return "there is no program 'unshare' (Debian: util-linux)"
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    try_it = "mount -t tmpfs -o size=1m none /mnt"
    tried = subprocess.run([*command, "sh", "-c", try_it], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no file system may be mounted here: {tried.stderr.strip()}"
    sys.stdout.flush()
    environ = os.environ | {_INSIDE: "yes"}
    return os.execvpe(command[0], [*command, sys.executable, *sys.orig_argv[1:]], environ)


class Disk:
    """The disk on which the server keeps its files; it can be filled up and freed again."""

    def __init__(self, folder: Path) -> None:
        self.home, self.temporary, self._filler = folder / "home", folder / "tmp", folder / "filler"
        self.home.mkdir()
        self.temporary.mkdir()

    def fill(self, *, left_bytes: int) -> None:
        """Fill the disk until only *left_bytes* are free."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while (room := shutil.disk_usage(file.name).free - left_bytes) > 0:
                file.write(bytes(min(room, 2**20)))

    def free(self) -> None:
        """Free everything that was filled."""
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(*, mount: bool) -> Iterator[Disk]:
    """Make a disk of `DISK_BYTES`, or only a folder where nothing can be mounted."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        if mount:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", name], check=True)
        try:
            yield Disk(Path(name))
        finally:
            if mount:
                subprocess.run(["umount", "--lazy", name], check=False)
