"""A deleted voice takes along what an engine's process learned of it."""

import pytest

from tests.unit.voices.conftest import tone, wav


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "anna.wav"
    path.write_bytes(wav(tone(1.5)))
    return path


def test_what_was_learnt_goes_with_the_voice(run, clip, tmp_path):
    """A command deletes it as the server does."""
    run("voices", "add", "anna", clip, "--statement", "she agreed")
    words = ("speak", "word", "--model", "echo-clone", "-o", tmp_path / "word.wav")
    spoken = run(*words, "--voice", "anna", "--seed", "7", "--silence-interval-ms", "100")
    features = tmp_path / "home" / "voices" / "features" / "echo-clone"
    [kept] = features.iterdir()

    removed = run("voices", "remove", "anna", "--yes")

    assert (spoken.exit_code, removed.exit_code) == (0, 0), spoken.output
    assert not kept.exists()
