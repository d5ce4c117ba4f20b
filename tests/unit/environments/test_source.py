"""What can be written behind ``engines install``."""

import pytest

from speechhub.environments import source as module
from speechhub.environments.folders import environment_name
from speechhub.environments.source import find_source
from speechhub.errors import ConfigurationError


@pytest.fixture(autouse=True)
def no_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CHECKOUT_PLUGINS", tmp_path / "none")


def plugin(folder, name):
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    return folder


@pytest.mark.parametrize(
    ("wanted", "name", "requirement"),
    [
        ("qwen-asr", "qwen-asr", "speechhub-qwen-asr"),
        ("speechhub-qwen-asr", "qwen-asr", "speechhub-qwen-asr"),
        ("Qwen_ASR==1.2", "qwen-asr", "speechhub-qwen-asr==1.2"),
        ("foo[gpu]>=1,<2", "foo", "speechhub-foo[gpu]>=1,<2"),
    ],
)
def test_names_are_distributions_on_the_index(wanted, name, requirement):
    """The prefix of our plugins may be left out; versions are pip's."""
    found = find_source(wanted, None)

    assert (found.name, found.requirement) == (name, requirement)


def test_a_checkout_has_its_own_plugins(monkeypatch, tmp_path):
    """From the repository, a name means the plugin beside it; with a version it means the index."""
    folder = plugin(tmp_path / "plugins" / "speechhub-foo", "speechhub-foo")
    monkeypatch.setattr(module, "CHECKOUT_PLUGINS", tmp_path / "plugins")

    assert find_source("foo", None).requirement == str(folder)
    assert find_source("foo==1.0", None).requirement == "speechhub-foo==1.0"


def test_paths_name_themselves(tmp_path):
    """A folder is named by its project, a wheel by its file."""
    folder = plugin(tmp_path / "somewhere", "Third_Party.Ears")
    wheel = tmp_path / "speechhub_foo-1.0-py3-none-any.whl"
    wheel.write_bytes(b"")

    assert find_source(str(folder), None).name == "third-party-ears"
    assert find_source(str(wheel), None).name == "foo"
    assert find_source("foo", tmp_path).requirement == str(wheel)


@pytest.mark.parametrize(
    "wanted", ["--index-url", "a b", "foo @ http://127.0.0.1/x", "./nothing", "x.whl", ""]
)
def test_nonsense_is_refused(wanted):
    """Nothing that pip could take for an option or an address gets to pip."""
    with pytest.raises(ConfigurationError):
        find_source(wanted, None)


def test_what_a_folder_lacks_is_named(tmp_path):
    """With --from, the package index is not asked instead."""
    with pytest.raises(ConfigurationError, match="has no plugin 'foo'"):
        find_source("foo", tmp_path)
    with pytest.raises(ConfigurationError, match="no folder"):
        find_source("foo", tmp_path / "nowhere")


def test_an_environments_name_is_no_path():
    """It cannot leave the folder of all environments."""
    for name in ("..", "a/b", "", ".locks"):
        with pytest.raises(ConfigurationError):
            environment_name(name or "-")
