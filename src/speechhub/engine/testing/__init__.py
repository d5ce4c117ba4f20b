"""The conformance kit: checks that an engine keeps the promises of `speechhub.engine`.

Three lines of test are enough::

    from speechhub.engine.testing import check_stt_engine
    from speechhub_echo import STT


    def test_conformance():
        check_stt_engine(STT)

The kit loads the engine in the test's own process and drives it as a worker does: one thread, one call at a
time, one engine for all calls. A failure is an AssertionError that names the broken promise.
It needs the standard library and numpy alone; any test runner will do.
"""

from speechhub.engine.testing.stt import STT_CHECKS, check_stt_engine
from speechhub.engine.testing.tts import TTS_CHECKS, check_tts_engine

__all__ = ["STT_CHECKS", "TTS_CHECKS", "check_stt_engine", "check_tts_engine"]
