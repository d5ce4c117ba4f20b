"""The completion script of each shell; click starts bash to learn its version."""

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(run, shell):
    """It registers itself for speechhub, and asks with the variable that the answers below come to."""
    shown = run("completion", shell)

    assert shown.exit_code == 0, shown.output
    assert f"_SPEECHHUB_COMPLETE={shell}_complete" in shown.stdout
