"""Nothing goes into an engine's environment that a hash could have kept out."""

import pytest

from speechhub.environments import source
from speechhub.environments.install import _hashed
from speechhub.environments.packages import Installer, InstallError
from speechhub.environments.pins import PackagePin
from speechhub.environments.source import Source, build_lock
from speechhub.mirrors import MIRRORS

HASHED = PackagePin(requirement="a==1", hashes=(f"sha256:{'0' * 64}",))
BARE = PackagePin(requirement="b==2")


def test_pins_with_hashes_are_held_to_them():
    """The installer is told, so that it refuses what has none."""
    assert _hashed([HASHED, HASHED], pytest.fail) == ["--require-hashes"]


def test_pins_without_hashes_are_said_to_be_open():
    """An environment's own freeze.txt has none, and may be installed again."""
    said = []

    assert _hashed([BARE], said.append) == []
    assert "no hashes" in said[0]


def test_a_hash_that_is_missing_is_no_reason_to_drop_the_others():
    """The message names what lacks one; before, all hashes were ignored without a word."""
    with pytest.raises(InstallError, match=r"Of 2 pins these have no hash, .*: b==2\. Add theirs"):
        _hashed([HASHED, BARE], pytest.fail)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a lock and a plugin."""
    (tmp_path / "plugins" / "speechhub-echo").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "serve.txt").touch()
    monkeypatch.setattr(source, "CHECKOUT_PLUGINS", tmp_path / "plugins")
    monkeypatch.setattr(source, "LOCK", tmp_path / "requirements" / "serve.txt")
    return tmp_path


def plugin(folder):
    return Source(name="echo", distribution="speechhub-echo", requirement=str(folder))


def test_what_builds_our_plugins_is_locked(checkout):
    """Build backends come from the index as well."""
    assert build_lock(plugin(checkout / "plugins" / "speechhub-echo")) == source.LOCK


def test_what_builds_other_plugins_is_their_own_affair(checkout):
    """Their backend need not be in our lock."""
    assert build_lock(plugin(checkout / "elsewhere" / "speechhub-echo")) is None


def test_without_a_lock_there_is_none(checkout):
    """A copy of the plugins alone can be installed, too."""
    source.LOCK.unlink()

    assert build_lock(plugin(checkout / "plugins" / "speechhub-echo")) is None


@pytest.mark.parametrize("name", ["UV_BUILD_CONSTRAINT", "PIP_BUILD_CONSTRAINT"])
def test_installers_are_told_the_build_lock(tmp_path, monkeypatch, name):
    """In the variables of both; what the operator set wins."""
    monkeypatch.delenv("UV_BUILD_CONSTRAINT", raising=False)
    monkeypatch.delenv("PIP_BUILD_CONSTRAINT", raising=False)
    installer = Installer(
        python=tmp_path / "python", mirror=MIRRORS["none"], build_lock=tmp_path / "lock.txt", say=pytest.fail
    )

    assert installer._environ(alone=True)[name] == str(tmp_path / "lock.txt")
    monkeypatch.setenv(name, "own.txt")
    assert installer._environ(alone=True)[name] == "own.txt"


def test_pip_builds_other_packages_without_the_lock(tmp_path, monkeypatch):
    """It would refuse each backend that the lock lacks, such as setuptools for an engine's library."""
    monkeypatch.delenv("PIP_BUILD_CONSTRAINT", raising=False)
    installer = Installer(
        python=tmp_path / "python", mirror=MIRRORS["none"], build_lock=tmp_path / "lock.txt", say=pytest.fail
    )

    assert "PIP_BUILD_CONSTRAINT" not in installer._environ()
