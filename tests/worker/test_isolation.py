"""What a worker's code imports: the standard library and numpy, and the hub's own speechhub."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import speechhub
from speechhub.worker.process import BOOTSTRAP

REPORT = "import json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


@pytest.mark.parametrize(
    "module", ["child", "bootstrap", "protocol", "values", "failures"], ids=lambda name: f"worker.{name}"
)
def test_worker_runtime_is_the_standard_library_and_numpy(module):
    """Every engine's environment must be able to run it, without a pin of ours."""
    code = f"import sys; base = set(sys.modules); import speechhub.worker.{module}; {REPORT}"

    # -S: what the installed packages' .pth files import is not the worker's doing.
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, check=True)

    foreign = set(json.loads(out.stdout)) - sys.stdlib_module_names - {"numpy", "speechhub", "__main__"}
    assert foreign == set()


def test_bootstrap_refuses_a_parent_that_is_not_its_own():
    """The hub ended between starting the worker and the worker's tying its life to it."""
    read, write = os.pipe()
    arguments = ["--fd", "0", "--lifeline", str(read), "--parent", "1", "--epoch", "1"]

    out = subprocess.run(
        [sys.executable, "-P", BOOTSTRAP, *arguments],
        capture_output=True,
        check=False,
        pass_fds=[read],
        text=True,
    )
    os.close(read)
    os.close(write)

    assert out.returncode == 1
    assert "is not my parent" in out.stderr


def test_bootstrap_lies_in_the_package_that_it_preloads():
    assert BOOTSTRAP.parent.parent == Path(speechhub.__file__).parent
