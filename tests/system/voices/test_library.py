"""The library of voices, when its process is killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from speechhub.voices import VoiceLibrary

ROOT = Path(__file__).parents[3]


DRIVER = """
import json, os, signal, sys
from pathlib import Path
from speechhub.voices import VoiceLibrary
from tests.unit.voices.conftest import recording

top, act = Path(sys.argv[1]), sys.argv[2]
old, new = recording(), recording(330)
for last in range(1, 100):
    root = top / str(last)
    library = VoiceLibrary(root, limit=9)
    library.add("old", old)
    library.set_alias("alloy", "old")
    child = os.fork()
    if not child:
        steps = 0

        def count(event, arguments):
            global steps
            if event.split(".")[0] in ("open", "os", "shutil") and str(root) in str(arguments):
                steps += 1
                if steps == last:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        library.add("new", new) if act == "add" else library.remove("old")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(root)
    if status == 0:
        break
else:
    sys.exit("no child got to its end")
"""
"""Forks a writer for each step that touches the disk, and has it killed there; prints what is left."""


@pytest.mark.parametrize("act", ["add", "remove"])
def test_killed_at_any_step_the_library_is_whole(tmp_path, act):
    """Whenever its writer dies, a voice is there with all that belongs to it, or not at all."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, tmp_path, act],
        cwd=ROOT, check=False, timeout=300, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    seen = []
    for root in map(Path, done.stdout.split()):
        library = VoiceLibrary(root, limit=9)
        found = library.voices()
        assert [library.recording(voice).digest for voice in found] == [voice.sha256 for voice in found]
        names = sorted(voice.name for voice in found)
        assert (library.aliased("alloy") is not None) == ("old" in names)
        assert len(list((root / "voices").iterdir())) == len(found)
        library.recover()
        assert not list((root / ".staging").iterdir())
        seen.append(names)
    before, after = (["old"], ["new", "old"]) if act == "add" else (["old"], [])
    assert seen == [before] * seen.count(before) + [after] * seen.count(after)
    # After the moment that counts, an addition has only to flush, which is no step of the driver's.
    assert seen.count(before) > 1
    assert seen.count(after) >= (1 if act == "add" else 2)
