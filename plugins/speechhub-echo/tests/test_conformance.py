"""Both engines keep the promises of the engine API."""

import speechhub_echo
from speechhub.engine.testing import check_stt_engine, check_tts_engine


def test_stt_conformance():
    """The STT engine passes the published kit."""
    check_stt_engine(speechhub_echo.STT)


def test_tts_conformance():
    """The TTS engine passes the published kit, at another sample rate as well."""
    check_tts_engine(speechhub_echo.TTS)
    check_tts_engine(speechhub_echo.TTS, options={"sample_rate": 16_000})


def test_echo_is_nobody_s_default():
    """Who installs it beside a real engine still gets the real one."""
    models = [*speechhub_echo.STT.models, *speechhub_echo.TTS.models]

    assert all(model.preference < 0 for model in models)
