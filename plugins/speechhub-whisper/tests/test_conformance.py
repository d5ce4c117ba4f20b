"""The engine keeps the promises of speechhub.engine."""

import subprocess
import sys

from speechhub.engine import Audio
from speechhub.engine.testing import check_stt_engine
from speechhub_whisper import ENGINE


def test_conformance(store, clip):
    """Whisper passes the published kit; a beam of 1 makes it quick."""
    audio = Audio(samples=clip("en")[: 16_000 * 3], sample_rate=16_000)

    check_stt_engine(ENGINE, model_dir=store.resolve, audio=audio, options={"beam_size": 1})


def test_the_description_is_light():
    """The hub reads the spec without importing faster-whisper."""
    code = (
        "import sys, speechhub_whisper;"
        "sys.exit(bool({'faster_whisper', 'ctranslate2', 'onnxruntime'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
