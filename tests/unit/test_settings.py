"""Settings come from their sources in order, and mistakes in them are named."""

import msgspec
import pytest

from speechhub.errors import ConfigurationError
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.settings import Settings, load_settings
from speechhub.settings.expected import expected


@pytest.mark.mission("2.3")
def test_environment_wins_over_file(tmp_path):
    """A variable in the environment wins over the TOML file, which wins over the default."""
    path = tmp_path / "config.toml"
    path.write_text("port = 9001\nqueue_limit = 5\n")

    settings = load_settings(config_file=path, environ={"SPEECHHUB_PORT": "9002"})

    assert (settings.port, settings.queue_limit, settings.host) == (9002, 5, "127.0.0.1")


def test_dotenv_lies_between_file_and_environment(tmp_path, monkeypatch):
    """The file .env in the current folder wins over TOML and loses to the environment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speechhub.toml").write_text("port = 1\nqueue_limit = 1\nmax_input_chars = 1\n")
    (tmp_path / ".env").write_text("SPEECHHUB_PORT=2\nSPEECHHUB_QUEUE_LIMIT=2\nOTHER=1\n")

    settings = load_settings(current_folder=True, environ={"SPEECHHUB_PORT": "3"})

    assert (settings.port, settings.queue_limit, settings.max_input_chars) == (3, 2, 1)


def test_lists_and_tables_are_read_from_text():
    """A list may be written with commas or as JSON; a table is JSON; yes and no are booleans."""
    settings = load_settings(
        environ={
            "SPEECHHUB_PRELOAD": "whisper-base, piper-en-us-joe",
            "SPEECHHUB_CORS_ORIGINS": '["https://a.example"]',
            "SPEECHHUB_ENGINES": '{"whisper": {"beam_size": 2}}',
            "SPEECHHUB_OFFLINE": "yes",
        }
    )

    assert settings.preload == ("whisper-base", "piper-en-us-joe")
    assert settings.cors_origins == ("https://a.example",)
    assert settings.engines == {"whisper": {"beam_size": 2}}
    assert settings.offline is True


@pytest.mark.parametrize("service", ["SPEECHHUB", "SPEECHHUB_GPU"])
def test_a_kubernetes_service_of_that_name_is_no_setting(service):
    """What Kubernetes tells a container about a Service named speechhub is not taken for settings."""
    environ = {
        f"{service}_SERVICE_HOST": "10.0.0.7",
        f"{service}_SERVICE_PORT": "8000",
        f"{service}_SERVICE_PORT_HTTP": "8000",
        f"{service}_PORT": "tcp://10.0.0.7:8000",
        f"{service}_PORT_8000_TCP": "tcp://10.0.0.7:8000",
        f"{service}_PORT_8000_TCP_PROTO": "tcp",
        f"{service}_PORT_8000_TCP_PORT": "8000",
        f"{service}_PORT_8000_TCP_ADDR": "10.0.0.7",
    }

    assert load_settings(environ=environ).port == 8000
    assert load_settings(environ=environ | {"SPEECHHUB_PORT": "9002"}).port == 9002


@pytest.mark.mission("2.3")
@pytest.mark.scenario("wrong-setting")
@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"SPEECHHUB_GPU_PORT": "1"}, "SPEECHHUB_GPU_PORT"),
        ({"SPEECHHUB_PROT": "1"}, "SPEECHHUB_PROT"),
        (
            {"SPEECHHUB_PORT": "eight"},
            "SPEECHHUB_PORT in the environment is 'eight': it must be a whole number from 0 to 65535",
        ),
        ({"SPEECHHUB_API_KEYS": " , "}, "SPEECHHUB_API_KEYS"),
        (
            {"SPEECHHUB_PORT": "70000"},
            "SPEECHHUB_PORT in the environment is '70000': it must be a whole number from 0 to 65535",
        ),
        ({"SPEECHHUB_ALIASES": "{broken"}, "SPEECHHUB_ALIASES"),
        ({"SPEECHHUB_CONFIG": "/nowhere/config.toml"}, "/nowhere/config.toml"),
        ({"SPEECHHUB_MODELS": '{"m": {"engine": "whisper", "pth": "/x"}}'}, "pth"),
    ],
)
def test_a_mistake_is_named(environ, names):
    """An unknown name, a wrong type or a missing file is an error that names its place."""
    with pytest.raises(ConfigurationError, match=names):
        load_settings(environ=environ)


def test_broken_toml_is_named(tmp_path):
    """A syntax error in the TOML file names the file."""
    path = tmp_path / "c.toml"
    path.write_text("port = = 1")

    with pytest.raises(ConfigurationError, match=r"c\.toml"):
        load_settings(config_file=path, environ={})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("prot = 1", "Unknown setting prot in line 2 of {path}. Did you mean port"),
        (
            "port = 70000",
            "Setting port in line 2 of {path} is 70000: it must be a whole number from 0 to 65535.",
        ),
        (
            'log_level = "loud"',
            "Setting log_level in line 2 of {path} is 'loud': it must be one of debug, info, warning, error.",
        ),
        (
            '[models.m]\nengine = "whisper"\npth = "/x"',
            "Setting models in line 2 of {path}, at models.m: there is no pth in it. Did you mean path?",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line_value_and_remedy(tmp_path, line, said):
    """The message has the file and line, the value, and what is allowed or near."""
    path = tmp_path / "c.toml"
    path.write_text(f"queue_limit = 5\n{line}\n")

    with pytest.raises(ConfigurationError) as caught:
        load_settings(config_file=path, environ={})

    assert said.format(path=path) in caught.value.message
    assert "docs/" not in caught.value.message


def test_a_mistake_elsewhere_is_told_with_its_source(tmp_path, monkeypatch):
    """The variable is named, and whether it stands in .env, in the environment or on the command line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SPEECHHUB_QUEUE_LIMIT=many\n")

    with pytest.raises(ConfigurationError) as caught:
        load_settings(
            current_folder=True,
            environ={"SPEECHHUB_DEVICE": "cpu", "SPEECHHUB_PORT": "eight"},
            overrides={"standby": 3},
        )

    assert "SPEECHHUB_QUEUE_LIMIT in the file .env is 'many'" in caught.value.message
    assert "SPEECHHUB_PORT in the environment is 'eight'" in caught.value.message
    assert "standby on the command line is 3" in caught.value.message


