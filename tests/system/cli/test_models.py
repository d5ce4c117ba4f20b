"""An engine's licence is accepted before a process runs the engine."""

from dataclasses import replace

import pytest

import speechhub_echo


@pytest.fixture
def bound(monkeypatch):
    """Give echo-clone a licence with conditions."""
    models = [
        replace(
            model,
            licence="Own-1.0",
            licence_url="https://example.org/own",
            must_accept_licence=model.id == "echo-clone",
        )
        for model in speechhub_echo.TTS.models
    ]
    spec = replace(speechhub_echo.TTS, models=tuple(models))
    monkeypatch.setattr(speechhub_echo, "TTS", spec)
    return spec


@pytest.mark.scenario("licence-not-accepted")
def test_nothing_speaks_before_its_licence_is_accepted(run, bound, tmp_path):
    """The command that speaks without a server says the same; no worker is started for it."""
    words = ("speak", "Hello", "--model", "echo-clone", "-o", tmp_path / "hello.wav")
    refused = run(*words)
    run("models", "pull", "echo-clone", "--accept-license")

    assert refused.exit_code == 1
    assert "the operator of this server has not accepted it" in refused.stderr
    assert run(*words).exit_code == 0
