"""What the model store imports."""

import subprocess
import sys


def test_the_store_does_not_import_the_hub_client(tmp_path):
    """A server whose models are in place never pays for huggingface-hub."""
    code = "import sys, speechhub.store; sys.exit('huggingface_hub' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