def test_an_unknown_variable_has_near_names():
    """A mistyped name is answered with the right one; a strange one with all there are."""
    with pytest.raises(ConfigurationError, match=r"environment\. Did you mean SPEECHHUB_PORT"):
        load_settings(environ={"SPEECHHUB_PROT": "1"})
    with pytest.raises(ConfigurationError, match=r"There are: .*SPEECHHUB_PORT"):
        load_settings(environ={"SPEECHHUB_XYZZY_0": "1"})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("port", "abc", "is 'abc': it must be a whole number from 0 to 65535."),
        ("queue_limit", "0", "is '0': it must be a whole number of 1 or more."),
        ("max_audio_s", "long", "is 'long': it must be a number above 0."),
        ("idle_unload_s", "nan", "is 'nan': it must be a number of 0 or more."),
        ("offline", "maybe", "is 'maybe': it must be true or false."),
        ("offline", "ture", "is 'ture': it must be true or false. Did you mean true?"),
        (
            "log_level",
            "warn",
            "is 'warn': it must be one of debug, info, warning, error. Did you mean warning?",
        ),
        ("preload", '["a", 5]', ", at preload[1], is 5: it must be text."),
        ("preload", "[1", "is '[1': it must be a list in which each item is text, written as JSON ("),
        ("aliases", "abc", "is 'abc': it must be a table in which each value is text, written as JSON ("),
        ("aliases", '{"a": 5}', ", at aliases.a, is 5: it must be text."),
        ("engines", "[]", "is []: it must be a table in which each value is a table."),
        ("engines", '{"a": 5}', ", at engines.a, is 5: it must be a table."),
        ("models", '{"m": {"path": "/x"}}', ", at models.m: engine is missing."),
        ("models", '{"m": {"engine": "e", "files": 3}}', ", at models.m.files, is 3: it must be a list in"),
        ("models", '{"m": {"engine": "e", "path": 3}}', ", at models.m.path, is 3: it must be a path."),
        ("api_keys", '["hush", ""]', ", at api_keys[1]: it must be text that is not empty."),
        ("api_keys", '["hush"', ": it must be a list in which each item is text that is not empty, written"),
        ("api_keys_file", "/nowhere", "is '/nowhere': it must be a file that the server can read"),
    ],
)
def test_what_a_setting_must_be_is_told_in_words(name, text, said):
    """For each type that there is: the variable, its source, the value, and what is expected."""
    variable = f"SPEECHHUB_{name.upper()}"

    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ={variable: text})

    assert caught.value.message.startswith(f"Setting {variable} in the environment")
    assert said in caught.value.message
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda it: it.name)
def test_every_setting_can_say_what_it_must_be(field):
    """A type that a setting is given later has words too."""
    said = expected(field.type)

    assert said
    assert "a value" not in said


@pytest.mark.parametrize("name", ["api_keys", "admin_keys"])
def test_no_message_shows_a_key(tmp_path, name):
    """A list of keys that is wrong in one place is named without any of them."""
    path = tmp_path / "c.toml"
    path.write_text(f'{name} = ["hush-right", 7, ""]\n')

    with pytest.raises(ConfigurationError, match=f"Setting {name} in line 1") as caught:
        load_settings(config_file=path, environ={})

    assert "hush" not in caught.value.message


def test_the_mission_s_limits_are_the_defaults():
    """A switch may take 30 s and an upload 50 MiB where the operator says nothing; the manager agrees."""
    settings = Settings()

    assert (settings.switch_timeout_s, settings.max_upload_bytes) == (30.0, 50 * 1024 * 1024)
    assert Limits().switch_timeout_s == settings.switch_timeout_s
