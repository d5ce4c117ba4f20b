"""API keys in the settings: read from all places, printed in none."""

import json

import msgspec
import pytest

from speechhub import hub
from speechhub.errors import ConfigurationError
from speechhub.settings import Secret, Settings, load_settings


def revealed(settings):
    return [key.reveal() for key in settings.api_keys]


@pytest.mark.parametrize("text", ["k1,k2", " k1 , k2 ,", '["k1", "k2"]'])
def test_keys_from_the_environment(text):
    """Keys are words with commas between them, or JSON."""
    assert revealed(load_settings(environ={"SPEECHHUB_API_KEYS": text})) == ["k1", "k2"]


def test_keys_from_files(tmp_path):
    """The TOML file and the file of keys add up; comments and blank lines are none."""
    (tmp_path / "keys").write_text("# mine\nk2\n\n  k3  \n")
    config = tmp_path / "c.toml"
    config.write_text(f'api_keys = ["k1"]\napi_keys_file = "{tmp_path}/keys"\n')

    assert revealed(load_settings(config_file=config, environ={})) == ["k1", "k2", "k3"]


@pytest.mark.parametrize("content", [None, "", "# nothing\n", b"\xff\xfe"])
def test_a_file_without_keys_is_an_error(tmp_path, content):
    """Who names a file of keys never serves without one by mistake."""
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ConfigurationError, match="keys"):
        load_settings(environ={"SPEECHHUB_API_KEYS_FILE": str(path)})


def test_an_empty_key_is_an_error():
    """No client can show an empty key."""
    with pytest.raises(ConfigurationError, match="SPEECHHUB_API_KEYS in the environment"):
        load_settings(environ={"SPEECHHUB_API_KEYS": '["k1", " "]'})


@pytest.mark.scenario("sample-key")
@pytest.mark.parametrize(
    "key",
    [
        "change-me",
        "CHANGE_ME",
        "changeme",
        "changeit",
        "YOUR_KEY",
        "your-api-key",
        "sk-your-api-key-here",
        "replace-me",
        "insert-key-here",
        "example",
        "example-key",
        "placeholder",
        "todo",
        "xxxx",
        "sk-xxxxxx",
        "unused",
        "any",
        "<your key>",
        "${API_KEY}",
        "$API_KEY",
        "$(openssl rand -hex 32)",
        "{{ key }}",
        "…",
    ],
)
def test_a_samples_key_is_refused(tmp_path, key):
    """A key that everybody has read keeps no stranger out: the server does not start, and names it."""
    (tmp_path / "keys").write_text(f"a-good-one\n{key}\n")
    sources = [
        ({"SPEECHHUB_API_KEYS": json.dumps(["a-good-one", key])}, "SPEECHHUB_API_KEYS in the environment"),
        ({"SPEECHHUB_ADMIN_KEYS": json.dumps(["a-good-one", key])}, "SPEECHHUB_ADMIN_KEYS in"),
        ({"SPEECHHUB_API_KEYS_FILE": str(tmp_path / "keys")}, "SPEECHHUB_API_KEYS_FILE in the environment"),
    ]

    for environ, place in sources:
        with pytest.raises(ConfigurationError, match="openssl rand") as caught:
            load_settings(environ=environ)
        assert f"{place}" in caught.value.message
        assert f"key 2 is {key!r}" in caught.value.message
        assert "a-good-one" not in caught.value.message


@pytest.mark.parametrize(
    "key",
    [
        "k1",
        "key-1",
        "my-key",
        "secret-of-anna",
        "change-ringing",
        "yourself",
        "anyone",
        "sk-proj-abcdef0123",
        "9f8e7d6c5b4a",
        "exampleton-7",
        "hunter2",
        "dollar$sign",
        "xx",
        "maxxxx",
        "a<b>c",
    ],
)
def test_other_keys_are_the_operators_own(key):
    """No key is refused for having a word in it that samples have, too."""
    assert revealed(load_settings(environ={"SPEECHHUB_API_KEYS": json.dumps([key])})) == [key]


def test_keys_are_never_printed():
    """Neither the settings nor an error show a key."""
    settings = load_settings(environ={"SPEECHHUB_API_KEYS": "hush-hush"})

    [key] = settings.api_keys
    assert "hush" not in f"{settings} {settings!r} {msgspec.structs.asdict(settings)} {key} {key!r}"
    with pytest.raises(TypeError):
        json.dumps(key)
    with pytest.raises(TypeError):
        msgspec.json.encode(key)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ={"SPEECHHUB_API_KEYS": '["hush-hush", 7]'})
    assert "hush" not in str(caught.value)


def test_secrets_compare_by_their_text():
    """Equal settings are equal, keys included."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize("inspectable", [False, True])
def test_the_hub_hides_before_it_asks_engines(tmp_path, monkeypatch, inspectable):
    """Unless it is to be looked into."""
    calls = []
    discover = hub.discover_all
    monkeypatch.setattr(hub, "hide_process", lambda: calls.append("hidden"))
    monkeypatch.setattr(hub, "discover_all", lambda folder: calls.append("asked") or discover(folder))

    hub.Hub.assemble(Settings(home=tmp_path, inspectable=inspectable))

    assert calls == (["asked"] if inspectable else ["hidden", "asked"])
