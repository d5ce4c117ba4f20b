"""The output of the conformance kit in a test run of its own."""

import re

import speechhub_echo
from speechhub.engine.testing import STT_CHECKS, check_stt_engine


def test_the_running_check_is_named_with_its_duration(capsys):
    """On a slow engine the author sees which check takes the time."""
    check_stt_engine(speechhub_echo.STT)

    told = capsys.readouterr().err.splitlines()
    assert any(re.fullmatch(r"echo-stt: longest_recording \.\.\. \d+\.\d s", line) for line in told)
    assert {line.split()[1] for line in told} >= set(STT_CHECKS)
