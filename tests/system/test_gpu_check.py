"""The GPU check starts programs, and a pretended card watches them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))
from gpu_check.cards import BASE_BYTES, PRETENDED_BYTES, PretendedCard  # noqa: E402
from gpu_check.subjects import wrapped  # noqa: E402


def test_pretended_card_forgets_who_has_ended(tmp_path):
    """As a driver does; a process that only stands by has no file, and is not there."""
    card = PretendedCard(tmp_path / "card")
    folder = Path(card.environment["PRETENDED_CARD"])
    ended = subprocess.Popen(["true"])
    (folder / str(os.getpid())).write_text("1000")
    (folder / str(ended.pid)).write_text("5000")
    ended.wait()

    found = card.sample()

    assert found.processes == {os.getpid(): 1000}
    assert found.used_bytes == BASE_BYTES + 1000
    assert found.free_bytes == card.device().total_bytes - found.used_bytes
    assert int((folder / "total").read_text()) == PRETENDED_BYTES - BASE_BYTES


def test_python_with_more_in_its_environment(tmp_path):
    """Workers inherit no paths; what they are to find comes with the program that they are started by."""
    python = wrapped(Path(sys.executable), tmp_path, {"GPU_CHECK_A": "x y", "PYTHONPATH": "/p"})
    code = "import os, sys; print(os.environ['GPU_CHECK_A'], '/p' in sys.path, sys.argv[1:], sys.prefix)"

    said = subprocess.run([str(python), "-c", code, "a b"], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == f"x y True ['a b'] {sys.prefix}"


def test_program_runs_where_there_is_no_server():
    """It needs no HTTP and no FFmpeg, whose packages an engine's environment lacks."""
    code = (
        "import sys\n"
        "for name in ('litestar', 'granian', 'av', 'httpx', 'soxr'): sys.modules[name] = None\n"
        "import gpu_check.__main__"
    )
    path = os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "src")])

    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})
