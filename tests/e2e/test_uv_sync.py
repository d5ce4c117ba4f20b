"""`uv sync` in the folder of a GPU plugin: PyTorch from the mirror, everything else from the usual place."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from speechhub.environments.packages import find_uv
from speechhub.mirrors import MIRRORS
from tests.e2e.test_package_mirrors import make_index, mirror, usual  # noqa: F401 - fixtures
from tests.e2e.wheels import write_wheel

pytestmark = pytest.mark.unhurried

PLUGINS = Path(__file__).parents[2] / "plugins"
GPU_PLUGINS = ["speechhub-qwen-asr", "speechhub-indextts"]


@pytest.fixture
def project(request, tmp_path, mirror):  # noqa: F811 - the fixture
    """A plugin's folder whose mirror for PyTorch is on the loopback interface."""
    folder = tmp_path / request.param
    shutil.copytree(
        PLUGINS / request.param, folder, ignore=shutil.ignore_patterns(".venv", "uv.lock", "tests")
    )
    path = folder / "pyproject.toml"
    text = path.read_text("utf-8")
    url = MIRRORS["china"].torch[0].of("cu126")
    assert text.count(url) == 1
    path.write_text(text.replace(url, f"{mirror.url}/simple"), "utf-8")
    return folder


def sync(folder, index, *words):
    uv = find_uv()
    if uv is None:
        pytest.skip("there is no uv here")
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environ["UV_DEFAULT_INDEX"] = f"{index.url}/simple"
    command = [uv, "sync", "--quiet", "--no-install-project", *words]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.mission("1.3", "1.4")
@pytest.mark.parametrize("project", GPU_PLUGINS, indirect=True)
def test_torch_comes_from_the_mirror_by_a_group(project, mirror, usual):  # noqa: F811
    """Only torch, and torchaudio where its extra is asked for; the group of a plain sync lacks both."""
    version = re.search(r"torch==([\d.]+)", (project / "pyproject.toml").read_text("utf-8"))[1]
    write_wheel(mirror.folder, "torch", version, {"torch.py": "place = 'mirror'"})
    write_wheel(mirror.folder, "torchaudio", "2.11.0", {"torchaudio.py": "place = 'mirror'"})
    write_wheel(mirror.folder, "numpy", "2.4.0", {"numpy.py": "place = 'mirror'"})
    for name, number in (("torch", version), ("torchaudio", "2.11.0"), ("numpy", "2.4.0")):
        write_wheel(usual.folder, name, number, {f"{name}.py": "place = 'usual'"})

    done = sync(project, usual, "--group", "gpu", "--extra", "torchaudio")

    assert done.returncode == 0, done.stderr
    places = {}
    for path in (project / ".venv").glob("lib/*/site-packages/*.py"):
        if (match := re.search(r"place = '(\w+)'", path.read_text("utf-8"))) is not None:
            places[path.stem] = match[1]
    assert places == {"torch": "mirror", "torchaudio": "mirror", "numpy": "usual"}


@pytest.mark.parametrize("name", GPU_PLUGINS)
def test_the_group_has_the_release_that_the_engine_pins(name):
    """One release of PyTorch, wherever it is named."""
    [pins] = (PLUGINS / name).glob("src/*/engine-requirements.txt")
    groups = tomllib.loads((PLUGINS / name / "pyproject.toml").read_text("utf-8"))["dependency-groups"]

    assert groups["gpu"][0] in pins.read_text("utf-8").splitlines()
