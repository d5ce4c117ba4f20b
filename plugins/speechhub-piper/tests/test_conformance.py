"""The engine keeps the promises of speechhub.engine."""

import subprocess
import sys

from speechhub.engine.testing import check_tts_engine
from speechhub_piper import ENGINE


def test_conformance(store):
    """Piper passes the published kit."""
    check_tts_engine(ENGINE, model_dir=store.resolve)


def test_the_description_is_light():
    """The hub reads the spec without importing Piper, and so without its licence's reach."""
    code = "import sys, speechhub_piper; sys.exit(bool({'piper', 'onnxruntime'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
