"""Engines in environments of their own are found from files, and a broken environment harms nothing."""

import dataclasses
import errno
import json
import os

import pytest

import speechhub_echo
from speechhub import __version__, discovery
from speechhub.discovery import Discovery
from speechhub.engine import HubSource, ModelFile, ModelPart, ModelSpec, Slot, WheelFile
from speechhub.environments import find
from speechhub.environments.find import discover_all, discover_environments
from speechhub.environments.folders import homes
from speechhub.environments.read import DescriptionError
from speechhub.environments.record import RECORD_NAME, RecordedFault, read_record, state_of
from speechhub.errors import ConfigurationError


@pytest.fixture(autouse=True)
def no_python_runs(monkeypatch):
    def run(python, *, factories=False):
        raise AssertionError(f"{python} was run")

    monkeypatch.setattr(find, "describe", run)


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(discovery, "discover", lambda: Discovery(engines=(), broken=()))


def test_a_spec_survives_its_record(engines_dir, recorded):
    """What the hub reads is what the plugin wrote, field by field; no other Python runs."""
    wheel = (WheelFile(distribution="d", version="1", path="p"),)
    model = ModelSpec(
        id="m",
        files=(ModelFile(path="w", wheel=wheel),),
        parts=(ModelPart(name="p", folder="p", hub=HubSource(repo="a/p"), files=(ModelFile(path="f"),)),),
        capabilities=dataclasses.replace(speechhub_echo.STT.capabilities, longest_input_s=30.0),
    )
    spec = dataclasses.replace(speechhub_echo.STT, models=(model,))
    home = recorded(spec=spec)
    recorded("speaker", spec=speechhub_echo.TTS)

    ears, mouth = discover_environments(engines_dir).engines

    assert ears.spec == spec
    assert mouth.spec == speechhub_echo.TTS
    assert ears.python == home.path / "env-1" / "bin" / "python"
    assert ears.environment == "echo"
    assert ears.search_path == (home.path / "env-1" / "site-packages",)


def test_no_environments_at_all(engines_dir):
    """A home without engines is the normal case."""
    assert discover_environments(engines_dir) == Discovery(engines=(), broken=())
    assert not engines_dir.exists()


def test_what_no_record_names_is_no_environment(engines_dir, recorded):
    """The rubbish of a killed installation is not used, and can be told from what is."""
    home = recorded()
    half_made = home.path / "env-2"
    half_made.mkdir()
    (engines_dir / "never-done" / "env-1").mkdir(parents=True)

    found = discover_environments(engines_dir)

    assert [engine.environment for engine in found.engines] == ["echo"]
    assert found.broken == ()
    assert {h.name: h.unused() for h in homes(engines_dir)} == {
        "echo": [half_made],
        "never-done": [engines_dir / "never-done" / "env-1"],
    }


@pytest.mark.parametrize(
    "folder", ["..", "../env-1", "/tmp", "env-1/../../x", "env-1\0", "", "bin", "env-" + "x" * 300]
)
def test_a_record_runs_no_python_from_elsewhere(engines_dir, recorded, folder):
    """The Python that a record leads to lies in the environment's folder, or that is broken."""
    path = recorded().path / RECORD_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"folder": folder}))

    found = discover_environments(engines_dir)

    assert found.engines == ()
    assert [plugin.distribution for plugin in found.broken] == ["environment echo"]


def test_a_link_to_another_python_is_no_environment(engines_dir, recorded, tmp_path):
    """An environment's folder is no link to somewhere else."""
    home = recorded()
    (home.path / "env-1").rename(tmp_path / "elsewhere")
    (home.path / "env-1").symlink_to(tmp_path / "elsewhere")

    found = discover_environments(engines_dir)

    assert found.engines == ()
    assert "through a link" in found.broken[0].error


def test_packages_from_elsewhere_are_looked_for_again(engines_dir, recorded, monkeypatch, tmp_path):
    """A record that names foreign folders of packages is not believed: the environment's Python is asked."""
    home = recorded()
    described = read_record(home.path).description
    path, foreign = home.path / RECORD_NAME, tmp_path / "foreign"
    foreign.mkdir()
    raw = json.loads(path.read_text())
    raw["description"]["search_path"] = [str(foreign)]
    raw["state"] = state_of((foreign,), __version__)
    path.write_text(json.dumps(raw))
    monkeypatch.setattr(find, "describe", lambda python: described)

    (engine,) = discover_environments(engines_dir).engines

    assert engine.search_path == described.folders


@pytest.mark.parametrize(
    "change",
    [
        {"files": [{"path": "../x"}]},
        {"files": [{"path": "x", "wheel": [{"distribution": "d", "version": "1", "path": "/etc/passwd"}]}]},
        {"parts": [{"name": "p", "folder": "../p", "hub": {"repo": "a/p"}}]},
        {"hub": {"repo": "../../api"}},
        {"hub": {"repo": "a/b", "revision": "../x"}},
        {"hub": {"repo": "a/b", "prefix": "../x/"}},
        {"hub": {"repo": "a/b", "modelscope": "/a"}},
    ],
)
def test_a_recorded_model_with_unsafe_names_is_broken(engines_dir, recorded, change):
    """What a record says of a model's files and repositories leads down only, or all of it is broken."""
    path = (
        recorded(spec=dataclasses.replace(speechhub_echo.STT, models=(ModelSpec(id="m"),))).path / RECORD_NAME
    )
    raw = json.loads(path.read_text())
    raw["description"]["engines"][0]["spec"]["models"][0] |= change
    path.write_text(json.dumps(raw))

    found = discover_environments(engines_dir)

    assert found.engines == ()
    assert "unsafe name" in found.broken[0].error


