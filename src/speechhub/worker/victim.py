"""Makes a standby worker the process that the kernel kills first when the machine runs out of memory.

Standard library only: it runs in the worker.
"""

from pathlib import Path
from typing import Final

FIRST: Final = "1000"
"""Source: proc_pid_oom_score_adj(5)."""
_OURS: Final = Path("/proc/self/oom_score_adj")


def be_first_victim(file: Path = _OURS) -> str | None:
    """Make the kernel kill this process before any other; return the previous value, or None on failure."""
    try:
        before = file.read_text()
        file.write_text(FIRST)
    except OSError:  # a system that only emulates Linux
        return None
    return before


def be_like_others(before: str | None, file: Path = _OURS) -> None:
    """Undo `be_first_victim`."""
    if before is not None:
        file.write_text(before)
