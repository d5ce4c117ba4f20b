"""The engine keeps the promises of speechhub.engine."""

import subprocess
import sys

from speechhub.engine.testing import check_stt_engine
from speechhub_pocketsphinx import EN_US, ENGINE


def test_conformance(store, clip):
    """PocketSphinx passes the published kit, with human speech."""
    check_stt_engine(ENGINE, model_dir=store.resolve, audio=clip("leisure").slice_s(0.0, 4.0))


def test_the_description_is_light():
    """The hub reads the spec without importing PocketSphinx."""
    code = "import sys, speechhub_pocketsphinx; sys.exit('pocketsphinx' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_it_is_nobody_s_default():
    """Who installs it beside another engine still gets the other one."""
    assert EN_US.preference < 0
