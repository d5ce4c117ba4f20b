"""A wheel cannot have files unpacked outside the environment that it is installed into."""

import contextlib
import venv

import pytest

from speechhub.environments.packages import Installer, InstallError, find_uv
from speechhub.mirrors import MIRRORS
from tests.e2e.wheels import write_wheel

pytestmark = pytest.mark.unhurried


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an empty environment, deep enough that a way out of it ends in the test's folder."""
    folder = tmp_path_factory.mktemp("hostile") / "a" / "env"
    venv.create(folder, symlinks=True, with_pip=False)
    return folder / "bin" / "python"


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
@pytest.mark.parametrize(
    "member",
    [
        "../../../../../sprung",
        "ABSOLUTE/sprung",
        "evil-1.0.data/data/../../../../sprung",
        "evil/../../../../../../sprung",
    ],
)
def test_no_member_leaves_the_environment(python, tmp_path, monkeypatch, uv, member):
    """Installed or refused: nothing appears where the member's name leads, outside of the environment."""
    if uv and find_uv() is None:
        pytest.skip("there is no uv")
    if not uv:
        monkeypatch.setenv("NO_UV", "1")
    root = python.parents[3]
    member = member.replace("ABSOLUTE", str(root))
    wheel = write_wheel(tmp_path, "evil", "1.0", {"evil/__init__.py": "", member: "x"})
    installer = Installer(python=python, mirror=MIRRORS["none"], offline=True, say=lambda text: None)

    with contextlib.suppress(InstallError):
        installer.install("--no-deps", "--force-reinstall", str(wheel))

    outside = [path for path in root.rglob("sprung") if python.parents[1] not in path.parents]
    assert outside == []
    assert not (root.parent / "sprung").exists()