def test_an_environment_that_changed_is_read_again(engines_dir, recorded, monkeypatch):
    """After pip has been at work in it, its Python is asked once, and the answer is kept."""
    home = recorded()
    old = read_record(home.path)
    changed = dataclasses.replace(speechhub_echo.STT, description="New")
    fresh = find.msgspec.structs.replace(
        old.description,
        engines=(find.msgspec.structs.replace(old.description.engines[0], spec=dataclasses.asdict(changed)),),
    )
    asked = []
    monkeypatch.setattr(find, "describe", lambda python: asked.append(python) or fresh)
    packages = home.path / "env-1" / "site-packages"
    os.utime(packages, ns=(0, 0))

    first, second = discover_environments(engines_dir), discover_environments(engines_dir)

    assert first.engines[0].spec.description == "New"
    assert second == first
    assert len(asked) == 1


def test_a_home_that_cannot_be_written_is_read_all_the_same(engines_dir, recorded, monkeypatch):
    """In a read-only image, a changed environment is asked each time, and harms nothing."""
    home = recorded()
    description = read_record(home.path).description
    os.utime(home.path / "env-1" / "site-packages", ns=(0, 0))

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(find, "describe", lambda _: description)
    monkeypatch.setattr(find, "write_record", refuse)

    found = discover_environments(engines_dir)

    assert [engine.spec for engine in found.engines] == [speechhub_echo.STT]
    assert found.broken == ()


def test_another_version_of_the_hub_reads_again(engines_dir, recorded, monkeypatch):
    """A newer hub may know fields that an older one did not write down."""
    recorded()
    monkeypatch.setattr(find, "__version__", "9.9")

    with pytest.raises(AssertionError, match="was run"):
        discover_environments(engines_dir)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda home: (home.path / RECORD_NAME).write_text("{"), "environment.json is truncated"),
        (lambda home: (home.path / "env-1" / "bin" / "python").unlink(), "is gone"),
    ],
)
def test_a_broken_environment_is_listed_and_harms_nothing(engines_dir, recorded, damage, says):
    """It stands among the broken plugins, with what mends it; the others work."""
    damage(recorded("bad"))
    recorded("good")

    found = discover_environments(engines_dir)

    assert [engine.environment for engine in found.engines] == ["good"]
    [broken] = found.broken
    assert broken.distribution == "environment bad"
    assert says in broken.error
    assert broken.error.endswith("Install it again: speechhub engines install bad")


def test_a_python_that_does_not_work_any_more_is_listed(engines_dir, recorded, monkeypatch):
    """Its words are part of the finding."""
    home = recorded()
    os.utime(home.path / "env-1" / "site-packages", ns=(0, 0))

    def fail(python):
        raise DescriptionError("its Python lacks a library")

    monkeypatch.setattr(find, "describe", fail)

    assert "lacks a library" in discover_environments(engines_dir).broken[0].error


def test_a_record_from_nowhere_is_listed(engines_dir, recorded):
    """A description that is no engine's is a fault of this environment alone."""
    home = recorded()
    record = (home.path / RECORD_NAME).read_text()
    (home.path / RECORD_NAME).write_text(record.replace('"slot": "stt"', '"slot": "nose"'))

    assert "recorded description cannot be read" in discover_environments(engines_dir).broken[0].error


def test_plugins_that_were_broken_stay_listed(engines_dir, recorded):
    """With the environment that they are in."""
    recorded(broken=(RecordedFault(entry_point="e", distribution="bad 1", error="why"),))

    [broken] = discover_environments(engines_dir).broken

    assert (broken.distribution, broken.error) == ("bad 1 in environment echo", "why")


def test_an_environment_of_its_own_wins(engines_dir, recorded):
    """The same plugin beside the hub is put aside; everything else stays, by task and name."""
    recorded()

    engines = discover_all(engines_dir).engines

    assert [(it.spec.slot, it.spec.name) for it in engines] == sorted(
        (it.spec.slot, it.spec.name) for it in engines
    )
    assert {it.environment for it in engines if it.distribution.startswith("speechhub-echo ")} == {"echo"}
    assert [it.spec.slot for it in engines if it.spec.name == "echo-tts"] == []
    assert Slot.TTS in {it.spec.slot for it in engines if not it.environment}


def test_two_environments_with_one_engine_are_an_error(engines_dir, recorded, alone):
    """Either choice would surprise somebody; the message names both places."""
    recorded("one", distribution="bee 1")
    recorded("two", distribution="wasp 1")

    with pytest.raises(
        ConfigurationError, match=r"'echo-stt': one of bee 1 \(one\) and one of wasp 1 \(two\)"
    ):
        discover_all(engines_dir)
