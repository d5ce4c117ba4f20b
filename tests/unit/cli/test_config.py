"""What a command makes of the files in the current folder, and of --config."""

import click
import pytest

from speechhub.cli import main


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The current folder, with settings that lead to another home."""
    monkeypatch.delenv("SPEECHHUB_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / ".env").write_text(f"SPEECHHUB_HOME={tmp_path / 'theirs'}\n")
    (tmp_path / ".env").chmod(0o644)
    return tmp_path


def commands(group, *words):
    for name, command in group.commands.items():
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, *words, name)


@pytest.mark.parametrize("words", [(), *commands(main)], ids=" ".join)
def test_every_command_can_be_told_which_settings(run, words):
    """Each command that needs settings has --config, once."""
    help_text = run(*words, "--help").stdout

    assert help_text.count("--config PATH") == (0 if words == ("completion",) else 1)


@pytest.mark.parametrize("words", [("doctor",), ("voices", "list"), ("engines", "list"), ("models", "list")])
def test_a_command_tells_what_it_did_not_read(run, project, words):
    """The home of a .env that lies there is not used; the command says so, and how to use it."""
    result = run(*words)

    assert "To use it, add: --config ." in (result.stdout if words == ("doctor",) else result.stderr)
    assert str(project / "theirs") not in result.stdout
    assert not (project / "theirs").exists()


@pytest.mark.parametrize(
    "words", [("--config", ".", "doctor"), ("doctor", "--config", "."), ("doctor", "--config", ".env")]
)
def test_a_command_reads_what_it_is_told(run, project, words):
    """--config before or behind the command's name takes the folder's settings."""
    result = run(*words)

    assert f"home is {project / 'theirs'}" in result.stdout
    assert "--config ." not in result.output


def test_the_hint_comes_once_and_not_into_the_output(run, project):
    """What programs read stays what it was."""
    result = run("voices", "list", "--json")

    assert result.stdout.strip() == "[]"
    assert result.stderr.count("To use it") == 1


def test_the_address_of_the_server_comes_from_the_settings_too(run, project):
    """Commands that ask a server look where --config says that it is."""
    (project / "own.toml").write_text("port = 9\n")

    assert "127.0.0.1:9." in run("top", "--once", "--config", "own.toml").stderr.replace(": [", ".[").replace(
        ":9:", ":9."
    )
