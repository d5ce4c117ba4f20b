"""``completion``: scripts for shells, and what they ask for."""

import pytest


def test_another_shell(run):
    """Those that there are are named."""
    shown = run("completion", "tcsh")

    assert shown.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in shown.stderr


@pytest.mark.parametrize(
    ("words", "start", "found"),
    [
        ("speechhub tr", "1", "plain,transcribe"),
        ("speechhub models pu", "2", "plain,pull"),
        ("speechhub transcribe --form", "2", "plain,--format"),
    ],
)
def test_words_are_completed(run, words, start, found):
    """As a script asks."""
    asked = {"_SPEECHHUB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": start}

    assert found in run(env=asked).stdout.splitlines()
