"""``voices``: the library from the command line."""

import json

import pytest

from tests.unit.voices.conftest import tone, wav


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "anna.wav"
    path.write_bytes(wav(tone(1.5)))
    return path


def test_the_life_of_a_voice(run, clip, tmp_path):
    """Added, listed, aliased, heard, deleted."""
    added = run("voices", "add", "anna", clip, "--statement", "she agreed")
    aliased = run("voices", "alias", "alloy", "anna")
    listed = run("voices", "list", env={"COLUMNS": "200"})
    heard = run("voices", "preview", "anna", "-o", tmp_path / "out.wav")
    [told] = json.loads(run("voices", "list", "--json").stdout)
    removed = run("voices", "remove", "anna", "--yes")

    assert (told["name"], told["aliases"], told["statement"]) == ("anna", ["alloy"], "she agreed")
    assert told["duration_s"] == 1.5
    assert [it.exit_code for it in (added, aliased, listed, heard, removed)] == [0] * 5, added.output
    assert added.stdout.startswith("voice_")
    assert added.stderr.count("Warning: It ") == len(told["warnings"]) == 2  # the tone fills it
    for word in ("anna", "1.5 s", "alloy", "she agreed"):
        assert word in listed.stdout
    assert (tmp_path / "out.wav").read_bytes()[:4] == b"RIFF"
    assert "There are no custom voices" in run("voices", "list").stdout
    assert run("voices", "preview", "anna", "-o", tmp_path / "out.wav").exit_code == 1


@pytest.mark.parametrize("words", [[], ["--statement", "x", "--consent", "cons_1"], ["--statement", " "]])
def test_a_voice_belongs_to_somebody(run, clip, words):
    """Exactly one of consent and statement is needed."""
    refused = run("voices", "add", "anna", clip, *words)

    assert refused.exit_code == 2
    assert "belongs to a person" in refused.stderr


def test_a_bad_recording_is_refused_in_one_line(run, tmp_path):
    """The complaint is the server's."""
    path = tmp_path / "short.wav"
    path.write_bytes(wav(tone(0.4)))

    refused = run("voices", "add", "anna", path, "--statement", "x")

    assert refused.exit_code == 1
    assert "at least 1 s" in refused.stderr


def test_a_large_file_is_refused_unread(run, clip, monkeypatch):
    """The setting holds here too."""
    monkeypatch.setenv("SPEECHHUB_MAX_REFERENCE_BYTES", "1000")

    assert "max_reference_bytes" in run("voices", "add", "anna", clip, "--statement", "x").stderr


@pytest.mark.parametrize("words", [["alloy"], ["alloy", "anna", "--remove"]])
def test_an_alias_is_set_or_removed(run, words):
    """Not both, nor neither."""
    assert run("voices", "alias", *words).exit_code == 2


def test_an_alias_can_be_removed(run, clip):
    """Afterwards it stands for nothing."""
    run("voices", "add", "anna", clip, "--statement", "x")
    run("voices", "alias", "alloy", "anna")

    assert "no custom voice" in run("voices", "alias", "alloy", "--remove").stdout
    assert "alloy" not in run("voices", "list").stdout
