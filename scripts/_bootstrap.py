"""Make sure that .venv holds what is needed, then become the command.

Usage: ``_bootstrap.py serve|test [COMMAND [ARGUMENT…]]``. COMMAND is looked up in .venv/bin; without one,
nothing is run. Standard library only, any Python from 3.11 on. When the stamp in .venv fits, it costs 30 ms.
"""

import os
import signal
import sys

import _stamp


def main(purpose: str, *command: str) -> None:
    """Make the environment fit for *purpose*, then become *command*."""
    program = os.path.join(_stamp.VENV, "bin", command[0] if command else "python")
    if not (_stamp.is_ready(purpose) and os.path.exists(program)):
        # Not above: subprocess, venv and the like take longer than the rest of the start.
        try:
            import _install  # noqa: PLC0415
        except ImportError as error:
            sys.exit(
                f"speechhub: {error}: this Python is not whole. Debian, Ubuntu: apt install python3-venv"
            )
        try:
            _install.make_ready(purpose, program)
        except KeyboardInterrupt:
            _install.say("interrupted; run this again to continue")
            sys.exit(128 + signal.SIGINT)
        except (_install.InstallError, OSError) as error:
            sys.exit(f"speechhub: {error}")
    if command:
        # Python ignores SIGPIPE, and what is ignored stays so in the program that we become.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(program, [program, *command[1:]])


if __name__ == "__main__":
    main(*sys.argv[1:])
