"""The command line in this process, on the echo engines and an empty home."""

import json

import click.testing
import pytest

from speechhub.cli import main


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch, tmp_path, logging_put_back):
    """Read no settings of the machine's, and put logging back as it was."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPEECHHUB_CONFIG", "OPENAI_API_KEY", "COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPEECHHUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPEECHHUB_STT_MODEL", "echo-stt")
    monkeypatch.setenv("SPEECHHUB_TTS_MODEL", "echo-tts")


@pytest.fixture
def run():
    """Call speechhub as a shell would."""

    def call(*words, **options):
        return click.testing.CliRunner().invoke(
            main, [str(word) for word in words], prog_name="speechhub", **options
        )

    return call


@pytest.fixture
def own_model(monkeypatch):
    """Give echo-stt other files than none."""

    def set_model(**fields):
        model = {"echo-stt": {"engine": "echo-stt", **{k: str(v) for k, v in fields.items()}}}
        monkeypatch.setenv("SPEECHHUB_MODELS", json.dumps(model))

    return set_model
