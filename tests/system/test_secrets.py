"""Secrets are out of the environment that workers can read."""

import inspect
import os
import subprocess
import sys

import pytest

from speechhub.settings import hide_process

NOBODY = 65534


PARENT = """
import runpy, subprocess, sys
conceal = runpy.run_path(sys.argv[1])["hide_process"]
if sys.argv[2] == "hidden":
    conceal()
look = "import os; print(b'hush-key' in open(f'/proc/{os.getppid()}/environ', 'rb').read())"
print(subprocess.run([sys.executable, "-c", look], capture_output=True, text=True))
"""
"""A process that knows a secret, and starts another one of its user's, which looks for it."""


def as_a_user(*args, **env):
    """Run a Python as a user who is not root; return what it prints."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            ran = subprocess.run(
                [python, "-E", "-s", "-c", *args],
                check=False,
                env=env,
                cwd="/",
                capture_output=True,
                text=True,
                **user,
            )
        except OSError:  # it lies in a folder of root's
            continue
        if "PermissionError" in ran.stderr:
            continue
        assert not ran.returncode, ran.stderr
        return ran.stdout
    return pytest.skip("no Python here that a user can run who is not root")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_worker_cannot_read_the_hubs_environment():
    """Workers run as the hub's user, and could read the keys of a process that does not hide."""
    module = inspect.getsourcefile(hide_process)

    assert "True" in as_a_user(PARENT, module, "plain", SECRET="hush-key")

    seen = as_a_user(PARENT, module, "hidden", SECRET="hush-key")
    assert "Permission denied" in seen
    assert "True" not in seen
