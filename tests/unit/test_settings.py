"""Settings come from their sources in order, and mistakes in them are named."""

import pytest

from speechhub.errors import ConfigurationError
from speechhub.settings import load_settings


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

    settings = load_settings(environ={"SPEECHHUB_PORT": "3"})

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


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"SPEECHHUB_GPU_PORT": "1"}, "SPEECHHUB_GPU_PORT"),
        ({"SPEECHHUB_PROT": "1"}, "SPEECHHUB_PROT"),
        ({"SPEECHHUB_PORT": "eight"}, "port"),
        ({"SPEECHHUB_API_KEYS": " , "}, "SPEECHHUB_API_KEYS"),
        ({"SPEECHHUB_PORT": "70000"}, "port"),
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
